"""What waits for an impression that has not come: actions that overtook it, and rows the API logged.

Rules
-----
- An action waits until the watermark has moved `ACTION_WAIT_MS` past its arrival, rounded up to whole
  blocks of `BLOCK_MS`: a block of actions is stored, and ends, as one, for a stream without impressions has
  nothing else. Of a user's the newest `ACTIONS_PER_USER` wait, of all the newest `total`. Who leaves
  unmatched is counted `orphaned`, however it left.
- Arrivals are only noted (`new`) and settled before anything asks for them, at the latest with the turn:
  those whose wait is over by then were never looked at. Settling late or early comes to the same.
- A logged row waits `SCORED_WAIT_MS` of event time from its scoring (the scorer may be hours ahead of the
  events here) and serves every impression of its (user, request, anchor) meanwhile. Bounded per user and
  in all, the oldest goes, counted `scored_overflow`; whose wait ends is counted `scored_expired`, used or not.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from heapq import heappop, heappush
from operator import attrgetter

import msgspec

from rtrec.events.user_events import UserEvent
from rtrec.labels.exposure import Action, ScoredRow, action_of

ACTION_WAIT_MS = 300_000
BLOCK_MS = 2_000
ACTIONS_PER_USER = 32
SCORED_WAIT_MS = 1_800_000


def wait_ends_ms(watermark_ms: int) -> int:
    """When the wait of an action ends that arrives at a watermark.

    >>> wait_ends_ms(1_000), wait_ends_ms(2_000)
    (302000, 304000)
    """
    return (watermark_ms + ACTION_WAIT_MS) // BLOCK_MS * BLOCK_MS + BLOCK_MS


class Orphans:
    """Actions without an impression.

    users: user → actions by arrival; blocks: end of the wait → sequence → (user, action), both growing.
    new: (watermark, event) of arrivals not settled yet.
    dirty: blocks changed in this turn.
    """

    def __init__(self, total: int, counts: Counter[str]) -> None:
        self.users: dict[str, list[Action]] = {}
        self.blocks: dict[int, dict[int, tuple[str, Action]]] = {}
        self.new: list[tuple[int, UserEvent]] = []
        self.dirty: set[int] = set()
        self._total = total
        self._count = 0
        self._counts = counts

    def settle(self, watermark_ms: int, sequence: int) -> int:
        """End the waits that are over, give the arrivals their places, and return the last sequence given."""
        self._expire(watermark_ms)
        over = bisect_right(self.new, watermark_ms, key=lambda arrival: wait_ends_ms(arrival[0]))
        if over:
            self._counts["orphaned"] += over
            sequence += over
        for at_ms, event in self.new[over:]:
            sequence += 1
            self._add(event.user_id, action_of(event, sequence, wait_ends_ms(at_ms)))
        self.new.clear()
        return sequence

    def of_anchor(self, user_id: str, anchor_id: str, since_ms: int) -> list[Action]:
        """What a user did with an anchor from a time on, in order of event time."""
        mine = self.users.get(user_id)
        if not mine:
            return []
        return sorted(
            (one for one in mine if one.anchor_id == anchor_id and one.ts_ms >= since_ms),
            key=attrgetter("ts_ms", "sequence"),
        )

    def take(self, user_id: str, action: Action) -> None:
        """Remove an action that has found its impression."""
        block = self.blocks[action.until_ms]
        del block[action.sequence]
        if not block:
            del self.blocks[action.until_ms]
        self.dirty.add(action.until_ms)
        self._unlink(user_id, action)

    def erase(self, user_id: str, until_ms: int) -> int:
        """Remove a user's actions up to a time, and say how many."""
        gone = [one for one in self.users.get(user_id, ()) if one.ts_ms <= until_ms]
        for one in gone:
            self.take(user_id, one)
        return len(gone)

    def restore(self, loaded: Iterable[tuple[str, Action]]) -> None:
        """Take what was stored, in any order."""
        for user_id, action in sorted(loaded, key=lambda one: one[1].sequence):
            self._link(user_id, action)

    def _add(self, user_id: str, action: Action) -> None:
        mine = self._link(user_id, action)
        self.dirty.add(action.until_ms)
        if len(mine) > ACTIONS_PER_USER:
            self._drop(user_id, mine[0])
        if self._count > self._total:
            self._drop(*next(iter(next(iter(self.blocks.values())).values())))

    def _link(self, user_id: str, action: Action) -> list[Action]:
        mine = self.users.setdefault(user_id, [])
        mine.append(action)
        self.blocks.setdefault(action.until_ms, {})[action.sequence] = user_id, action
        self._count += 1
        return mine

    def _unlink(self, user_id: str, action: Action) -> None:
        mine = self.users[user_id]
        mine.remove(action)
        self._count -= 1
        if not mine:
            del self.users[user_id]

    def _drop(self, user_id: str, action: Action) -> None:
        self._counts["orphaned"] += 1
        self.take(user_id, action)

    def _expire(self, watermark_ms: int) -> None:
        while self.blocks and (until_ms := next(iter(self.blocks))) <= watermark_ms:
            block = self.blocks.pop(until_ms)
            self.dirty.add(until_ms)
            self._counts["orphaned"] += len(block)
            for user_id, action in block.values():
                self._unlink(user_id, action)


