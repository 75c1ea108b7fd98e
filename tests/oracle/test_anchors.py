"""The oracle itself, against cases worked out by hand: a judge that errs proves nothing."""

from typing import Any

import pytest

from tests.oracle.anchors import Partition
from tests.oracle.rules import Event, Rules

T0 = 1_600_000_200_000  # a multiple of 5 min but not of an hour: 1_600_000_200 = 3600 * 444444 + 1800
NOW = 1_700_000_000_000
H = 3_600_000


def partition(*events: Event, rules: Rules | None = None) -> Partition:
    """An oracle that was fed these events."""
    return Partition(rules or Rules()).feed((event, NOW) for event in events)


def event(kind: str, ts_ms: int, /, **fields: Any) -> Event:
    """An event of anchor a by user u, its id made of what it is unless given."""
    made = {
        "event_id": f"{kind}{ts_ms}{sorted(fields.items())}",
        "type": kind,
        "ts_ms": ts_ms,
        "anchor_id": "a",
        "user_id": "u",
    }
    return made | fields


def gift(ts_ms: int, value: int, **fields: Any) -> Event:
    """A gift."""
    return event("gift", ts_ms, value=value, **fields)


def shown(oracle: Partition, at_ms: int, anchor_id: str = "a") -> dict[str, Any]:
    """The anchor's answer."""
    answer = oracle.show(anchor_id, at_ms)
    assert answer is not None
    return answer


def test_a_window_starts_at_the_floor_of_its_hop_and_ends_at_t() -> None:
    """10 s at T0 + 10,999 begin at T0 (hop 1 s): T0 - 1 is out, T0 is in; at T0 + 11,000 it is out."""
    oracle = partition(gift(T0 - 1, 1), gift(T0, 10), gift(T0 + 10_000, 100))
    assert shown(oracle, T0 + 10_999)["windows"]["gift_value"]["10s"] == 110
    assert shown(oracle, T0 + 11_000)["windows"]["gift_value"]["10s"] == 100
    assert shown(oracle, T0 + 10_999)["windows"]["gift_value"]["1m"] == 111


def test_an_answer_before_the_newest_event_is_as_of_that_event() -> None:
    """T0 - 5 s asks too early: the answer is as of T0."""
    answer = shown(partition(gift(T0 - 60_000, 1), gift(T0, 10)), T0 - 5_000)
    assert (answer["as_of_ms"], answer["windows"]["gift_value"]["10s"]) == (T0, 10)


def test_decayed_halves_each_half_life_and_counts_late_events_at_their_time() -> None:
    """100 now and a late 100 from 10 min ago: 150 at h = 10 min, half of it 10 min on."""
    oracle = partition(gift(T0, 100), gift(T0 - 600_000, 100, user_id="v"))
    assert shown(oracle, T0)["decayed"]["gift_value"]["10m"] == pytest.approx(150)
    assert shown(oracle, T0 + 600_000)["decayed"]["gift_value"]["10m"] == pytest.approx(75)


def test_counters_follow_the_contract() -> None:
    """Every type adds what the contract says, with its defaults."""
    oracle = partition(
        event("view_start", T0), event("view_heartbeat", T0, watch_ms=5), event("view_end", T0, watch_ms=7),
        event("impression", T0), event("click", T0), gift(T0, 9, count=3), event("comment", T0), event("like", T0),
        event("like", T0, count=4), event("follow", T0), event("follow", T0, on=False), event("share", T0),
        event("negative", T0, kind="block"),
    )  # fmt: skip
    assert {m: w["10s"] for m, w in shown(oracle, T0)["windows"].items()} == {
        "views": 1, "watch_ms": 12, "impressions": 1, "clicks": 1, "gifts": 3, "gift_value": 9, "comments": 1,
        "likes": 5, "follows": 1, "shares": 1, "watchers": 1, "gifters": 1, "interactors": 1,
    }  # fmt: skip


def test_a_person_counts_once_in_five_minutes_and_not_in_older_blocks() -> None:
    """Blocks 0 and 1 stand while the newest event is in block 1; once it is in block 2, block 0 takes nobody."""
    oracle = partition(
        event("view_start", T0), event("view_start", T0 + 299_999),
        event("view_start", T0 + 300_000), event("view_start", T0 + 1, user_id="v"),
        event("click", T0 + 600_000), event("view_start", T0 + 2, user_id="w"),
    )  # fmt: skip
    answer = shown(oracle, T0 + 600_000)["windows"]
    assert (answer["watchers"]["30m"], answer["views"]["30m"]) == (3, 5)


@pytest.mark.parametrize(
    ("later_ms", "kind", "verdict"),
    [
        (600_000, "like", "duplicate"),
        (600_001, "like", "accepted"),
        (86_400_000, "gift", "duplicate"),
        (86_400_001, "gift", "accepted"),
    ],
)
def test_duplicates_are_judged_by_arrival(later_ms: int, kind: str, verdict: str) -> None:
    """An id is remembered for 10 min (gifts 24 h) of the newest event time since it arrived, also at the edge."""
    one = event(kind, T0 - 7_200_000, event_id="x", value=1)
    oracle = partition(event("click", T0), one, event("click", T0 + later_ms), one | {"ts_ms": T0 + later_ms - 5})
    assert oracle.verdicts[-1] == verdict


