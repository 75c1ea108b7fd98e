"""The exposures of a partition: found by user and anchor, due by time, bounded.

Rules
-----
- Open exposures are at most `per_user` of a user and `total` in all; the oldest by arrival goes, counted
  `overflow_user` or `overflow_total`, and its open heads `overflow`. Tombstones have the same bounds apart, so that
  they push out nothing that still waits; of a user's the first decided goes, of all the one that ends first, counted
  `forgotten`.
- Heaps hold (time, user, sequence) hints. A hint may be too early or outlived, never too late: whoever makes
  a deadline earlier pushes it again. So what fires, and in which order, depends on the exposures alone.
- Where hints are more than twice what they stand for, they are made anew: heaps are bounded as exposures are.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from rtrec.labels.exposure import Exposure
from rtrec.labels.outcomes import count
from rtrec.labels.policy import Policy

FAR_MS = 1 << 62
SPARE_HINTS = 1_024
"""Hints that a heap may hold beyond twice what it stands for."""


class UserExposures:
    """One user's exposures: open ones by arrival, tombstones by decision, both by anchor."""

    __slots__ = ("by_anchor", "closed", "open")

    def __init__(self) -> None:
        self.open: dict[int, Exposure] = {}
        self.closed: dict[int, Exposure] = {}
        self.by_anchor: dict[str, list[Exposure]] = {}

    def unlink(self, exposure: Exposure) -> None:
        """Make an exposure impossible to find by its anchor."""
        same = self.by_anchor[exposure.anchor_id]
        same.remove(exposure)
        if not same:
            del self.by_anchor[exposure.anchor_id]


