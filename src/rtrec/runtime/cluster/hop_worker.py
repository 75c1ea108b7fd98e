"""A worker whose state is in the store: load what a micro-batch touches, advance it, publish, commit, publish.

Rules
-----
- What is a pure function of the log is published, and acknowledged, before the commit; what was decided here is in
  the commit, and published after it. The next micro-batch is not begun before that.
- Store calls block, and run in threads (`gathered`); everything else runs on the event loop.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from rtrec.ports import Owner, Verdict
from rtrec.runtime.cluster.io import Io
from rtrec.runtime.cluster.worker import Worker, refused
from rtrec.stages.effects import Writes
from rtrec.stages.hops.hop import Hop, HopTurn
from rtrec.stages.messages import Record

SIDE_RECORDS = 5_000


class HopWorker(Worker):
    """One owner of a stage.

    sides: side topics → the partition that this owner reads of each.
    """

    def __init__(
        self, owner: Owner, topic: str, begins: int, make_hop: Callable[[], Hop], sides: dict[str, int], io: Io,
        *, may_have_holes: bool = False,
    ) -> None:  # fmt: skip
        batch_events = io.settings.cluster.batch_events
        super().__init__(owner, topic, begins, batch_events, io.restart, may_have_holes=may_have_holes)
        self._make_hop, self._sides, self.io = make_hop, sides, io
        self._epoch = 0
        self.hop: Hop | None = None
        self.counts: Counter[str] = Counter()
        self.on_refused: Callable[[int, Sequence[str]], None] = lambda _events, _reasons: None

    async def take_over(self) -> None:
        """A new epoch, the offsets, the state; then everything that is committed and not known to be published."""
        self.hop = None
        lease = await asyncio.to_thread(self.io.store.acquire, self.owner)
        self._epoch, self.next = lease.epoch, dict(lease.offsets)
        hop = self._make_hop()
        hop.load(await asyncio.to_thread(self._stored, hop.prefixes))
        self.hop = hop
        await self._send_outbox(hop)

    def _stored(self, prefixes: Sequence[str]) -> dict[str, bytes]:
        return {key: value for prefix in prefixes for key, value in self.io.store.scan(self.owner, prefix)}

    async def turn(self, records: Sequence[Record]) -> None:
        """One micro-batch, of the main topic and of what the side topics have."""
        hop, batch = self.hop, {self.topic: records}
        if hop is None:
            raise RuntimeError(f"{self.owner}: not taken over")
        for topic, partition in self._sides.items():
            batch[topic] = self.io.side.since(topic, partition, self.next.get(topic, 0))[:SIDE_RECORDS]
        inputs = {topic: (self.next.get(topic, 0), found[-1].offset + 1) for topic, found in batch.items() if found}
        if not inputs:
            return
        keys = hop.prepare(batch)
        values = await self.io.calls.get(self.owner, keys)
        turn = hop.turn(keys, values)
        if turn.messages:
            await self.io.publish(turn.messages)
        await self.commit(inputs, turn.writes)
        await self._send_outbox(hop)
        self._count(turn)
        if any(len(found) == SIDE_RECORDS for topic, found in batch.items() if topic != self.topic):
            self.wake()  # more of a side topic waits

    async def commit(self, inputs: dict[str, tuple[int, int]], writes: Writes) -> None:
        """Commit, and move `next` on; Fenced where the store refuses."""
        verdict = await self.io.calls.commit(self.owner, self._epoch, inputs, writes)
        if verdict is not Verdict.OK:
            raise refused(self.owner, verdict, self._epoch, inputs)
        self.next |= {topic: next_ for topic, (_, next_) in inputs.items()}

    async def idle(self) -> None:
        """Look whether the store has kept what it acknowledged."""
        await self.audit(self.io.store, self.next)

    async def _send_outbox(self, hop: Hop) -> None:
        if waiting := hop.outbox():
            await self.io.publish(waiting)
            hop.published()

    def _count(self, turn: HopTurn) -> None:
        self.counts.update(turn.counts)
        self.counts["events"] += turn.events
        self.on_refused(turn.events, turn.refused)
