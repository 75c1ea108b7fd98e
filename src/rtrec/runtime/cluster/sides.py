"""Topics beside a stage's main one, read by partition without a group: `control` whole, `scored` and `ticks` by owner.

Rules
-----
- `control` has one partition, is compacted and small: it is kept whole, so that each owner takes what is above its
  own offset, and never waits behind events.
- A partition of another topic is kept from its owner's offset on, and forgotten as the owner commits (`since` with a
  higher offset). One of which `FULL` records wait is paused.
- An owner that asks for what was forgotten (its store lost the commit) has it read again; until then nothing is at
  hand, never what comes after a gap.
- Whoever reads on after a broken connection reads on from where it was.
"""

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from rtrec.adapters.kafka_faults import worded
from rtrec.adapters.kafka_records import record_of
from rtrec.adapters.kafka_settings import for_aiokafka
from rtrec.adapters.kafka_topics import CONTROL, name
from rtrec.settings import Settings
from rtrec.stages.messages import Record

FULL: Final = 20_000
WAIT_MS: Final = 200
PACE_S: Final = 0.1
"""Between two reads: what comes beside the main topic may be so old, and each owner needs a turn for it."""
AGAIN_S: Final = 1.0
STOP_S: Final = 2.0
_log = logging.getLogger("rtrec.sides")

Place = tuple[str, int]


class Sides:
    """One process's side topics. wake: (topic, partition) → something has come."""

    def __init__(self, settings: Settings, wake: Callable[[str, int], None]) -> None:
        self._settings, self._wake = settings, wake
        self._buffers: dict[Place, list[Record]] = {}
        self._starts: dict[Place, int] = {}
        self._positions: dict[Place, int] = {}
        self._assigned: set[Place] = set()
        self._to_seek: set[Place] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._run(), name="rtrec-sides")

    async def stop(self) -> None:
        """Stop reading. A cancellation alone would not do: aiokafka may swallow it."""
        self._stopping = True
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=STOP_S)
            for task in late:
                task.cancel()

    def follow(self, topic: str, partition: int, offset: int) -> None:
        """Read a partition from an offset on; one that is read already goes on."""
        if (topic, partition) not in self._buffers:
            self._begin((topic, partition), offset)

    def leave(self, topic: str, partition: int) -> None:
        """Read a partition no more; `control` stays."""
        if topic != CONTROL:
            for kept in (self._buffers, self._starts, self._positions):
                kept.pop((topic, partition), None)

    def since(self, topic: str, partition: int, offset: int) -> list[Record]:
        """What is at hand from an offset on."""
        place, buffer = (topic, partition), self._buffers.get((topic, partition), [])
        if offset < self._starts.get(place, 0):
            self._begin(place, offset)
            return []
        found = bisect_left(buffer, offset, key=attrgetter("offset"))
        if topic == CONTROL:
            return buffer[found:]
        if place in self._starts:
            self._starts[place] = offset
        del buffer[:found]
        return buffer[:]

    def _begin(self, place: Place, offset: int) -> None:
        self._buffers[place], self._starts[place], self._positions[place] = [], offset, offset
        self._to_seek.add(place)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self._read()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - a side topic is read on when it can be
                _log.warning("side topics: %s; again in %.0f s", worded(error, "kafka"), AGAIN_S)
                await asyncio.sleep(AGAIN_S)

    async def _read(self) -> None:
        from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - for those who connect

        consumer = AIOKafkaConsumer(
            **for_aiokafka(self._settings.kafka), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest",
            isolation_level="read_committed", fetch_max_wait_ms=WAIT_MS, max_poll_records=FULL,
        )  # fmt: skip
        await consumer.start()
        self._assigned = set()
        try:
            while not self._stopping:
                if self._assigned != set(self._buffers) or self._to_seek:
                    self._assign(consumer)
                if not self._buffers:
                    await asyncio.sleep(WAIT_MS / 1_000)
                    continue
                for place, found in (await consumer.getmany(timeout_ms=WAIT_MS)).items():
                    topic = place.topic.removeprefix(self._settings.cluster.namespace)
                    self._take((topic, place.partition), [record_of(one) for one in found])
                self._balance(consumer)
                await asyncio.sleep(PACE_S)
        finally:
            await consumer.stop()

    def _assign(self, consumer: Any) -> None:
        """Read what is followed now. A new assignment forgets where the old one stood."""
        self._assigned, self._to_seek = set(self._buffers), set()
        consumer.assign([self._named(place) for place in self._assigned])
        for place in self._assigned:
            consumer.seek(self._named(place), self._positions[place])

    def _named(self, place: Place) -> Any:
        from aiokafka import TopicPartition  # noqa: PLC0415 - for those who connect

        return TopicPartition(name(self._settings, place[0]), place[1])

    def _take(self, place: Place, records: list[Record]) -> None:
        buffer = self._buffers.get(place)
        if buffer is None or place in self._to_seek:
            return
        buffer += [record for record in records if record.offset >= self._positions[place]]
        self._positions[place] = max(self._positions[place], records[-1].offset + 1)
        self._wake(*place)

    def _balance(self, consumer: Any) -> None:
        """Pause what is full, and go on with what is not."""
        for place in self._assigned & set(self._buffers):
            full = place[0] != CONTROL and len(self._buffers[place]) >= FULL
            if full != (self._named(place) in consumer.paused()):
                (consumer.pause if full else consumer.resume)(self._named(place))