def test_a_txn_id_is_a_gifts_key_in_its_own_namespace() -> None:
    """Same txn with another event_id is a duplicate; an event_id equal to a txn_id is not."""
    oracle = partition(
        gift(T0, 1, event_id="e", txn_id="t"), gift(T0, 1, event_id="f", txn_id="t"), event("like", T0, event_id="t")
    )
    assert oracle.verdicts == ["accepted", "duplicate", "accepted"]


def test_too_late_is_more_than_25_hours_and_comes_before_duplicate() -> None:
    """25 h late still counts, 1 ms more does not, and refused events leave the newest time alone."""
    oracle = partition(
        event("click", T0), event("click", T0 - 25 * H), event("click", T0 - 25 * H - 1), event("click", NOW + 60_001)
    )
    assert oracle.verdicts == ["accepted", "accepted", "too_late", "future"]
    assert oracle.newest_ms == T0


def test_a_reversal_takes_out_the_original_at_its_time_and_keeps_the_person() -> None:
    """The gift's count and value go, the gifter stays, the reversal adds nothing but time to the partition."""
    oracle = partition(gift(T0, 50, count=2, event_id="g"), gift(T0 + 9_000, 0, event_id="r", reversal_of="g"))
    answer = shown(oracle, T0 + 9_000)
    assert [answer["windows"][m]["10s"] for m in ("gifts", "gift_value", "gifters")] == [0, 0, 1]
    assert (answer["last_event_ms"], oracle.newest_ms, answer["decayed"]["gift_value"]["1h"]) == (T0, T0 + 9_000, 0)


def test_reversals_go_through_the_ledger() -> None:
    """By event_id or txn_id; a second is a duplicate; unknown, another anchor's and expired ones are refused."""
    back = {"value": 0, "reversal_of": "t"}
    oracle = partition(
        gift(T0, 5, event_id="g", txn_id="t"),
        event("gift", T0, event_id="r0", anchor_id="b", **back),
        event("gift", T0, event_id="r1", **back),
        event("gift", T0, event_id="r2", **back),
        event("gift", T0, event_id="r3", reversal_of="nobody"),
        gift(T0, 5, event_id="h"),
        event("click", T0 + 86_400_001),
        event("gift", T0 + 86_400_001, event_id="r4", reversal_of="h"),
    )
    unknown = "unknown_reversal"
    assert oracle.verdicts[:5] == ["accepted", unknown, "accepted", "duplicate", unknown]
    assert oracle.verdicts[5:] == ["accepted", "accepted", unknown]


def test_heat_caps_a_user_and_frees_what_decayed() -> None:
    """Cap 10,000: 8,000 + 8,000 count 10,000; a half-life later 5,000 stand, so 8,000 more add 5,000."""
    oracle = partition(gift(T0, 8_000), gift(T0, 8_000, event_id="2"), gift(T0 + 600_000, 8_000))
    assert shown(oracle, T0 + 600_000)["heat_values"]["gift_value"] == pytest.approx(10_000)
    assert shown(oracle, T0 + 600_000)["windows"]["gift_value"]["1h"] == 24_000


def test_a_reversal_leaves_the_cap_slot() -> None:
    """After the 8,000 of a full slot are reversed, there is room for 8,000 again."""
    oracle = partition(
        gift(T0, 8_000, event_id="g"),
        gift(T0, 8_000, event_id="h"),
        event("gift", T0, event_id="r", reversal_of="g"),
        gift(T0, 9_000),
    )
    assert shown(oracle, T0)["heat_values"]["gift_value"] == pytest.approx(10_000)


def test_a_newcomer_takes_the_smallest_of_16_slots_only_with_more() -> None:
    """Users 1..16 gave 100..115: 100 takes no slot, 101 the first one, whose user, back later, starts from nothing."""
    full = [gift(T0, 99 + n, user_id=str(n)) for n in range(1, 17)]
    rules = Rules(user_caps={"gift_value": 115.0})
    small = partition(*full, gift(T0, 100, user_id="x"), gift(T0, 100, user_id="x", event_id="again"), rules=rules)
    total = sum(range(100, 116))
    assert shown(small, T0)["heat_values"]["gift_value"] == pytest.approx(total + 200)
    large = partition(
        *full, gift(T0, 101, user_id="x"), gift(T0, 100, user_id="x"), gift(T0, 99, user_id="1"), rules=rules
    )
    assert shown(large, T0)["heat_values"]["gift_value"] == pytest.approx(total + 101 + 14 + 99)