class Exposures:
    """All exposures of one partition."""

    def __init__(self, policy: Policy, per_user: int, total: int, counts: Counter[str], dirty: set[str]) -> None:
        self.users: dict[str, UserExposures] = {}
        self._policy = policy
        self._per_user = per_user
        self._total = total
        self._counts = counts
        self._dirty = dirty
        self._order: OrderedDict[int, str] = OrderedDict()
        self._deadlines: list[tuple[int, str, int]] = []
        self._expiries: list[tuple[int, str, int]] = []
        self._closed = 0

    def __len__(self) -> int:
        return len(self._order)

    def due_ms(self) -> int:
        """No deadline and no expiry lies before this."""
        deadline_ms = self._deadlines[0][0] if self._deadlines else FAR_MS
        return min(deadline_ms, self._expiries[0][0] if self._expiries else FAR_MS)

    def hints(self) -> int:
        """How many times are remembered, outlived ones included."""
        return len(self._deadlines) + len(self._expiries)

    def add(self, user_id: str, exposure: Exposure) -> None:
        """Take a new exposure; the oldest goes where too many are open."""
        mine = self._link(user_id, exposure)
        if not exposure.open:
            self._entomb(user_id, mine, exposure)
            return
        mine.open[exposure.sequence] = exposure
        self._order[exposure.sequence] = user_id
        self.watch(user_id, exposure)
        if len(mine.open) > self._per_user:
            self._drop_open(user_id, next(iter(mine.open)), "overflow_user")
        if len(self._order) > self._total:
            sequence, owner = next(iter(self._order.items()))
            self._drop_open(owner, sequence, "overflow_total")

    def watch(self, user_id: str, exposure: Exposure) -> None:
        """Note an exposure's deadline, when it is new or has become earlier."""
        heappush(self._deadlines, (self._policy.deadline_ms(exposure), user_id, exposure.sequence))
        if len(self._deadlines) > 2 * len(self._order) + SPARE_HINTS:
            opened = ((owner, self.users[owner].open[sequence]) for sequence, owner in self._order.items())
            self._deadlines = [(self._policy.deadline_ms(one), owner, one.sequence) for owner, one in opened]
            heapify(self._deadlines)

    def close(self, user_id: str, exposure: Exposure) -> None:
        """Turn an exposure whose heads are all decided into a tombstone."""
        mine = self.users[user_id]
        del mine.open[exposure.sequence]
        del self._order[exposure.sequence]
        self._entomb(user_id, mine, exposure)

    def pop_due(self, watermark_ms: int) -> tuple[str, Exposure] | None:
        """The first open exposure, by (deadline, user, sequence), whose deadline is up to the watermark."""
        heap = self._deadlines
        while heap and heap[0][0] <= watermark_ms:
            hinted_ms, user_id, sequence = heappop(heap)
            mine = self.users.get(user_id)
            exposure = mine.open.get(sequence) if mine else None
            if exposure is None:
                continue
            if self._policy.deadline_ms(exposure) <= hinted_ms:
                return user_id, exposure
            self.watch(user_id, exposure)
        return None

    def expire(self, watermark_ms: int) -> None:
        """Remove the tombstones whose time has passed."""
        while self._expiries and self._expiries[0][0] <= watermark_ms:
            self._expire_first()

    def latest(self, user_id: str, anchor_id: str, request_id: str | None, ts_ms: int) -> Exposure | None:
        """The latest exposure up to `ts_ms` of (request, anchor), else of (user, anchor)."""
        mine = self.users.get(user_id)
        if mine is None:
            return None
        best: tuple[bool, int, int] | None = None
        found = None
        for one in mine.by_anchor.get(anchor_id, ()):
            if one.ts_ms > ts_ms:
                continue
            rank = (request_id is not None and one.request_id == request_id, one.ts_ms, one.sequence)
            if best is None or rank > best:
                best, found = rank, one
        return found

    def of_request(self, user_id: str, request_id: str, anchor_id: str) -> list[Exposure]:
        """A user's open exposures of one (request, anchor)."""
        mine = self.users.get(user_id)
        same = mine.by_anchor.get(anchor_id, ()) if mine else ()
        return [one for one in same if one.open and one.request_id == request_id]

    def erase(self, user_id: str, until_ms: int) -> int:
        """Remove a user's exposures up to a time, and say how many were open."""
        mine = self.users.get(user_id)
        if mine is None:
            return 0
        opened = [one for one in mine.open.values() if one.ts_ms <= until_ms]
        for one in opened:
            count(self._counts, "erased", one.open)
            self._remove_open(user_id, one.sequence)
        for one in [one for one in mine.closed.values() if one.ts_ms <= until_ms]:
            self._remove_closed(user_id, one)
        return len(opened)

    def restore(self, loaded: Iterable[tuple[str, list[Exposure], list[Exposure]]]) -> None:
        """Take what was stored: per user the open ones and the tombstones, as they were listed."""
        order: list[tuple[int, str]] = []
        for user_id, opened, closed in loaded:
            for one in opened:
                self._link(user_id, one).open[one.sequence] = one
                order.append((one.sequence, user_id))
                self.watch(user_id, one)
            for one in closed:
                self._bury(user_id, self._link(user_id, one), one)
        self._order = OrderedDict(sorted(order))

    def _link(self, user_id: str, exposure: Exposure) -> UserExposures:
        mine = self.users.get(user_id)
        if mine is None:
            mine = self.users[user_id] = UserExposures()
        mine.by_anchor.setdefault(exposure.anchor_id, []).append(exposure)
        self._dirty.add(user_id)
        return mine

    def _entomb(self, user_id: str, mine: UserExposures, exposure: Exposure) -> None:
        exposure.strip()
        self._bury(user_id, mine, exposure)
        if len(mine.closed) > self._per_user:
            self._counts["forgotten"] += 1
            self._remove_closed(user_id, next(iter(mine.closed.values())))
        while self._closed > self._total:
            self._counts["forgotten"] += self._expire_first()

    def _bury(self, user_id: str, mine: UserExposures, exposure: Exposure) -> None:
        mine.closed[exposure.sequence] = exposure
        self._closed += 1
        heappush(self._expiries, (self._policy.expiry_ms(exposure), user_id, exposure.sequence))
        self._dirty.add(user_id)
        if len(self._expiries) > 2 * self._closed + SPARE_HINTS:
            closed = ((owner, one) for owner, its in self.users.items() for one in its.closed.values())
            self._expiries = [(self._policy.expiry_ms(one), owner, one.sequence) for owner, one in closed]
            heapify(self._expiries)

    def _drop_open(self, user_id: str, sequence: int, bound: str) -> None:
        self._counts[bound] += 1
        count(self._counts, "overflow", self.users[user_id].open[sequence].open)
        self._remove_open(user_id, sequence)

    def _remove_open(self, user_id: str, sequence: int) -> None:
        mine = self.users[user_id]
        del self._order[sequence]
        mine.unlink(mine.open.pop(sequence))
        self._left(user_id, mine)

    def _remove_closed(self, user_id: str, exposure: Exposure) -> None:
        mine = self.users[user_id]
        del mine.closed[exposure.sequence]
        self._closed -= 1
        mine.unlink(exposure)
        self._left(user_id, mine)

    def _left(self, user_id: str, mine: UserExposures) -> None:
        self._dirty.add(user_id)
        if not mine.open and not mine.closed:
            del self.users[user_id]

    def _expire_first(self) -> int:
        """Take the first hint; remove its tombstone if that stands and its time is the hint's."""
        hinted_ms, user_id, sequence = heappop(self._expiries)
        mine = self.users.get(user_id)
        exposure = mine.closed.get(sequence) if mine else None
        if exposure is None:
            return 0
        expiry_ms = self._policy.expiry_ms(exposure)
        if expiry_ms > hinted_ms:
            heappush(self._expiries, (expiry_ms, user_id, sequence))
            return 0
        self._remove_closed(user_id, exposure)
        return 1
