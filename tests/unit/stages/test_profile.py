import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events import schema
from rtrec.events.user_events import UserEvent
from rtrec.features.user import UserRecord
from rtrec.features.user_codec import canonical_bytes, decode
from rtrec.settings import Users
from rtrec.stages.control import ERASED_AHEAD_MS
from rtrec.stages.effects import Effects
from rtrec.stages.profile import (
    META_KEY,
    Profiled,
    ProfileState,
    canonical,
    decode_time,
    encode_time,
    erase,
    profile,
    profile_needs,
    user_key,
)
from tests.unit.features.user_streams import DAY_MS, T0, recorded, user_event, user_events

POLICY = Users(ttl_days=2)


def row_of(record: UserRecord | None, event: UserEvent) -> bytes:
    assert event.type == schema.IMPRESSION
    return b"none" if record is None else canonical_bytes(record)


class Host:
    """A partition's store and worker: turns, commits, and a new worker when asked."""

    def __init__(self, capacity: int = 10_000) -> None:
        self.stored: dict[str, bytes] = {}
        self.capacity = capacity
        self.passed: list[Profiled] = []
        self.restart()

    def restart(self) -> None:
        self.state = ProfileState(POLICY, capacity=self.capacity)
        self.state.load_meta(self.scan())

    def scan(self) -> Iterator[tuple[str, bytes]]:
        return iter(sorted(self.stored.items()))

    def turn(self, events: Sequence[UserEvent]) -> Effects:
        keys = profile_needs(self.state, events)
        self.state.admit(keys, [self.stored.get(key) for key in keys])
        effects, passed = profile(self.state, events, row_of)
        self.passed += passed
        self.commit(effects)
        return effects

    def erase(self, user_id: str, erased_ms: int) -> Effects:
        effects = erase(self.state, user_id, erased_ms)
        self.commit(effects)
        return effects

    def commit(self, effects: Effects) -> None:
        for key, value in effects.writes.puts.items():
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value

    def canonical(self) -> list[bytes]:
        return list(canonical(self.scan(), POLICY))


def click(ts_ms: int, user_id: str = "u1", anchor_id: str = "a1") -> UserEvent:
    return user_event(schema.CLICK, ts_ms, anchor_id, user_id=user_id)


@given(
    st.lists(user_events(users=4, span_ms=5 * DAY_MS), max_size=60),
    st.dictionaries(st.sampled_from(["u0", "u1"]), st.integers(T0 - 70_000, T0 + DAY_MS)),
    st.integers(0, 2**32),
    st.integers(1, 4),
)
def test_micro_batch_boundaries_evictions_and_restarts_leave_no_trace(
    events: list[UserEvent], erasures: dict[str, int], seed: int, capacity: int
) -> None:
    whole, cut, rng = Host(), Host(capacity), random.Random(seed)
    for user_id, erased_ms in erasures.items():
        whole.erase(user_id, erased_ms)
        cut.erase(user_id, erased_ms)
    whole.turn(events)
    start = 0
    while start < len(events):
        end = start + rng.randint(1, 8)
        cut.turn(events[start:end])
        start = end
        if rng.random() < 0.2:
            cut.restart()
    assert cut.canonical() == whole.canonical()
    assert cut.passed == whole.passed
    assert cut.state.newest_ms == whole.state.newest_ms


def test_an_impressions_row_is_made_from_the_record_just_before_it() -> None:
    host = Host()
    impression = user_event(schema.IMPRESSION, T0 + 1)
    host.turn([impression, click(T0 + 2), impression])
    before_second = recorded(impression, click(T0 + 2))
    assert [passed.row for passed in host.passed] == [b"none", None, canonical_bytes(before_second)]


def test_only_records_that_changed_are_written_and_the_newest_time() -> None:
    host = Host()
    host.turn([click(T0, "u1"), click(T0 + 5, "u2"), click(T0 + 3, "u2")])
    effects = host.turn([click(T0 + 4, "u2")])
    assert set(effects.writes.puts) == {user_key("u2"), META_KEY}
    assert decode_time(host.stored[META_KEY]) == T0 + 5
    assert Host().turn([]).writes.puts == {}