def test_a_reversal_after_the_slot_went_to_another_leaves_that_one_alone() -> None:
    """User 1's slot is taken and taken back: the reversal of the first stay frees nothing of the second."""
    full = [gift(T0, 99 + n, user_id=str(n), event_id=f"g{n}") for n in range(1, 17)]
    oracle = partition(
        *full, gift(T0, 115, user_id="x"), gift(T0, 115, user_id="1", event_id="n"),
        event("gift", T0, event_id="r", reversal_of="g1"), gift(T0, 50, user_id="1", event_id="m"),
        rules=Rules(user_caps={"gift_value": 115.0}),
    )  # fmt: skip
    assert shown(oracle, T0)["heat_values"]["gift_value"] == pytest.approx(sum(range(101, 116)) + 115 + 115)


def test_event_caps_bound_one_event_and_heat_weighs_terms() -> None:
    """With weights 2 and 3, an event cap of 10: 2 · (10 + 4) + 3 · 1 gifter."""
    rules = Rules(weights={"gift_value": 2.0, "gifters": 3.0}, event_caps={"gift_value": 10.0}, user_caps={})
    assert shown(partition(gift(T0, 50), gift(T0, 4), rules=rules), T0)["score"] == pytest.approx(31)


def test_idle_anchors_show_zeros() -> None:
    """25 h of the partition's time are still shown, 1 ms more is not."""
    assert (
        shown(partition(gift(T0, 5), event("click", T0 + 25 * H, anchor_id="b")), T0)["windows"]["gift_value"]["10s"]
        == 5
    )
    answer = shown(partition(gift(T0, 5), event("click", T0 + 25 * H + 1, anchor_id="b")), T0)
    assert answer["windows"]["gift_value"]["24h"] == answer["score"] == answer["decayed"]["gift_value"]["1h"] == 0


def room(oracle: Partition, at_ms: int) -> tuple[bool, str | None, int | None]:
    """(live, live_id, live_since_ms)."""
    answer = shown(oracle, at_ms)
    return answer["live"], answer["live_id"], answer["live_since_ms"]


def test_a_room_is_live_for_its_lease_after_the_last_activity() -> None:
    """90 s by default, its own if given; clicks keep nothing alive; comments do, also after a lapse."""
    started = event("live_start", T0, live_id="l")
    assert room(partition(started, event("click", T0 + 1)), T0 + 89_999) == (True, "l", T0)
    assert room(partition(started, event("click", T0 + 1)), T0 + 90_000)[0] is False
    assert room(partition(started | {"lease_ms": 5}), T0 + 5)[0] is False
    assert room(partition(started, event("comment", T0 + 200_000)), T0 + 289_999) == (True, "l", T0)


def test_rooms_open_close_and_never_reopen() -> None:
    """A newer live_id closes the older for good, an older unseen one opens nothing, an end is final."""
    first, second = event("view_start", T0, live_id="l1"), event("view_start", T0 + 5, live_id="l2")
    assert room(partition(first, second, event("gift", T0 + 9, value=1, live_id="l1")), T0 + 9) == (True, "l2", T0 + 5)
    assert room(partition(second, first, event("gift", T0 + 9, value=1, live_id="l1")), T0 + 9) == (True, "l2", T0 + 5)
    end = event("live_end", T0 + 6, live_id="l2")
    assert room(partition(second, end, event("comment", T0 + 7)), T0 + 7)[0] is False
    assert room(partition(first, end, second), T0 + 5) == (True, "l1", T0)
    assert room(partition(second, end, event("comment", T0 + 7, live_id="l3")), T0 + 7) == (True, "l3", T0 + 7)


def test_the_ninth_closed_room_is_forgotten() -> None:
    """Eight are remembered: after nine more rooms the first may open again."""
    opened = [event("live_start", T0 + n, live_id=f"l{n}") for n in range(10)]
    again = event("comment", T0 + 20)
    assert room(partition(*opened[:9], again | {"live_id": "l0"}), T0 + 20)[1] == "l8"
    assert room(partition(*opened[:10], again | {"live_id": "l0"}), T0 + 20)[1] == "l0"


def test_viewers_are_told_while_fresh_and_counted_otherwise() -> None:
    """The newest heartbeat by its ts within the lease, else watchers of 5 minutes."""
    oracle = partition(
        event("view_start", T0, live_id="l"), event("live_heartbeat", T0 + 2, viewers=7, live_id="l"),
        event("live_heartbeat", T0 + 1, viewers=9, live_id="l"),
    )  # fmt: skip
    assert [shown(oracle, T0 + ms)["viewers"] for ms in (2, 90_002, 90_003)] == [7, 7, 1]


def test_hot_orders_live_anchors_by_heat_then_id() -> None:
    """c has the most, a and b tie, d is not live."""
    oracle = partition(
        event("live_start", T0, anchor_id="b", live_id="1"), event("live_start", T0, anchor_id="a", live_id="2"),
        event("view_start", T0, anchor_id="c", live_id="3"), gift(T0, 99, anchor_id="d"),
    )  # fmt: skip
    assert [row[0] for row in oracle.hot(T0)] == ["c", "a", "b"]
