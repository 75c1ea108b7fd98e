"""The oracle of users itself, against cases worked out by hand: a judge that errs proves nothing."""

from typing import Any

import pytest

from tests.oracle.compare_users import differences
from tests.oracle.passed import Original, Passed
from tests.oracle.users import UserRules, Users

T0 = 1_600_000_200_000  # a multiple of 5 min but not of an hour: 1_600_000_200 = 3600 * 444444 + 1800
MIN, H, DAY = 60_000, 3_600_000, 86_400_000


def did(kind: str, ts_ms: int = T0, /, category: str | None = "dance", **fields: Any) -> Passed:
    """An event of user u with anchor a unless given."""
    return Passed({"type": kind, "ts_ms": ts_ms, "anchor_id": "a", "user_id": "u"} | fields, category)


def back(gift: Passed) -> Passed:
    """The reversal of a gift; what it says of itself is wrong and does not matter."""
    event = gift.event
    original = Original(str(event["user_id"]), str(event["anchor_id"]), event["ts_ms"], event["value"])
    return Passed(event | {"ts_ms": event["ts_ms"] + DAY, "user_id": "w", "value": 9_999}, None, original)


def users(*met: Passed, **rules: int) -> Users:
    """An oracle that was fed these events."""
    return Users(UserRules(**rules)).feed(met)


def shown(*met: Passed, at_ms: int = T0, **rules: int) -> dict[str, Any]:
    """What it says of u."""
    answer = users(*met, **rules).show("u", at_ms)
    assert answer is not None
    return answer


def views(*met: Passed) -> list[tuple[str, int, int]]:
    """(anchor, start after T0, watched), newest first."""
    return [(row["anchor_id"], row["ts_ms"] - T0, row["watch_ms"]) for row in shown(*met)["recent_views"]]


def shares(*met: Passed, **rules: int) -> dict[str, float]:
    """Tastes."""
    return {row["category"]: row["share"] for row in shown(*met, **rules)["tastes"]}


def test_an_answer_has_the_contracts_shape() -> None:
    """One view start; asked before it, the answer is as of it."""
    assert shown(did("view_start", user_id="u", anchor_id=7), at_ms=T0 - 5) == {
        "user_id": "u", "as_of_ms": T0, "attributes": {},
        "recent_views": [{"anchor_id": "7", "category": "dance", "watch_ms": 0, "ts_ms": T0}],
        "familiarity": [
            {"anchor_id": "7", "views": 1, "watch_ms": 0, "gift_value": 0, "last_ts_ms": T0, "exposures_since_click": 0}
        ],
        "tastes": [{"category": "dance", "share": 1.0}], "gift_value": {"10m": 0, "1h": 0, "24h": 0},
        "follows": [], "blocked": [],
    }  # fmt: skip


def test_a_record_begins_with_activity() -> None:
    """No reversal, no event of a room; any user is otherwise unknown."""
    assert users(did("live_start"), back(did("gift", value=1)), did("anchor_profile")).show("u", T0) is None
    assert users(did("user_profile")).show("u", T0) is not None
    assert users(did("user_profile")).show("v", T0) is None
    assert users(did("like", user_id=5)).show("5", T0) is not None


def test_a_record_ends_after_30_days_of_the_partitions_silence() -> None:
    """30 days are still kept, 1 ms more is not; the next event begins anew; a late event never moves time back."""
    old, late = did("click"), did("click", T0 - 9, anchor_id="b")
    on_edge, past = did("like", T0 + 30 * DAY, user_id="v"), did("like", T0 + 30 * DAY + 1, user_id="v")
    assert users(old, late, on_edge).show("u", T0) is not None
    assert users(old, past).show("u", T0) is None
    assert users(did("like", T0 + DAY + 1, user_id="v"), old, ttl_days=1).show("u", T0) is None
    answer = shown(old, past, did("like", T0 + 30 * DAY + 2, anchor_id="c"))
    assert [row["anchor_id"] for row in answer["familiarity"]] == ["c"]


def test_an_erasure_ends_the_record_and_drops_what_lies_up_to_60_s_after_it() -> None:
    """Whenever it is met; 1 ms more counts; a reversal falls under it by its gift's time; time passes all the same."""
    oracle = users(did("click", T0 + 5 * MIN), did("click", user_id="v"))
    oracle.erase("u", T0)
    assert oracle.show("u", T0) is None
    oracle.meet(did("like", T0 + MIN))
    assert oracle.show("u", T0) is None
    gift = did("gift", T0 + MIN + 1, value=5)
    oracle.feed([gift, back(did("gift", T0 + MIN, value=3))])
    answer = oracle.show("u", T0)
    assert answer is not None
    assert answer["familiarity"][0]["gift_value"] == 5
    oracle.erase("u", T0)
    oracle.erase("u", T0 - 1)
    assert oracle.show("u", T0) == answer
    oracle.erase("u", T0 + 31 * DAY)
    oracle.meet(did("like", T0 + 31 * DAY))
    assert (oracle.newest_ms, oracle.show("v", T0)) == (T0 + 31 * DAY, None)