class Logged(msgspec.Struct, array_like=True, gc=False):
    """A row that waits, under its (request, anchor)."""

    sequence: int
    request_id: str
    anchor_id: str
    ts_ms: int
    row: bytes


class ScoredRows:
    """Logged rows, per user in order of arrival."""

    def __init__(self, per_user: int, total: int, counts: Counter[str], dirty: set[str]) -> None:
        self.users: dict[str, dict[tuple[str, str], Logged]] = {}
        self.heap: list[tuple[int, str, int, str, str]] = []
        self._per_user = per_user
        self._total = total
        self._count = 0
        self._counts = counts
        self._dirty = dirty

    def add(self, scored: ScoredRow, sequence: int) -> None:
        """Keep a row; one of the same key gives way."""
        self._remove(scored.user_id, (scored.request_id, scored.anchor_id))
        self._keep(scored.user_id, Logged(sequence, scored.request_id, scored.anchor_id, scored.ts_ms, scored.row))
        mine = self.users[scored.user_id]
        if len(mine) > self._per_user:
            self._counts["scored_overflow"] += 1
            self._remove(scored.user_id, next(iter(mine)))
        while self._count > self._total:
            self._counts["scored_overflow"] += self._pop()

    def row(self, user_id: str, request_id: str | None, anchor_id: str) -> bytes | None:
        """The row logged for an impression, if any waits."""
        mine = self.users.get(user_id)
        logged = mine.get((request_id, anchor_id)) if mine and request_id is not None else None
        return logged.row if logged else None

    def expire(self, watermark_ms: int) -> None:
        """Remove the rows whose wait has ended."""
        while self.heap and self.heap[0][0] <= watermark_ms:
            self._counts["scored_expired"] += self._pop()

    def erase(self, user_id: str, until_ms: int) -> int:
        """Remove a user's rows up to a time, and say how many."""
        gone = [key for key, one in self.users.get(user_id, {}).items() if one.ts_ms <= until_ms]
        for key in gone:
            self._remove(user_id, key)
        return len(gone)

    def restore(self, loaded: Iterable[tuple[str, list[Logged]]]) -> None:
        """Take what was stored, per user as it was listed."""
        for user_id, rows in loaded:
            for one in rows:
                self._keep(user_id, one)

    def _keep(self, user_id: str, logged: Logged) -> None:
        self.users.setdefault(user_id, {})[(logged.request_id, logged.anchor_id)] = logged
        heappush(
            self.heap,
            (logged.ts_ms + SCORED_WAIT_MS, user_id, logged.sequence, logged.request_id, logged.anchor_id),
        )
        self._count += 1
        self._dirty.add(user_id)

    def _remove(self, user_id: str, key: tuple[str, str]) -> None:
        mine = self.users.get(user_id)
        if mine is None or mine.pop(key, None) is None:
            return
        self._count -= 1
        self._dirty.add(user_id)
        if not mine:
            del self.users[user_id]

    def _pop(self) -> int:
        """End the first wait, unless its row has left or been replaced already."""
        _, user_id, sequence, request_id, anchor_id = heappop(self.heap)
        logged = self.users.get(user_id, {}).get((request_id, anchor_id))
        if logged is None or logged.sequence != sequence:
            return 0
        self._remove(user_id, (request_id, anchor_id))
        return 1
