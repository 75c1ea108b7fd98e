"""PROFILE: every accepted event of a user advances that user's record; impressions leave as feature rows.

Rules
-----
- The record is a function of the user's events in log order. Records are cached between turns, written as
  whole values, and expiry is judged event by event: where a micro-batch ends leaves no trace.
- A turn: `profile_needs` → load → `admit` → `profile` → commit. The cache runs ahead of the store until that
  commit: when it fails, the state is thrown away, and the next turn's needs are asked after it.
- The row of an impression is made from the record as of just before it: nothing a model is trained on has
  seen what it predicts.
- A record silent for longer than the policy keeps it, by the partition's newest event time, counts as absent;
  the user's next event begins a fresh one. A record begins with the user's first activity (a reversal is none).
- An erasure at E is remembered for ever under `erased/{user_id}`: events with ts_ms ≤ E + 60 s are dropped
  whenever they come, late, replayed or rebuilt. The same or an older erasure again changes nothing.
- Keys: `u/{user_id}`, `erased/{user_id}`, `meta` (the newest event time).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from rtrec.events.schema import IMPRESSION
from rtrec.events.user_events import UserEvent
from rtrec.features.user import UserRecord, advance
from rtrec.features.user_codec import canonical_bytes, check_format, decode, encode, is_expired
from rtrec.settings import Users
from rtrec.stages.control import ERASED_AHEAD_MS
from rtrec.stages.effects import Effects

USER_PREFIX: Final = "u/"
ERASED_PREFIX: Final = "erased/"
META_KEY: Final = "meta"

CACHED_RECORDS: Final = 10_000
"""Decoded records kept between turns; 31 KB each at most, so 300 MB at worst."""

TIME_FORMAT: Final = 1

MakeRow = Callable[[UserRecord | None, UserEvent], bytes]


class Profiled(NamedTuple):
    """An event that PROFILE passes on; `row` is the features of an impression as of just before it."""

    event: UserEvent
    row: bytes | None


@dataclass(slots=True)
class ProfileState:
    """One partition's users as this worker knows them.

    newest_ms: the partition's newest event time, dropped events included; 0 before the first.
    erased: user_id → time of the newest erasure.
    records: user_id → record, or None where the store has none; least recently used first.
    """

    policy: Users
    capacity: int = CACHED_RECORDS
    newest_ms: int = 0
    erased: dict[str, int] = field(default_factory=dict)
    records: OrderedDict[str, UserRecord | None] = field(default_factory=OrderedDict)

    def load_meta(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Take in what a stored scan says of time and erasures, once, before the first turn."""
        for key, value in items:
            if key == META_KEY:
                self.newest_ms = decode_time(value)
            elif key.startswith(ERASED_PREFIX):
                self.erased[key.removeprefix(ERASED_PREFIX)] = decode_time(value)

    def admit(self, keys: Sequence[str], values: Sequence[bytes | None]) -> None:
        """Take in the stored values of the keys that `profile_needs` named."""
        for key, value in zip(keys, values, strict=True):
            self.records[key.removeprefix(USER_PREFIX)] = None if value is None else decode(value)


def profile_needs(state: ProfileState, events: Sequence[UserEvent]) -> list[str]:
    """The store keys to load before `profile` can take these events, each once."""
    users = dict.fromkeys(event.user_id for event in events)
    return [user_key(user_id) for user_id in users if user_id not in state.records]


def profile(state: ProfileState, events: Sequence[UserEvent], make_row: MakeRow) -> tuple[Effects, list[Profiled]]:
    """One turn over events in log order.

    make_row: (the user's record as of just before, or None; the impression) → its features, packed.
    """
    effects, passed = Effects(), list[Profiled]()
    touched: dict[str, None] = {}
    for event in events:
        state.newest_ms = max(state.newest_ms, event.ts_ms)
        if state.erased and event.ts_ms <= state.erased.get(event.user_id, -ERASED_AHEAD_MS) + ERASED_AHEAD_MS:
            effects.counts["erased"] += 1
            continue
        record = _current(state, event.user_id, effects)
        passed.append(Profiled(event, make_row(record, event) if event.type == IMPRESSION else None))
        if _advanced(state, record, event):
            touched[event.user_id] = None
    for user_id in touched:
        record = state.records[user_id]
        if record is not None:
            effects.writes.puts[user_key(user_id)] = encode(record)
    if events:
        effects.writes.puts[META_KEY] = encode_time(state.newest_ms)
    _evict(state)
    return effects, passed


def erase(state: ProfileState, user_id: str, erased_ms: int) -> Effects:
    """Forget a user as of `erased_ms`, durably; an erasure already known changes nothing."""
    effects = Effects()
    if erased_ms > state.erased.get(user_id, 0):
        state.erased[user_id] = erased_ms
        state.records[user_id] = None
        effects.writes.puts[user_key(user_id)] = None
        effects.writes.puts[ERASED_PREFIX + user_id] = encode_time(erased_ms)
        effects.counts["erasures"] += 1
    return effects


def canonical(items: Iterable[tuple[str, bytes]], policy: Users) -> Iterator[bytes]:
    """What a digest hashes of a stored scan in key order: erasures and unexpired records, each self-delimiting."""
    newest_ms = 0
    for key, value in items:
        if key == META_KEY:
            newest_ms = decode_time(value)
        elif key.startswith(ERASED_PREFIX):
            yield msgspec.msgpack.encode((key, decode_time(value)))
        elif key.startswith(USER_PREFIX):
            record = decode(value)
            if not is_expired(record, newest_ms, policy):
                yield msgspec.msgpack.encode((key, canonical_bytes(record)))


def user_key(user_id: str) -> str:
    """Where a user's record is stored."""
    return USER_PREFIX + user_id


def encode_time(ts_ms: int) -> bytes:
    """A stored time in ms: one byte of format, then msgpack."""
    return bytes((TIME_FORMAT,)) + msgspec.msgpack.encode(ts_ms)


def decode_time(stored: bytes) -> int:
    """The time of `encode_time`, as under `meta` and `erased/`; ValueError for a newer format.

    >>> decode_time(encode_time(1_700_000_000_000))
    1700000000000
    """
    check_format(stored, TIME_FORMAT, "stored time")
    return msgspec.msgpack.decode(stored[1:], type=int)


def _current(state: ProfileState, user_id: str, effects: Effects) -> UserRecord | None:
    """The user's record unless it has expired; now the most recently used."""
    state.records.move_to_end(user_id)
    record = state.records[user_id]
    if record is not None and is_expired(record, state.newest_ms, state.policy):
        effects.counts["expired"] += 1
        record = state.records[user_id] = None
    return record


def _advanced(state: ProfileState, record: UserRecord | None, event: UserEvent) -> bool:
    """Apply the event, and say whether the user has a record after it."""
    if record is None:
        record = UserRecord(erased_ms=state.erased.get(event.user_id, 0))
    advance(record, event, state.policy)
    if not record.last_ts_ms:
        return False
    state.records[event.user_id] = record
    return True


def _evict(state: ProfileState) -> None:
    while len(state.records) > state.capacity:
        state.records.popitem(last=False)