def test_views_stand_by_start_and_the_50_last_started_stay() -> None:
    """Equal starts as they came; a late start takes its place, or none."""
    assert views(did("view_start", T0 + 5), did("view_start", anchor_id="b"), did("view_start", anchor_id="c")) == [
        ("a", 5, 0), ("c", 0, 0), ("b", 0, 0),
    ]  # fmt: skip
    many = [did("view_start", T0 + n) for n in range(1, 52)]
    assert [start for _, start, _ in views(*many, did("view_start", T0))] == [*range(51, 1, -1)]


def test_watching_belongs_to_the_newest_view_that_had_started_unless_that_is_over() -> None:
    """A view reaches to its start + what was watched; 30 minutes later more watching is still of it, 1 ms on not."""
    start, beat = did("view_start"), did("view_heartbeat", T0 + MIN, watch_ms=MIN)
    assert views(start, beat, did("view_end", T0 + 31 * MIN, watch_ms=7)) == [("a", 0, MIN + 7)]
    assert views(start, beat, did("view_end", T0 + 31 * MIN + 1, watch_ms=7)) == [("a", 31 * MIN + 1, 7), ("a", 0, MIN)]
    again = did("view_start", T0 + 2 * MIN)
    assert views(start, again, beat) == [("a", 2 * MIN, 0), ("a", 0, MIN)]
    assert views(start, did("view_heartbeat", T0 + MIN, watch_ms=1, anchor_id="b")) == [("b", MIN, 1), ("a", 0, 0)]
    assert views(again, beat) == [("a", 2 * MIN, 0), ("a", MIN, MIN)]


def test_familiarity_counts_and_stands_by_last_contact() -> None:
    """Exposures since a click or view start arrived; a late event counts, and moves nothing back; ties as they came."""
    answer = shown(
        did("impression"), did("click", T0 - 9), did("impression", T0 + 1), did("impression", T0 + 1),
        did("view_start", T0 + 9, anchor_id="b"), did("view_end", T0 + 8, anchor_id="b", watch_ms=4),
        did("gift", T0 + 9, anchor_id="c", value=6), did("user_profile", T0 + 99),
    )  # fmt: skip
    rows = [tuple(row[name] for name in FAMILIAR) for row in answer["familiarity"]]
    assert rows == [("c", T0 + 9, 0, 0, 6, 0), ("b", T0 + 9, 1, 4, 0, 0), ("a", T0 + 1, 0, 0, 0, 2)]
    assert answer["as_of_ms"] == T0 + 99


FAMILIAR = ("anchor_id", "last_ts_ms", "views", "watch_ms", "gift_value", "exposures_since_click")


def test_the_100_anchors_of_latest_contact_stay_and_one_that_returns_begins_anew() -> None:
    """A latecomer does not push anyone out; a reversal never brings a sum below 0."""
    lost = did("gift", T0 - 1, value=9)
    many = [did("like", T0 + n, anchor_id=n) for n in range(100)]
    rows = shown(lost, *many, did("like", T0 - 2, anchor_id="late"))["familiarity"]
    assert [row["anchor_id"] for row in rows] == [str(n) for n in range(99, -1, -1)]
    again = [did("gift", T0 + 200, value=5), back(lost), did("gift", T0 + 200, value=1)]
    assert [row["gift_value"] for row in shown(lost, *many, *again)["familiarity"]][:2] == [1, 0]


def test_spend_is_summed_from_the_floor_of_a_windows_hop() -> None:
    """10 min at T0 + 10 min + 59,999 begin at T0; one ms more leaves it; a reversal takes out its gift's value."""
    gifts = [did("gift", T0 - 1, value=1), did("gift", T0, value=10), did("gift", T0 + 5 * MIN, value=100)]
    assert shown(*gifts, at_ms=T0 + 11 * MIN - 1)["gift_value"] == {"10m": 110, "1h": 111, "24h": 111}
    assert shown(*gifts, at_ms=T0 + 11 * MIN)["gift_value"]["10m"] == 100
    assert shown(*gifts, at_ms=T0 + 65 * MIN)["gift_value"]["1h"] == 100
    assert shown(*gifts, back(gifts[1]))["gift_value"] == {"10m": 101, "1h": 101, "24h": 101}
    assert shown(*gifts, back(gifts[1]))["as_of_ms"] == T0 + 5 * MIN


