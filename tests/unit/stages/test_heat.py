from typing import Any

import numpy as np
import pytest

from rtrec.events.schema import GIFT, Event
from rtrec.features.table import ANCHOR_VALUES
from rtrec.settings import Heat
from rtrec.stages.heat import REASONS, newest_of
from rtrec.stages.heat_ranking import NO_HEAT, rerank
from tests.unit.stages.heat_host import HOUR_MS, MINUTE_MS, T0, Host, made

DAY_MS = 24 * HOUR_MS
ACCEPTED, DUPLICATE, LATE, UNKNOWN = "accepted", "duplicate", "too_late", "unknown_reversal"


def like(ts_ms: int, event_id: str, **fields: Any) -> Event:
    return made("like", ts_ms, event_id=event_id, **fields)


def gift(ts_ms: int, event_id: str, value: int = 100, **fields: Any) -> Event:
    return made("gift", ts_ms, event_id=event_id, value=value, **fields)


def value_in(host: Host, window: str, metric: str = "gift_value", at_ms: int = T0) -> int:
    found: int = host.show(at_ms)["windows"][metric][window]
    return found


@pytest.mark.parametrize("take_over", [False, True])
@pytest.mark.parametrize(
    ("passed_ms", "first", "expected"),
    [
        (10 * MINUTE_MS, like(T0, "e"), DUPLICATE),
        (10 * MINUTE_MS + 1, like(T0, "e"), ACCEPTED),
        (DAY_MS, gift(T0, "e"), DUPLICATE),
        (DAY_MS + 1, gift(T0, "e"), ACCEPTED),
        (DAY_MS, gift(T0, "e", txn_id="t"), DUPLICATE),
        (DAY_MS + 1, gift(T0, "e", txn_id="t"), ACCEPTED),
    ],
)
def test_an_id_is_remembered_by_the_partitions_time(
    passed_ms: int, first: Event, expected: str, *, take_over: bool
) -> None:
    """10 min of event time after the original arrived, gifts 24 h; to the millisecond."""
    host = Host()
    host.feed(first, like(T0 + passed_ms, "other", anchor_id="b"))
    if take_over:
        host.take_over()
    assert host.feed(first) == [expected]


def test_a_late_events_id_is_remembered_from_its_arrival() -> None:
    """An event 20 h late is seen when it arrives: 10 min from then, not from its own time."""
    host = Host()
    host.feed(like(T0, "now"))
    late = like(T0 - 20 * HOUR_MS, "late")
    assert host.feed(late, late) == [ACCEPTED, DUPLICATE]
    assert host.feed(like(T0 + 10 * MINUTE_MS, "x"), late) == [ACCEPTED, DUPLICATE]
    assert host.feed(like(T0 + 10 * MINUTE_MS + 1, "y"), late) == [ACCEPTED, ACCEPTED]


def test_a_gift_is_its_transaction_where_it_names_one() -> None:
    """The same txn_id under a new event_id is a duplicate; the same event_id under a new txn_id is another gift."""
    host = Host()
    assert host.feed(gift(T0, "e1", txn_id="t1"), gift(T0, "e2", txn_id="t1"), gift(T0, "e1", txn_id="t2")) == [
        ACCEPTED, DUPLICATE, ACCEPTED,
    ]  # fmt: skip
    assert host.feed(gift(T0, "t1")) == [ACCEPTED], "an event_id that spells a txn_id is another id"


def test_too_late_is_more_than_25_h_before_the_newest_accepted_event() -> None:
    host = Host()
    assert host.feed(like(T0, "a"), like(T0 - 25 * HOUR_MS, "b"), like(T0 - 25 * HOUR_MS - 1, "c")) == [
        ACCEPTED, ACCEPTED, LATE,
    ]  # fmt: skip
    assert host.feed(like(T0 - 25 * HOUR_MS - 1, "c", anchor_id="new")) == [LATE], (
        "the partition's time, not the anchor's"
    )
    assert "a/new" not in host.store


def test_what_is_not_accepted_moves_no_time() -> None:
    """A duplicate whose copy claims a later time, and an unknown reversal, leave the newest time where it was."""
    host = Host()
    assert host.feed(like(T0, "a"), like(T0 + HOUR_MS, "a"), gift(T0 + HOUR_MS, "r", reversal_of="none")) == [
        ACCEPTED, DUPLICATE, UNKNOWN,
    ]  # fmt: skip
    assert host.state.newest_ms == newest_of(host.store["meta"]) == T0
    assert host.feed(like(T0 - 25 * HOUR_MS, "b")) == [ACCEPTED]


