"""The host of one stage's process: a worker for each partition that is assigned to it, fed and watched.

Rules
-----
- At an assignment every worker is made anew, and reading begins at the offsets in the store; the broker's committed
  offsets are written for outside tools and never read.
- Before a revocation, and at the end, the turns at hand end and are committed; nothing after them begins.
- A stored offset outside the log is an alarm and ends the process, never a silent reset.
- Each process has one producer and one reader of side topics.
- It imports no Faust: whoever delivers may.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from rtrec.adapters import kafka_publisher
from rtrec.adapters.kafka_faults import KafkaAway, wording
from rtrec.adapters.kafka_publisher import Publisher
from rtrec.adapters.kafka_settings import for_aiokafka
from rtrec.adapters.kafka_topics import CONTROL, name
from rtrec.ports import FollowedStore, Owner
from rtrec.runtime.cluster.gathered import Gathered
from rtrec.runtime.cluster.heat_worker import HeatWorker
from rtrec.runtime.cluster.io import Io
from rtrec.runtime.cluster.patience import patiently_awaited
from rtrec.runtime.cluster.sides import Sides
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.runtime.cluster.table import STAGES, Where
from rtrec.runtime.cluster.worker import Worker
from rtrec.settings import Settings
from rtrec.stages.hops.hop import Message
from rtrec.stages.messages import Record

T = TypeVar("T")
Place = tuple[str, int]
"""Topic without namespace, partition."""
PUBLISH_S: Final = 10.0
_log = logging.getLogger("rtrec.host")


class OffsetOutside(RuntimeError):
    """A stored offset is not in the log: retention has removed it, or the topic was made anew."""


class StageHost:
    """See the module. restart: (reason) → the process begins anew."""

    def __init__(
        self, stage: str, settings: Settings, store: FollowedStore, now_ms: Callable[[], int],
        restart: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.stage, self.settings, self._store = stage, settings, store
        self._publisher = Publisher(settings)
        self.sides = Sides(settings, self._wake)
        self._io = Io(settings, store, Gathered(store), self._publish, self.sides, now_ms, restart)
        self.workers: dict[Place, Worker] = {}
        self._started = False

    async def _publish(self, messages: Sequence[Message]) -> list[int]:
        """Publish, or say after a while that it cannot be: what waits without a word looks like a stall.

        What was not acknowledged may still be stored; consumers know it when it is sent again.
        """
        try:
            async with asyncio.timeout(PUBLISH_S):
                return await self._publisher.publish([kafka_publisher.Message(*one) for one in messages])
        except TimeoutError:
            raise KafkaAway(f"{self.stage}: not acknowledged within {PUBLISH_S:.0f} s") from None

    async def assigned(self, places: Iterable[Place]) -> dict[Place, int]:
        """Make a worker for each partition; where reading it begins."""
        await self.release()
        if not self._started:
            self._started = True
            self.sides.start()
        wanted = sorted(places)
        begins: dict[Place, int] = {}
        stored = {place: await self._offsets(place) for place in wanted}  # before the log's ends, which go on growing
        for place, start, end in await self._patiently(lambda: self._bounds(wanted)):
            at = await self._begins(place, stored[place], start, end)
            worker = STAGES[self.stage].make(Where(*place, start, at), self._io)
            self.workers[place], begins[place] = worker, at
            worker.start()
        _log.info("%s: %s", self.stage, ", ".join(f"{topic}:{n} from {at}" for (topic, n), at in begins.items()))
        return begins

    async def deliver(self, place: Place, records: Sequence[Record], done: Callable[[], None]) -> None:
        """Hand a partition's next records to its worker; what belongs to nobody here is dropped."""
        worker = self.workers.get(place)
        if worker is not None and records:
            await worker.deliver(records, done)

    async def release(self) -> None:
        """Let the turns at hand end, and give every partition back."""
        workers, self.workers = self.workers, {}
        for _, partition in workers:
            for side, number in STAGES[self.stage].sides(partition).items():
                self.sides.leave(side, number)
        if workers:
            await asyncio.gather(*(one.release(self.settings.cluster.drain_ms / 1_000) for one in workers.values()))

    async def stop(self) -> None:
        """End in good order, within `cluster.drain_ms` and a little."""
        await self.release()
        await self.sides.stop()
        await self._publisher.stop(timeout_s=1.0)

    def change(self, settings: Settings) -> None:
        """Take settings that may change live."""
        self.settings, self._io = settings, self._io._replace(settings=settings)
        for worker in self.workers.values():
            if isinstance(worker, HeatWorker):
                worker.change(settings)

    async def _offsets(self, place: Place) -> Mapping[str, int]:
        owner = STAGES[self.stage].owner(*place)
        return await self._patiently(lambda: asyncio.to_thread(self._store.offsets, owner))

    async def _begins(self, place: Place, offsets: Mapping[str, int], start: int, end: int) -> int:
        """Where reading a partition begins, which must be in the log; its side topics are followed from there, too."""
        stage = STAGES[self.stage]
        for side, number in stage.sides(place[1]).items():
            self.sides.follow(side, number, 0 if side == CONTROL else offsets.get(side, 0))
        at: int = offsets.get(place[0], start)
        if self.stage == "learn" and place[0] in offsets:
            at = await self._patiently(lambda: asyncio.to_thread(self._snapshot_offset, offsets[place[0]], start))
        if not start <= at <= end:
            message = (
                f"ALARM: {stage.owner(*place)} stands at {at} of {name(self.settings, place[0])}:{place[1]}, whose log "
                f"holds {start} to {end}; see docs/operations.md, Recomputing state"
            )
            _log.critical("%s", message)
            raise OffsetOutside(message)
        return at

    def _snapshot_offset(self, committed: int, start: int) -> int:
        found = Snapshots(self.settings.registry, self.settings.cluster.namespace).newest(committed)
        return start if found is None else found.next_offset

    async def _bounds(self, places: Sequence[Place]) -> list[tuple[Place, int, int]]:
        """(place, first offset, end) of partitions of the log."""
        from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415 - for those who connect

        consumer = AIOKafkaConsumer(**for_aiokafka(self.settings.kafka), group_id=None)
        with wording(self.settings.kafka.bootstrap):
            try:
                await consumer.start()
                named: dict[Any, Place] = {
                    TopicPartition(name(self.settings, topic), number): (topic, number) for topic, number in places
                }
                starts, ends = await consumer.beginning_offsets(list(named)), await consumer.end_offsets(list(named))
                return [(place, starts[of], ends[of]) for of, place in named.items()]
            finally:
                await consumer.stop()

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read as soon as store, brokers and registry can be read."""
        return await patiently_awaited(read, self.stage)

    def _wake(self, topic: str, partition: int) -> None:
        for (_, number), worker in self.workers.items():
            if topic == CONTROL or number == partition:
                worker.wake()


def owners(settings: Settings, stage: str, partitions: Callable[[str], int]) -> list[tuple[Place, Owner]]:
    """Every (place, owner) of a stage. partitions: of a topic."""
    row = STAGES[stage]
    places = [(topic, number) for topic in row.topics(settings) for number in range(partitions(topic))]
    return [(place, row.owner(*place)) for place in places]
