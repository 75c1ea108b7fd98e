"""Faust's Kafka transport, made to deliver a partition's records many at a time, from the offsets in the store.

Rules
-----
- One message to Faust is a piece of what a fetch brought of a partition: many records, in columns, and never more than
  a turn may take, however much a poll brings. Stock Faust makes an object an event, and 8,600 events a second; this
  makes 240,000 (design, §11).
- Where to read is asked of the host at each assignment (`host.assigned`), never of the broker. Acknowledged pieces
  are committed to the broker for outside tools, up to the first that is not.
- A fetch is over before the position is set: one that came back afterwards would have moved it on, and what it brought
  is dropped while partitions are given out (Faust seeks a second time then; that would assign a second time).
- Before partitions are revoked the host ends its turns (`host.release`), then what they acknowledged is committed.
- Only committed records are read; a position outside the log is an error and no silent reset. That a partition has
  none is no error: it was assigned, brokers know no offset of it, and ours comes with the seek.
- This file and `app` import Faust, which reads `sys.argv` when it is imported: nothing else may.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any, Final

import aiokafka
import faust
from aiokafka.errors import KafkaConnectionError, NoOffsetForPartitionError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from rtrec.adapters.kafka_batches import read_whole
from rtrec.adapters.kafka_faults import KafkaAway
from rtrec.runtime.cluster.patience import patiently_awaited
from rtrec.runtime.cluster.table import STAGES
from rtrec.stages.records import Records

FETCH_S: Final = 0.5
"""How long a poll waits, and at most a seek for it."""
IDLE_WAIT_MS: Final = 200
"""How long a fetch waits while there is nothing; what comes then is brought at once."""
LINGER_BYTES: Final = 256 << 10
"""While events come a fetch waits for so many, or for the stage's `linger_ms`: turns are fewer and larger."""
APPEND_TIME: Final = 1
"""Kafka's number for times that the broker gave."""


class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The consumer, as its settings must be."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust sets it for its own transactions alone
        consumer._auto_offset_reset = "none"  # noqa: SLF001 - Faust knows no such value
        consumer._fetch_max_wait_ms = IDLE_WAIT_MS  # noqa: SLF001 - Faust has 1,500 fixed
        return consumer

    async def on_start(self) -> None:
        """Connect, as soon as there is a broker, and read batches whole from the first fetch on."""
        await patiently_awaited(self._connect, self.app.host.stage)
        read_whole(self._consumer._fetcher)  # noqa: SLF001 - made when it connects

    async def _connect(self) -> None:
        """KafkaAway where a broker that `app` has seen is away again: Faust would end the process."""
        try:
            await super().on_start()
        except KafkaConnectionError as error:
            await self._consumer.stop()
            raise KafkaAway(str(error)) from error

    def linger(self, *, idle: bool) -> None:
        """Say how the next fetch waits."""
        linger_ms = STAGES[self.app.host.stage].linger_ms
        fetcher = self._consumer._fetcher  # noqa: SLF001 - read at each request
        fetcher._fetch_max_wait_ms = IDLE_WAIT_MS if idle else linger_ms  # noqa: SLF001
        fetcher._fetch_min_bytes = 1 if idle else LINGER_BYTES  # noqa: SLF001


class _Consumer(driver.Consumer):  # type: ignore[misc]
    """Delivers lists of records; see the module's rules."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._delivered: defaultdict[TP, deque[ConsumerMessage]] = defaultdict(deque)
        self._fetching = asyncio.Lock()

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def verify_all_partitions_active(self) -> None:
        """Leave it to `Watchdog`: Faust's own look ends a process whose consumer needs 5 s to begin."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Begin where the store says."""
        host, plain = self.app.host, self.app.plain_name
        places = {(plain(tp.topic), tp.partition): tp for tp in self.assignment()}
        self._delivered.clear()
        begins = await host.assigned(places)
        offsets = {places[place]: at for place, at in begins.items()}
        if offsets:
            async with self._fetching:
                await self._thread.seek_wait(offsets)
        return offsets

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """End the turns, tell the broker, then let go."""
        await self.app.host.release()
        await self.commit()
        self._delivered.clear()
        await super().on_partitions_revoked(revoked)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):  # noqa: SLF001 - as Faust's own loop does
                records, active = await self._next_records()
                self._thread.linger(idle=not records)
                if not records or self.should_stop or not self.flow_active:
                    continue
                generation = self.app.consumer_generation_id
                for partition, found in records.items():
                    if not self.flow_active or self.app.consumer_generation_id != generation:
                        break
                    for records in found:
                        await self._hand_on(ensure_TP(partition), records, active, generation)
        except (*self.consumer_stopped_errors, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _next_records(self) -> tuple[Any, set[TP] | None]:
        """What was fetched. A partition that was assigned a moment ago has no position until we seek."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        try:
            async with self._fetching:
                # Without the flow `_wait_next_records` would wait for it, and a seek for both.
                return await self._wait_next_records(FETCH_S) if self.flow_active else (None, None)
        except NoOffsetForPartitionError:
            return None, None
        finally:
            await asyncio.sleep(0)

    async def _hand_on(self, tp: TP, records: Records, active: set[TP] | None, generation: int) -> None:
        """A piece as one message, without records that were read before a seek: as large as it is, and no larger."""
        begins = self._read_offset.get(tp)
        next_, append_ms = records.next_offset, int(records.places["append_ms"][-1])
        records = records if begins is None else records.since(begins)
        if not records or (active is not None and tp not in active and tp not in self._buffered_partitions):
            return
        message = ConsumerMessage(
            tp.topic, tp.partition, next_ - 1, append_ms / 1_000, APPEND_TIME, (), None, records, None, 0, 0, tp,
            generation_id=generation,
        )  # fmt: skip
        self._delivered[tp].append(message)
        await self.callback(message)  # who waits for room is let go by a release: workers drop what comes after it
        self._read_offset[tp] = next_

    def _new_offset(self, tp: TP) -> int | None:
        """What may be committed to the broker: up to the first piece that is not acknowledged."""
        waiting, reached = self._delivered[tp], None
        while waiting and waiting[0].acked:
            reached = waiting.popleft().offset + 1
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return reached


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """The transport of every stage."""

    Consumer = _Consumer


class Batches(faust.Schema):  # type: ignore[misc]
    """Records as they came: Faust decodes nothing."""

    def loads_value(self, _app: Any, message: Any, **_: Any) -> Any:
        """The records."""
        return message.value

    def loads_key(self, _app: Any, _message: Any, **_: Any) -> Any:
        """There is none."""
        return None