@pytest.mark.parametrize("name", ["g", "t"])
@pytest.mark.parametrize("take_over", [False, True])
def test_a_reversal_takes_the_originals_figures_out_at_its_time(name: str, *, take_over: bool) -> None:
    """By event_id or txn_id; its own value, count, user and time are ignored, and it is no activity."""
    host = Host()
    host.feed(made("live_start", T0, live_id="l"), like(T0, "k"))
    before = host.show(T0 + HOUR_MS)
    host.feed(gift(T0 + 1_000, "g", 700, count=3, txn_id="t", user_id="v"))
    assert value_in(host, "5m", at_ms=T0 + 1_000) == 700
    if take_over:
        host.take_over()
    assert host.feed(gift(T0 + MINUTE_MS, "r", 5, count=9, reversal_of=name, user_id="w")) == [ACCEPTED]
    after = host.show(T0 + HOUR_MS)
    for figures in ("windows", "decayed"):
        for metric in ("gifts", "gift_value"):
            assert after[figures][metric] == before[figures][metric]
    assert after["windows"]["gifters"]["24h"] == 1, "people are not undone"
    assert host.show(T0 + 1_000 + 89_999)["live"]
    assert not host.show(T0 + 1_000 + 90_000)["live"], "the gift was the last activity"
    passed = host.passed[-1]
    assert (passed.type, passed.reversal, passed.ts_ms, passed.user_id) == (GIFT, True, T0 + 1_000, "v")
    assert (passed.value, passed.count, passed.anchor_id) == (700, 3, "a")


@pytest.mark.parametrize("take_over", [False, True])
def test_a_gift_is_reversed_once(*, take_over: bool) -> None:
    """By whichever name and id the second reversal comes."""
    host = Host()
    host.feed(gift(T0, "g", txn_id="t"), gift(T0, "h"))
    assert host.feed(gift(T0, "r1", reversal_of="g")) == [ACCEPTED]
    if take_over:
        host.take_over()
    assert (
        host.feed(gift(T0, "r1", reversal_of="g"), gift(T0, "r2", reversal_of="g"), gift(T0, "r3", reversal_of="t"))
        == [DUPLICATE] * 3
    )
    assert value_in(host, "10s") == 100


def test_a_reversal_of_what_the_ledger_does_not_hold_is_a_dead_letter() -> None:
    """Unknown id, another anchor, a gift of more than 24 h ago."""
    host = Host()
    host.feed(gift(T0, "g"))
    assert (
        host.feed(gift(T0, "r1", reversal_of="none"), gift(T0, "r2", reversal_of="g", anchor_id="b")) == [UNKNOWN] * 2
    )
    assert host.feed(like(T0 + DAY_MS, "x"), gift(T0, "r3", reversal_of="g")) == [ACCEPTED] * 2
    late = Host()
    late.feed(gift(T0, "g"), like(T0 + DAY_MS + 1, "x"))
    assert late.feed(gift(T0, "r", reversal_of="g")) == [UNKNOWN]
    assert all(
        reason.partition(": ")[2].startswith(("too_late, ", "unknown_reversal, ")) for reason in REASONS.values()
    )


def test_reversing_leaves_no_heat_behind() -> None:
    """After all gifts are reversed, where nothing else has weight, the score is 0 and the anchor ranks last."""
    host = Host(Heat(weights={"gift_value": 1.0}, user_caps={}))
    host.feed(*(gift(T0 + 977 * k, f"g{k}", 10 ** (k % 12) + k, user_id=f"u{k}") for k in range(60)))
    assert host.ranks["a"] > 10_000
    host.feed(*(gift(T0 + MINUTE_MS, f"r{k}", reversal_of=f"g{k}") for k in reversed(range(60))))
    assert host.ranks["a"] == NO_HEAT
    shown = host.show(T0 + MINUTE_MS)
    assert shown["heat"]["score"] == 0
    assert shown["windows"]["gift_value"]["24h"] == 0


@pytest.mark.parametrize("take_over", [False, True])
def test_a_reversal_across_landmarks_gives_small_gifts_back(*, take_over: bool) -> None:
    """What 10^12 coins pushed out of a float comes back when they are reversed, also hours and landmarks later."""
    policy, smalls = Heat(weights={"gift_value": 1.0}, user_caps={}), [gift(T0 + k, f"s{k}", 1 + k) for k in range(40)]
    host, without = Host(policy), Host(policy)
    host.feed(*smalls[:20], gift(T0 + 7, "big", 10**12), *smalls[20:])
    without.feed(*smalls)
    for minutes in (70, 660):
        for one in (host, without):
            one.feed(like(T0 + minutes * MINUTE_MS, f"x{minutes}"))
    if take_over:
        host.take_over()
    host.feed(gift(T0, "r", reversal_of="big"))
    for window in ("1m", "10m", "1h"):
        got, want = (one.show(T0)["decayed"]["gift_value"][window] for one in (host, without))
        assert got == pytest.approx(want, rel=1e-9, abs=1e-300)
    assert host.show(T0)["heat"]["score"] == pytest.approx(without.show(T0)["heat"]["score"], rel=1e-9)