def test_needs_name_each_unknown_user_once_and_cached_ones_never() -> None:
    host = Host()
    events = [click(T0, "u2"), click(T0, "u1"), click(T0, "u2")]
    assert profile_needs(host.state, events) == [user_key("u2"), user_key("u1")]
    host.turn(events)
    assert profile_needs(host.state, events) == []


def test_the_cache_is_bounded_and_keeps_the_most_recently_used() -> None:
    host = Host(capacity=2)
    host.turn([click(T0, "u1"), click(T0, "u2"), click(T0, "u3"), click(T0, "u2"), click(T0, "u1")])
    assert list(host.state.records) == ["u2", "u1"]


def test_an_erasure_drops_late_replayed_and_slightly_future_events_and_no_later_ones() -> None:
    host = Host()
    host.turn([click(T0)])
    host.erase("u1", T0 + 10)
    assert user_key("u1") not in host.stored
    effects = host.turn([click(T0 + 5), click(T0 + 10 + ERASED_AHEAD_MS), click(T0, "u2")])
    assert effects.counts["erased"] == 2
    assert [passed.event.user_id for passed in host.passed] == ["u1", "u2"]
    assert user_key("u1") not in host.stored
    host.turn([click(T0 + 11 + ERASED_AHEAD_MS, anchor_id="a7")])
    record = decode(host.stored[user_key("u1")])
    assert (list(record.familiarity), record.erased_ms) == (["a7"], T0 + 10)


def test_an_erasure_outlives_the_worker_and_says_so_once() -> None:
    host = Host()
    host.erase("u1", T0)
    host.restart()
    assert host.turn([click(T0 - 1)]).counts["erased"] == 1
    host.turn([click(T0 + 2 * ERASED_AHEAD_MS)])
    assert host.erase("u1", T0).writes.puts == {}
    assert user_key("u1") in host.stored


def test_an_erasure_within_a_turn_is_not_undone_by_what_the_store_still_has() -> None:
    """The record is known to be gone before the commit that removes it."""
    host = Host()
    host.turn([click(T0)])
    host.restart()
    erase(host.state, "u1", T0)
    assert profile_needs(host.state, [click(T0 + DAY_MS)]) == []


def test_rebuilding_with_the_erasure_known_gives_the_same_records() -> None:
    live, rebuilt = Host(), Host()
    before, after = [click(T0), click(T0 + 5, "u2")], [click(T0 + 7), click(T0 + DAY_MS)]
    live.turn(before)
    live.erase("u1", T0 + 10)
    live.turn(after)
    rebuilt.erase("u1", T0 + 10)
    rebuilt.turn([*before, *after])
    assert rebuilt.canonical() == live.canonical()


def test_a_silent_users_record_is_replaced_and_no_longer_part_of_the_digest() -> None:
    host = Host()
    host.turn([click(T0, "u1"), click(T0, "u2")])
    late = T0 + 2 * DAY_MS + 1
    effects = host.turn([click(late, "u1", "a5"), user_event(schema.IMPRESSION, late, user_id="u2")])
    assert effects.counts["expired"] == 2
    assert host.passed[-1].row == b"none"
    assert list(decode(host.stored[user_key("u1")]).familiarity) == ["a5"]
    host.turn([click(late + 2 * DAY_MS + 1, "u3")])
    assert len(host.canonical()) == 1


def test_a_reversal_begins_no_record_but_is_passed_on() -> None:
    host = Host()
    host.turn([user_event(schema.GIFT, T0, value=5, reversal=True)])
    assert user_key("u1") not in host.stored
    assert len(host.passed) == 1


def test_a_time_of_a_newer_release_is_refused() -> None:
    with pytest.raises(ValueError, match="stored time: format 2"):
        decode_time(b"\x02" + encode_time(T0)[1:])
