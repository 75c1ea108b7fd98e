"""LABEL: a user's events and the features they were scored by become examples.

Rules
-----
- State is held whole in memory, loaded at the start, written back by what changed: `p/{user}` (exposures
  and logged rows; deleted when nothing is pending), `o/{ms}` (the actions without an impression whose wait ends
  then, of all users: most streams have some, and by user they would cost a write each), `e/{user}` (an
  erasure's limit), `meta` (watermark, sequence, counts since the beginning).
- Every function takes a turn: it returns the effects to commit, and the examples to publish with them.
  After a refused commit the state is loaded anew.
- Stored bytes are a function of what was met, in order, and not of the turns it came in.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from rtrec.events.user_events import UserEvent
from rtrec.labels.exposure import Action, Example, Exposure, ScoredRow
from rtrec.labels.join import Join
from rtrec.labels.waiting import Logged
from rtrec.settings import Labels
from rtrec.stages.control import ERASED_AHEAD_MS
from rtrec.stages.effects import Effects

VERSION: Final = b"\x01"
META: Final = "meta"
PENDING: Final = "p/"
WAITING: Final = "o/"
ERASED: Final = "e/"


class _Pending(msgspec.Struct, array_like=True):
    """What is stored of one user, each list in the order it is kept in."""

    opened: list[Exposure]
    closed: list[Exposure]
    rows: list[Logged]


class _Meta(msgspec.Struct, array_like=True):
    watermark_ms: int
    sequence: int
    counts: dict[str, int]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_pending: Final = msgspec.msgpack.Decoder(_Pending).decode
_decode_waiting: Final = msgspec.msgpack.Decoder(list[tuple[str, Action]]).decode
_decode_meta: Final = msgspec.msgpack.Decoder(_Meta).decode
_decode_limit: Final = msgspec.msgpack.Decoder(int).decode


class LabelState:
    """One partition's pending labels.

    policy: when an impression becomes an example, and how much may be pending.
    """

    def __init__(self, policy: Labels) -> None:
        self.join = Join(policy)
        self.counts: Counter[str] = Counter()
        self._stored: set[str] = set()

    def load(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Take what the store holds, in any order, into a new state; ValueError for another version's."""
        pending: dict[str, _Pending] = {}
        waiting: list[tuple[str, Action]] = []
        for key, value in items:
            if value[:1] != VERSION:
                raise ValueError(f"label state {key!r}: expected version {VERSION[0]}, got {value[:1]!r}")
            if key.startswith(PENDING):
                pending[key.removeprefix(PENDING)] = _decode_pending(value[1:])
            elif key.startswith(WAITING):
                waiting += _decode_waiting(value[1:])
            elif key.startswith(ERASED):
                self.join.erased[key.removeprefix(ERASED)] = _decode_limit(value[1:])
            elif key == META:
                self._load_meta(_decode_meta(value[1:]))
        join = self.join
        join.exposures.restore((user_id, one.opened, one.closed) for user_id, one in pending.items())
        join.orphans.restore(waiting)
        join.rows.restore((user_id, one.rows) for user_id, one in pending.items())
        join.renew_due()
        join.dirty.clear()
        self._stored = {PENDING + user_id for user_id in pending}
        self._stored.update(f"{WAITING}{until_ms}" for until_ms in join.orphans.blocks)

    def due_ms(self) -> int:
        """When the next label is due, by event time; far in the future if none is."""
        return self.join.exposures.due_ms()

    def _load_meta(self, meta: _Meta) -> None:
        self.join.watermark_ms = meta.watermark_ms
        self.join.sequence = meta.sequence
        self.counts = Counter(meta.counts)

    def end_turn(self) -> tuple[Effects, list[Example]]:
        """Fold what the turn changed into effects, and take its examples."""
        join = self.join
        join.settle()
        effects = Effects(counts=Counter(join.counts))
        self.counts.update(join.counts)
        puts = effects.writes.puts
        for user_id in join.dirty:
            self._put(puts, PENDING + user_id, self._pending(user_id))
        for until_ms in join.orphans.dirty:
            block = join.orphans.blocks.get(until_ms)
            self._put(puts, f"{WAITING}{until_ms}", list(block.values()) if block else None)
        puts[META] = VERSION + _encode(_Meta(join.watermark_ms, join.sequence, dict(sorted(self.counts.items()))))
        examples, join.examples = join.examples, []
        join.counts.clear()
        join.dirty.clear()
        join.orphans.dirty.clear()
        return effects, examples

    def _put(self, puts: dict[str, bytes | None], key: str, value: object) -> None:
        """Write a record, or delete it where one is stored."""
        if value is not None:
            puts[key] = VERSION + _encode(value)
            self._stored.add(key)
        elif key in self._stored:
            puts[key] = None
            self._stored.discard(key)

    def _pending(self, user_id: str) -> _Pending | None:
        exposures = self.join.exposures.users.get(user_id)
        rows = self.join.rows.users.get(user_id)
        if exposures is None and rows is None:
            return None
        return _Pending(
            list(exposures.open.values()) if exposures else [],
            list(exposures.closed.values()) if exposures else [],
            list(rows.values()) if rows else [],
        )


def label(state: LabelState, inputs: Sequence[tuple[UserEvent, bytes | None]]) -> tuple[Effects, list[Example]]:
    """Meet events in `user_events` order, impressions with their shadow row."""
    state.join.meet(inputs)
    return state.end_turn()


def scored(state: LabelState, rows: Iterable[ScoredRow]) -> tuple[Effects, list[Example]]:
    """Meet the rows the API logged."""
    for row in rows:
        state.join.scored(row)
    return state.end_turn()


def tick(state: LabelState, now_ms: int) -> tuple[Effects, list[Example]]:
    """Let a quiet partition's time go on: deadlines up to `now_ms` (wall clock) fire."""
    state.join.advance(now_ms)
    return state.end_turn()


def erase(state: LabelState, user_id: str, erased_ms: int) -> tuple[Effects, list[Example]]:
    """Forget a user up to `erased_ms` and a margin, for good: what is met again is dropped."""
    state.join.erase(user_id, erased_ms + ERASED_AHEAD_MS)
    effects, examples = state.end_turn()
    effects.writes.puts[ERASED + user_id] = VERSION + _encode(state.join.erased[user_id])
    return effects, examples


def canonical(items: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The stored records as bytes for the digest: sorted by key, each part framed by its length."""
    for key, value in sorted(items):
        name = key.encode()
        yield len(name).to_bytes(4) + name + len(value).to_bytes(4) + value
