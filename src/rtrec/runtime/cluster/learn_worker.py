"""LEARN's worker: learns as examples come, publishes weights every second, commits with each durable snapshot.

Rules
-----
- Its offset in the store is its newest durable snapshot's. It begins from that snapshot, or from the newest whole
  one before it, wherever its file was written; a stored offset without any snapshot is an alarm and a beginning anew
  from the log's start, which comes to the same weights as long as the log holds it.
- A snapshot is written, then committed, then older ones go. A zombie's commit is refused; its file is one more
  snapshot of the same history, and its weights are of an epoch that scorers refuse.
- Weights go out as (epoch, examples learned), in order; what could not be sent is sent first the next time.
- While the circuit breaker is open (`stages/publishing.py`) nothing is published; snapshots go on, *held*, and none is
  made of weights that are no numbers. Its state is committed as it changes, so that scorers show it within seconds.
- A command to re-arm comes by `control`. Weights that are no numbers go back to the newest durable snapshot's, and on
  from here.
- While store or broker are away it goes on with what it has: only being fenced throws its memory away, and then the
  process begins anew, for what it has read is behind it.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from rtrec.learning import weights_wire
from rtrec.learning.progress import Taken
from rtrec.ports import Owner, Verdict
from rtrec.runtime.cluster.io import Io
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.runtime.cluster.worker import Worker, refused
from rtrec.stages import control
from rtrec.stages.effects import Writes
from rtrec.stages.hops.hop import Message
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.hops.learn import WEIGHTS, LearnHop, sendable
from rtrec.stages.hops.profile import CONTROL, PROFILED
from rtrec.stages.messages import Record
from rtrec.stages.publishing import KEY, Publishing, shown

OWNER = Owner("learn", 0)
BREAKER = KEY
EVENTS_S = 5.0
FIGURES = "figures"
"""Key of the progressive figures as JSON, as of the newest commit: for whoever shows them."""
_log = logging.getLogger("rtrec.learner")


class LearnWorker(Worker):
    """The learner of `examples`.

    log_start: the first offset that the log holds; begins: where reading began.
    """

    idle_s = 0.1

    def __init__(self, begins: int, log_start: int, snapshots: Snapshots, io: Io) -> None:
        super().__init__(OWNER, EXAMPLES, begins, io.settings.cluster.batch_events, io.restart)
        self.io, self._snapshots, self._log_start = io, snapshots, log_start
        self.hop: LearnHop | None = None
        self.counts: Counter[str] = Counter()
        self.on_learned: Callable[[LearnHop], None] = lambda _hop: None
        self._epoch = self._weights_offset = 0
        self._published_s = self._snapshot_s = time.monotonic()
        self._committed = self._control = self._events = 0
        self._publishing = Publishing(io.settings.breaker)
        self._told: bytes | None = None
        self._looked_s = 0.0
        self._unsure = False
        self._unsent: list[Message] = []
        self.on_durable: Callable[[int], None] = lambda _offset: None

    async def take_over(self) -> None:
        """A new epoch, and the newest snapshot."""
        self.hop = None
        lease = await asyncio.to_thread(self.io.store.acquire, OWNER)
        hop = LearnHop(self.io.settings, adopt=self._log_start > 0)
        committed = lease.offsets.get(EXAMPLES, 0)
        snapshot = await asyncio.to_thread(self._snapshots.newest, committed)
        if snapshot is not None:
            hop.restore(snapshot)
        elif committed:
            _log.error("ALARM: the store names a snapshot, and none is whole at registry.url; learning anew")
        hop.next_offset = max(hop.next_offset, self._log_start)
        (self._told,) = await asyncio.to_thread(self.io.store.get, OWNER, [BREAKER])
        self._publishing = Publishing(
            self.io.settings.breaker, self._told, whole=snapshot is not None and snapshot.held
        )
        self._epoch, self._committed = lease.epoch, committed
        self.next = {EXAMPLES: hop.next_offset}
        self._snapshot_s = time.monotonic()
        self.hop = hop

    async def turn(self, records: Sequence[Record]) -> None:
        """Learn; weights and snapshot when it is their time."""
        hop = self._taken_hop()
        if records:
            turn = hop.take(records)
            self.counts.update(turn.counts)
            self.counts["events"] += turn.events
            self.next[EXAMPLES] = hop.next_offset
            self.on_learned(hop)

    async def idle(self) -> None:
        """Publish and snapshot when it is time."""
        now_s, settings = time.monotonic(), self.io.settings
        try:
            await self._meet_control()
            if 1_000 * (now_s - self._published_s) >= settings.learner.publish_ms:
                self._published_s = now_s
                await self._publish()
            if 1_000 * (now_s - self._snapshot_s) >= settings.registry.snapshot_ms:
                self._snapshot_s = now_s
                await self.snapshot()
            if not self._unsure:
                await self.audit(self.io.store, {EXAMPLES: self._committed})
            self.trouble = None
        except OSError as error:
            self.trouble, self._unsure = str(error), True
            _log.warning("learn:0: %s; learning goes on, weights and snapshots wait", error)

    async def snapshot(self) -> None:
        """Make everything learned so far durable, and commit it.

        What moved is published first: a learner that begins here publishes only what moves after.
        """
        hop = self._taken_hop()
        await self._publish()
        if self._unsure:  # the last commit may have been carried out
            stands = await asyncio.to_thread(self.io.store.offsets, OWNER)
            self._committed, self._unsure = stands.get(EXAMPLES, 0), False
        if hop.next_offset <= self._committed or not hop.state.sound(hop.state.model.slots()):
            return
        kept = hop.snapshot(self._epoch, self._weights_offset, held=self._publishing.open)
        name = await asyncio.to_thread(self._snapshots.put, kept)
        inputs = {EXAMPLES: (self._committed, kept.next_offset)}
        figures = await asyncio.to_thread(_figures, hop.state.progress.taken(), hop.state.slots())
        told = self._publishing.encode()
        writes = Writes(puts={"snapshot": name.encode(), FIGURES: figures, BREAKER: told})
        verdict = await self.io.calls.commit(OWNER, self._epoch, inputs, writes)
        if verdict is not Verdict.OK:
            raise refused(OWNER, verdict, self._epoch, inputs)
        self._committed, self._told = kept.next_offset, told
        self.on_durable(self._committed)
        await asyncio.to_thread(self._snapshots.prune, name)

    async def last(self) -> None:
        """One more snapshot, so that the next learner has nothing to repeat."""
        await self.snapshot()

    async def _publish(self) -> None:
        state = self._taken_hop().state
        events = await self._events_so_far()
        update = sendable(self._publishing.update(state, self._epoch, self.io.now_ms(), events))
        if update is not None:
            self._unsent += [Message(WEIGHTS, 0, part) for part in weights_wire.encode(update)]
        while self._unsent:
            (at,) = await self.io.publish(self._unsent[:1])
            self._weights_offset = at + 1
            del self._unsent[0]
        await self._tell()

    async def _tell(self) -> None:
        """Commit the breaker's state at once if it is open, or was; else it goes with the next snapshot."""
        told = self._publishing.encode()
        if told == self._told or not (self._publishing.open or shown(self._told)["open"]):
            return
        verdict = await self.io.calls.commit(OWNER, self._epoch, {}, Writes(puts={BREAKER: told}))
        if verdict is not Verdict.OK:
            raise refused(OWNER, verdict, self._epoch, {})
        self._told = told

    async def _events_so_far(self) -> int:
        """How many messages of events LABEL has taken, as of a few seconds ago: whether a dry stream is dry."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= EVENTS_S:
            self._looked_s = now_s
            owners = [Owner("label", partition) for partition in range(self.io.settings.cluster.partitions)]
            stands = [(await asyncio.to_thread(self.io.store.offsets, owner)).get(PROFILED, 0) for owner in owners]
            self._events = sum(stands)
        return self._events

    async def _meet_control(self) -> None:
        """Re-arm where that was asked for."""
        for record in self.io.side.since(CONTROL, 0, self._control):
            self._control = record.offset + 1
            if record.key == control.REARM_KEY and self._publishing.open:
                await self._rearm(control.decode(record.value).at_ms)

    async def _rearm(self, at_ms: int) -> None:
        hop = self._taken_hop()
        if self._publishing.rearm(hop.state, at_ms) and not hop.state.sound():
            hop.go_back(await asyncio.to_thread(self._snapshots.newest, self._committed))

    def _taken_hop(self) -> LearnHop:
        if self.hop is None:
            raise RuntimeError("learn:0: not taken over")
        return self.hop


def _figures(taken: Taken, slots: dict[str, int]) -> bytes:
    return msgspec.json.encode({**taken.report(slices=True), "slots": slots})