@pytest.mark.parametrize(
    ("event", "weight"),
    [
        (did("view_start"), 1.0), (did("click"), 2.0), (did("gift", value=0), 3.0), (did("impression"), 0.0),
        (did("view_heartbeat", watch_ms=30_000), 0.5), (did("view_end", watch_ms=DAY), 10.0),
        (did("view_start", T0 - DAY), 0.5), (did("click", category=None), 0.0), (back(did("gift", value=1)), 0.0),
        (did("negative", kind="report"), 0.0),
    ],
)  # fmt: skip
def test_a_taste_is_a_share_of_weights_that_halve_each_day(event: Passed, weight: float) -> None:
    """Beside a view start of music at T0."""
    wanted = {"music": 1 / (1 + weight), "dance": weight / (1 + weight)}
    assert shares(did("view_start", category="music"), event) == pytest.approx(
        {name: share for name, share in wanted.items() if share}
    )


def test_a_negative_takes_two_and_what_falls_to_0_begins_anew() -> None:
    """3 - 2 - 2 is nothing, and 2 more is 2; a half-life later 3 is 1.5, and 2 are too many."""
    music, gone = did("click", category="music"), did("negative", kind="report")
    assert shares(music, did("gift", value=1), gone) == pytest.approx({"music": 2 / 3, "dance": 1 / 3})
    assert shares(music, did("gift", value=1), gone, gone, did("click")) == {"music": 0.5, "dance": 0.5}
    later = did("negative", T0 + H, kind="block")
    assert shares(music, did("gift", value=1), later, taste_half_life_ms=H) == {"music": 1.0}


def test_beyond_64_tastes_the_weakest_goes() -> None:
    """The first met of equals."""
    many = [did("click", category=f"c{n}") for n in range(64)]
    many[7] = did("view_start", category="c7")
    assert "c7" not in shares(*many, did("view_start", category="new"))
    assert "c0" not in shares(*many[:7], *many[8:], did("click", category="c64"), did("click", category="c65"))
    assert len(shares(*many, did("view_start", category="new"))) == 64


def test_follows_are_the_last_words_in_order_of_arrival() -> None:
    """A profile replaces the list; a follow again moves to the end; the oldest of more than 2,000 goes."""
    one, two, stop = did("follow", T0 + 9), did("follow", anchor_id="b", on=True), did("follow", T0, on=False)
    assert shown(one, two, one)["follows"] == ["b", "a"]
    assert shown(one, two, stop)["follows"] == ["b"]
    assert shown(one, did("user_profile", follows=[3, "b", "3"]), two)["follows"] == ["3", "b"]
    assert shown(one, did("user_profile", follows=None))["follows"] == ["a"]
    assert shown(one, did("user_profile", follows=[]))["follows"] == []
    many = did("user_profile", follows=[*range(2_000)])
    assert shown(many, one)["follows"] == [*map(str, range(1, 2_000)), "a"]


def test_only_blocks_block_and_the_2000_latest_stand() -> None:
    """A block again is the latest."""
    many = [did("negative", kind="block", anchor_id=n) for n in range(2_001)]
    told = shown(*many, did("negative", kind="report"), many[1])["blocked"]
    assert (told[0], told[-2:], len(told)) == ("2", ["2000", "1"], 2_000)


def test_attributes_merge_and_the_64_set_last_stand() -> None:
    """Numbers are floats, true is no number; a name set again is the latest."""
    first = did("user_profile", set={"city": "Kyiv", "age": 35, "vip": True})
    assert shown(first, did("user_profile", T0 - 9, set={"age": 36, "tags": ["x"]}))["attributes"] == {
        "city": "Kyiv", "age": 36.0, "vip": True, "tags": ["x"],
    }  # fmt: skip
    many = did("user_profile", set={f"n{n}": n for n in range(63)})
    kept = shown(first, many, did("user_profile", set={"city": "Lviv"}))["attributes"]
    assert (len(kept), kept["city"], "vip" in kept, "age" in kept) == (64, "Lviv", False, False)


def test_a_comparison_finds_every_departure() -> None:
    """Exact for all but shares; of those an unnoticeable one may be left out."""
    right = shown(did("view_start"), did("follow"), did("user_profile", set={"vip": True}))
    assert differences(right | {"more": 1}, right) == differences(None, None) == []
    assert differences(right, None) == ["answer True, expected False"]
    for name, wrong in {
        "as_of_ms": 5, "attributes": {"vip": 1.0}, "gift_value": {"10m": 0, "1h": 0, "24h": 1}, "follows": [],
        "blocked": ["a"], "familiarity": [], "recent_views": right["recent_views"] * 2, "tastes": [],
    }.items():  # fmt: skip
        assert differences(right | {name: wrong}, right), name
        assert differences({n: one for n, one in right.items() if n != name}, right) == [f"{name} is missing"]
    tiny = {"category": "game", "share": 1e-12}
    assert differences(right | {"tastes": [*right["tastes"], tiny]}, right) == []
    assert differences(right | {"tastes": [tiny, *right["tastes"]]}, right) != []