def test_a_reversal_leaves_the_users_cap_slot_if_that_still_stands() -> None:
    """The cap is free again after a reversal; not where another user took the slot since, nor its new tenancy."""
    policy = Heat(weights={"gift_value": 1.0}, user_caps={"gift_value": 1_000.0})
    host = Host(policy)
    host.feed(gift(T0, "g", 800), gift(T0, "r", reversal_of="g"), gift(T0, "h", 900))
    assert host.show(T0)["heat"]["score"] == pytest.approx(900)
    evicted = Host(policy)
    evicted.feed(gift(T0, "first", 10, user_id="x"), *(gift(T0, f"o{k}", 500, user_id=f"o{k}") for k in range(15)))
    evicted.feed(gift(T0, "taker", 600, user_id="y"))  # takes x's slot, the smallest
    evicted.feed(gift(T0, "again", 700, user_id="x"))  # x takes an o's
    evicted.feed(gift(T0, "r", reversal_of="first"))  # of x's former tenancy: the new one stays at 700
    before = evicted.show(T0)["heat"]["score"]
    evicted.feed(gift(T0, "more", 700, user_id="x"))
    assert evicted.show(T0)["heat"]["score"] - before == pytest.approx(300)


def test_ranks_order_as_heat_does_and_do_not_change_with_time() -> None:
    """log2(S) + L / h: the order of heats at any later time, and equal histories have equal scores."""
    host = Host(Heat(weights={"likes": 1.0}, user_caps={}))
    for k in range(40):
        host.feed(like(T0 + k * 7 * MINUTE_MS, f"e{k}", anchor_id=f"a{k}", count=1 + (k * 7919) % 1_000))
    host.feed(like(T0, "e", anchor_id="twin", count=1 + 7919 % 1_000), like(T0 + 1, "f", anchor_id="none", count=0))
    later = T0 + 6 * HOUR_MS
    heats = {name: host.show(later, name)["heat"]["score"] for name in host.ranks}
    assert sorted(host.ranks, key=lambda n: -host.ranks[n]) == sorted(heats, key=lambda n: -heats[n])
    assert host.ranks["none"] == NO_HEAT
    assert host.ranks["twin"] - host.ranks["a1"] == pytest.approx(-0.7)


def test_new_weights_rerank_from_stored_records() -> None:
    host = Host(Heat(weights={"likes": 1.0}))
    host.feed(like(T0, "a", anchor_id="x", count=5), made("share", T0, anchor_id="y"))
    other = Host(Heat(weights={"shares": 1.0}))
    records = [(key, value) for key, value in host.store.items() if key.startswith("a/")]
    ranks = rerank(records, other.rules).writes.ranks
    assert ranks["x"] == NO_HEAT
    assert rerank(records, host.rules).writes.ranks == host.ranks
    assert (ranks["y"] or 0) > 10_000


def test_an_impression_carries_the_anchor_as_of_just_before_it() -> None:
    """Values, category and words from before the event, also where the same chunk changes them."""
    host = Host()
    host.feed(
        made("live_start", T0, live_id="l", category="dance"),
        made("anchor_profile", T0, set={"x": 1}),
        made("impression", T0, event_id="i1"),
        made("live_start", T0, live_id="l", category="music", event_id="s2"),
        made("anchor_profile", T0, set={"x": 2}, event_id="p2"),
        made("impression", T0, event_id="i2"),
    )
    first, second = host.passed
    assert (first.category, first.anchor_attributes) == ("dance", {"category": "dance", "x": 1.0})
    assert (second.category, second.anchor_attributes) == ("music", {"category": "music", "x": 2.0})
    impressions = [one.name for one in ANCHOR_VALUES].index("impressions_1h_log")
    values = [np.frombuffer(one.anchor_values or b"", np.float32) for one in (first, second)]
    assert [v[impressions] for v in values] == [0.0, pytest.approx(np.log(2.0))]


def test_only_users_events_go_on_in_order() -> None:
    host = Host()
    host.feed(made("live_start", T0, live_id="l"), like(T0, "a"), made("user_profile", T0, set={}), like(T0, "a"),
              made("negative", T0))  # fmt: skip
    assert [e.event.type for e in host.passed] == ["like", "user_profile", "negative"]


def test_another_half_life_is_refused_with_what_to_do() -> None:
    host = Host()
    host.feed(like(T0, "a"))
    other = Host(Heat(half_life="1h"))
    with pytest.raises(ValueError, match=r"heat\.half_life: differs .* replay into a new folder"):
        other.state.load([("meta", host.store["meta"])])


def test_the_store_holds_only_what_can_still_matter() -> None:
    """A day and two hours later seen ids, gifts and people of the first hour are gone; the anchor's record stays."""
    host = Host()
    for k in range(200):
        host.feed(gift(T0 + k * 1_000, f"g{k}", user_id=f"u{k}"), like(T0 + k * 1_000, f"l{k}"))
    for k in range(4):
        host.feed(like(T0 + 26 * HOUR_MS + k, f"x{k}"))
    assert len(host.state.gift_chunks) == 0
    assert len(host.state.seen_chunks) <= 5
    assert len(host.state.people_chunks) <= 5
    assert len(host.store) <= 12
    assert "a/a" in host.store
