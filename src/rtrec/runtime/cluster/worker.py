"""A worker: one owner's turns, one after another, whatever fails in between.

Rules
-----
- Input is delivered in order and waits in a bounded queue; a full queue holds the deliverer up, so that a slow store
  shows as lag and not as memory.
- A turn that fails is tried again with growing pauses, for as long as it takes: it takes the owner over again
  (`take_over`), which loads from the store, and goes on from the offset that the store has. So it does not matter
  whether a failed commit had been done.
- Fenced means that another process has taken the owner over. This one waits `FENCED_S` to be told that the
  partition is no longer its own, and takes it back only then.
- Input that begins after where the store stands (a store that lost its newest commits) cannot be gone on with: the
  process begins anew (`restart`), which reads from the store's offset. So it does where a record is missing in between:
  only in source topics, which others write, may offsets have holes (`may_have_holes`).
- A store may lose commits that it had acknowledged (Redis that syncs each second, killed). While input comes the next
  commit meets the gap; for when none comes, the worker looks now and then (`audit`).
- `trouble` is said until a turn has ended well. A worker that takes its owner over again and again, for a broker that
  is away, does not stand still; one that has taken it over and does not end its turn does (`watchdog`).
- `release` lets the turn at hand end, and nothing after it begin.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from rtrec.ports import Owner, Record, StateStore, Verdict
from rtrec.stages.records import Records

QUEUED_BYTES: Final = 32 << 20
EVENT_BYTES: Final = 300
"""An event in a chunk, about: bounds a micro-batch of chunks by its events without reading them."""
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 5.0
FENCED_S: Final = 4.0
AUDIT_S: Final = 5.0
_log = logging.getLogger("rtrec.worker")


class Fenced(RuntimeError):
    """The store refused a commit: somebody else has taken the owner over."""


class Lost(RuntimeError):
    """The store stands before what it had acknowledged."""


class Delivered(NamedTuple):
    """A piece of input. done: called when all of it is committed."""

    records: Records
    done: Callable[[], None]
    size_bytes: int


class Worker:
    """See the module. Subclasses say how an owner is taken over and what a turn is.

    begins: the offset that reading of the main topic began at; what is delivered follows without a gap of ours.
    batch_events: most events in a turn. restart: (reason) → the process begins anew.
    """

    def __init__(
        self, owner: Owner, topic: str, begins: int, batch_events: int, restart: Callable[[str], None],
        *, may_have_holes: bool = False,
    ) -> None:  # fmt: skip
        self.owner, self.topic, self._may_have_holes = owner, topic, may_have_holes
        self.trouble: str | None = "not taken over yet"
        self.moved_s = self._audited_s = time.monotonic()
        self._begins = self._reading_from = begins
        self._batch_events, self._restart = batch_events, restart
        self._queue: deque[Delivered] = deque()
        self._queued_bytes = 0
        self._room, self._wake = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._wake.set()
        self._stopping = False
        self._taken = False
        self._task: asyncio.Task[None] | None = None
        self.next: dict[str, int] = {}

    # What subclasses do

    async def take_over(self) -> None:
        """Take a new epoch, load, and set `next` to the store's offsets."""
        raise NotImplementedError

    async def turn(self, records: Sequence[Record]) -> None:
        """Take records (of the main topic, none below `next`), commit, and move `next` on."""
        raise NotImplementedError

    async def idle(self) -> None:
        """Between turns, also when nothing was delivered for a while."""

    async def last(self) -> None:
        """After the last turn of a worker that ends in good order."""

    idle_s: float = 2.0
    """Seconds after which `idle` is called though nothing came."""

    async def audit(self, store: StateStore, committed: Mapping[str, int]) -> None:
        """Look whether the store still stands where it was committed, every `AUDIT_S`; Lost if it does not."""
        if time.monotonic() - self._audited_s < AUDIT_S:
            return
        self._audited_s = time.monotonic()
        stands = await asyncio.to_thread(store.offsets, self.owner)
        if any(stands.get(topic, 0) < offset for topic, offset in committed.items()):
            raise Lost(f"{self.owner}: the store stands at {dict(stands)}, and had acknowledged {dict(committed)}")

    # Life

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"rtrec-{self.owner}")

    async def deliver(self, records: Sequence[Record], done: Callable[[], None]) -> None:
        """Add input, one record at least; waits while the queue is full."""
        await self._room.wait()
        records = Records.of(records)
        size = records.size_bytes
        self._queue.append(Delivered(records, done, size))
        self._queued_bytes += size
        if self._queued_bytes >= QUEUED_BYTES:
            self._room.clear()
        self._wake.set()

    def wake(self) -> None:
        """Have a turn soon: something beside the main input has come."""
        self._wake.set()

    @property
    def waiting(self) -> bool:
        """Whether input waits."""
        return bool(self._queue)

    @property
    def at_work(self) -> bool:
        """Whether there is something to do and nothing to wait for: the turn must end."""
        return self._taken and self.waiting

    async def release(self, timeout_s: float) -> None:
        """End after the turn at hand, which has so long; what waits is left to the next owner."""
        self._stopping = True
        self._wake.set()
        self._room.set()
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=timeout_s)
            for task in late:
                _log.warning("%s: a turn did not end within %.1f s; left to the next owner", self.owner, timeout_s)
                task.cancel()

    # The loop

    async def _run(self) -> None:
        failed, pause_s = True, FIRST_PAUSE_S
        while not self._stopping:
            try:
                if not self._taken:
                    await self.take_over()
                    self._taken, self.moved_s = True, time.monotonic()
                    self._wake.set()
                await self._step()
                self.trouble = None if failed else self.trouble
                failed, pause_s, self.moved_s = False, FIRST_PAUSE_S, time.monotonic()
            except Fenced as fenced:
                failed, self._taken, self.trouble = True, False, str(fenced)
                _log.warning("%s", fenced)
                await self._pause(FENCED_S)
            except Exception as error:  # noqa: BLE001 - the stream goes on; what failed is said, and tried again
                failed, self._taken, self.trouble = True, False, f"{type(error).__name__}: {error}"
                expected = isinstance(error, OSError)
                _log.log(
                    logging.WARNING if expected else logging.ERROR, "%s: %s; again in %.2f s", self.owner, self.trouble,
                    pause_s, exc_info=not expected,
                )  # fmt: skip
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

        with suppress(Exception):  # it is only a help for the next owner
            if self._taken:
                await self.last()

    async def _step(self) -> None:
        """Wait for something to do, and do it."""
        if not self._queue and not self._wake.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self.idle_s)
        self._wake.clear()
        if self._stopping:
            return
        pieces = self._pieces()
        next_ = self.next.get(self.topic, self._begins)
        records = Records.joined([piece.records for piece in pieces]).since(next_)
        if (fault := self._gap(next_, pieces)) is not None:
            self._stopping = True
            self._restart(f"{self.owner}: {fault}")
            return
        await self.turn(records)
        for _ in pieces:
            done = self._queue.popleft()
            self._queued_bytes -= done.size_bytes
            self._reading_from = max(self._reading_from, done.records.next_offset)
            done.done()
        if self._queued_bytes < QUEUED_BYTES:
            self._room.set()
        if self._queue:
            self._wake.set()
        await self.idle()

    def _gap(self, next_: int, pieces: Sequence[Delivered]) -> str | None:
        """What is missing before or between the pieces, if anything is."""
        expected = self._reading_from
        if expected > next_:
            return f"the store stands at {next_}, what is read begins at {expected}"
        for piece in pieces:
            first = piece.records.first_offset
            if first > expected and not self._may_have_holes:
                return f"{self.topic} was read up to {expected}, and then from {first}"
            expected = max(expected, piece.records.next_offset)
        return None

    def _pieces(self) -> list[Delivered]:
        """What one turn takes: at least one piece if any waits, and not more than fits."""
        pieces: list[Delivered] = []
        records = size = 0
        for piece in self._queue:
            records, size = records + len(piece.records), size + piece.size_bytes
            if pieces and (records > self._batch_events or size > self._batch_events * EVENT_BYTES):
                break
            pieces.append(piece)
        return pieces

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._stopping:
                    await self._wake.wait()
                    self._wake.clear()
        if self._queue:
            self._wake.set()


def refused(owner: Owner, verdict: Verdict, epoch: int, inputs: object) -> Fenced:
    """What to raise where the store does not say OK."""
    return Fenced(f"{owner}: the store answered {verdict.value} to epoch {epoch} and {inputs}")
