"""HEAT is a function of the log alone."""

from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.schema import Event
from rtrec.settings import Heat
from tests.unit.stages.heat_host import any_event, fed, passed_of

STREAMS = st.lists(any_event(), min_size=1, max_size=60)
CUTS = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any)


@given(STREAMS, CUTS)
def test_micro_batches_and_take_overs_leave_no_trace(events: list[Event], cuts: list[int]) -> None:
    """Records, ranking, dedupe, ledger, people and what is passed on: equal bits, however the log was cut."""
    whole, parts = fed(events, [len(events)]), fed(events, cuts)
    assert parts.ranks == whole.ranks
    assert parts.digest() == whole.digest()
    assert passed_of(parts) == passed_of(whole)


@given(STREAMS, CUTS)
def test_eviction_leaves_no_trace(events: list[Event], cuts: list[int]) -> None:
    """With room for two of three anchors, those that come back are read again."""
    whole, crowded = fed(events, [len(events)]), fed(events, cuts, max_slots=1)
    assert (crowded.ranks, crowded.digest(), passed_of(crowded)) == (whole.ranks, whole.digest(), passed_of(whole))


@given(STREAMS, st.sampled_from(["1m", "1h"]), CUTS)
def test_nor_do_they_with_other_half_lives_and_caps(events: list[Event], half_life: str, cuts: list[int]) -> None:
    policy = Heat(half_life=half_life, user_caps={"gift_value": 5_000.0, "likes": 2.0, "watchers": 1.0})  # type: ignore[arg-type]
    whole, parts = fed(events, [len(events)], heat_policy=policy), fed(events, cuts, heat_policy=policy)
    assert (parts.ranks, parts.digest()) == (whole.ranks, whole.digest())


@given(STREAMS)
def test_a_second_delivery_changes_nothing_but_time(events: list[Event]) -> None:
    """Every event twice in a row: the second is a duplicate or refused for the same reason, and leaves no trace."""
    once, twice = fed(events, [1]), fed([event for event in events for _ in range(2)], [2])
    assert passed_of(twice) == passed_of(once)
    assert {key: once.show(once.state.newest_ms, key[2:])["windows"] for key in once.store if key.startswith("a/")} == {
        key: twice.show(once.state.newest_ms, key[2:])["windows"] for key in twice.store if key.startswith("a/")
    }
