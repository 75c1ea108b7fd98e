"""Messages to Kafka from an event loop: idempotent, and acknowledged by every copy in sync (`acks=all`).

Rules
-----
- `publish` returns when everything is acknowledged. While no broker answers it waits, as long as its caller does:
  an idempotent message is sent again until it is stored, once.
- A failed delivery leaves a hole in its producer's sequence, and all later ones to that partition would fail. So
  the producer is replaced after any: what it still has on its way gets `RETIRE_S`. The failed message may have
  been stored or not, and may still arrive; whoever repeats it needs a consumer that knows duplicates.
- An `append` is one message set, so its offsets follow one another whoever else writes. One above `BATCH_BYTES`
  becomes several: each in one piece, in order, with others' perhaps in between.
- Messages of a call keep their order; calls side by side have none. What must come later waits for the earlier.
- Bounded: per partition a batch waits and another is on its way; who brings more is held up.
- Topics are named without the namespace, and must stand: `rtrec topics create` makes them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from rtrec.adapters.kafka_faults import GRANT, KafkaAway, KafkaRefused, probe, wording
from rtrec.adapters.kafka_records import headers_of
from rtrec.adapters.kafka_settings import for_aiokafka
from rtrec.adapters.kafka_topics import MESSAGE_BYTES, name, table
from rtrec.ports import NewRecord
from rtrec.settings import Settings

START_S: Final = 30.0
RETIRE_S: Final = 5.0
ABANDON_S: Final = 0.5
LOOKS: Final = 6
"""Times that metadata is asked for a topic before it counts as missing: a new one takes a moment to be known."""
LOOK_S: Final = 0.1
BATCH_BYTES: Final = 960 * 1024
"""A message set at most, unless one record is larger: below the 1 MiB that small topics take."""
LARGEST_BYTES: Final = MESSAGE_BYTES - 64 * 1024
"""A record at most: what a topic of chunks takes, less what surrounds it."""
_ENDED: Final = frozenset({"KafkaError", "ProducerClosed", "ProducerFenced", "OutOfOrderSequenceNumber"})
"""What sending raises when the producer's sender has ended; other errors there concern one message."""


class Message(NamedTuple):
    """One message to publish. Without a partition Kafka's own partitioner chooses: by key, or at random."""

    topic: str
    partition: int | None
    value: bytes
    headers: bytes | None = None
    key: bytes | None = None


class Publisher:
    """Publishes from the event loop that it is used in."""

    def __init__(self, settings: Settings, compression: str | None = "snappy") -> None:
        """Describe it; nothing is connected yet.

        Parameters
        ----------
        compression: snappy, zstd, lz4, gzip or None. Measured on 1 MiB of JSON events: snappy 1.7 ms to 25 %,
            zstd 5 ms to 14 %, gzip 67 ms; lz4 28 ms to 23 %, because aiokafka asks for its level 9.
        """
        self._settings = settings
        self._connection = for_aiokafka(settings.kafka)
        self._where = ",".join(self._connection["bootstrap_servers"])
        self._compression = compression
        self._compacted = {row.name for row in table(settings) if row.compacted}
        self._producer: Any = None
        self._starting = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect; KafkaAway or KafkaRefused say why that cannot be. Any call connects if need be."""
        await self._ready()

    async def publish(self, messages: Sequence[Message]) -> list[int]:
        """Send messages and wait until all are acknowledged; their offsets (-1: stored, but no longer known where).

        Raises KafkaAway or KafkaRefused for the first that fails (others may have been stored), LookupError for a
        topic or partition that is not there, ValueError where a key is missing (then nothing was sent).
        """
        producer = await self._ready()
        full = {message.topic: name(self._settings, message.topic) for message in messages}
        known = {topic: await self._partitions(producer, full[topic]) for topic in full}
        for message in messages:
            _require(known[message.topic], full[message.topic], message.partition)
            self._require_key(message.topic, message.key)

        async def sent() -> AsyncIterator[asyncio.Future[Any]]:
            for topic, partition, value, headers, key in messages:
                yield await producer.send(full[topic], value, key=key, partition=partition, headers=headers_of(headers))

        return [answer.offset for answer in await self._delivered(producer, sent())]

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        """Add records (one at least) to a partition in one piece, durably; the first one's offset."""
        producer, full = await self._ready(), name(self._settings, topic)
        _require(await self._partitions(producer, full), full, partition)
        for record in records:
            self._require_key(topic, record.key)
        if any(_size(record) > LARGEST_BYTES for record in records):
            raise KafkaRefused(f"{full}:{partition}: a record is larger than {LARGEST_BYTES:,} bytes")

        async def sent() -> AsyncIterator[asyncio.Future[Any]]:
            for batch in _message_sets(producer, records):
                yield await producer.send_batch(batch, full, partition=partition)

        first: int = (await self._delivered(producer, sent()))[0].offset
        if first < 0:
            raise KafkaAway(f"{full}:{partition}: stored before, but the broker no longer tells where")
        return first

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has; LookupError for an unknown one."""
        return len(await self._partitions(await self._ready(), name(self._settings, topic)))

    async def stop(self, timeout_s: float = RETIRE_S) -> None:
        """Wait a while for what is on its way, and let go; what is not acknowledged by then fails."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _retire(producer, timeout_s)
        if self._retiring:
            await asyncio.wait(self._retiring)

    def _require_key(self, topic: str, key: bytes | None) -> None:
        if key is None and topic in self._compacted:
            raise ValueError(f"{topic} is compacted: a record without a key cannot be kept there")

    async def _ready(self) -> Any:
        async with self._starting:
            if self._producer is None:
                self._producer = await self._started()
            return self._producer

    async def _started(self) -> Any:
        from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - 0.2 s, for those who connect

        producer = AIOKafkaProducer(
            **self._connection,
            acks="all",
            enable_idempotence=True,
            compression_type=self._compression,
            max_batch_size=BATCH_BYTES,
            max_request_size=LARGEST_BYTES,
        )
        try:
            await asyncio.wait_for(producer.start(), START_S)
        except BaseException as error:
            await producer.stop()
            if not isinstance(error, Exception):
                raise
            await probe(self._connection)  # names the cause, where it can
            with wording(self._where):
                raise
        return producer

    async def _partitions(self, producer: Any, full: str) -> set[int]:
        """The numbers of a topic's partitions."""
        for look in range(LOOKS):
            found: set[int] | None = producer.client.cluster.partitions_for_topic(full)
            if found:
                return found
            if full in producer.client.cluster.unauthorized_topics:
                raise KafkaRefused(f"{full}: {GRANT}")
            if look:
                await asyncio.sleep(LOOK_S)
            producer.client.add_topic(full)
            if not await producer.client.force_metadata_update():
                raise KafkaAway(f"{full}: no broker answers")
        raise LookupError(f"no topic {full}: `rtrec topics create` makes it")

    async def _delivered(self, producer: Any, sent: AsyncIterator[asyncio.Future[Any]]) -> list[Any]:
        """The answers to everything that is sent; see the module's rules about failures."""
        futures: list[asyncio.Future[Any]] = []
        try:
            async for future in sent:
                futures.append(future)  # noqa: PERF401 - what was sent before a fault must be known
        except Exception as error:
            asyncio.gather(*futures, return_exceptions=True)  # nobody else will ask how those ended
            if type(error).__name__ in _ENDED:
                self._replace(producer)
            with wording(self._where):
                raise
        try:
            return await asyncio.gather(*futures)
        except Exception:
            self._replace(producer)
            with wording(self._where):
                raise

    def _replace(self, producer: Any) -> None:
        """Let the next call have a new producer, and the old one end by itself."""
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(_retire(producer, RETIRE_S))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)


async def _retire(producer: Any, timeout_s: float) -> None:
    """Flush and close a producer. aiokafka's `stop` waits for ever while no broker answers, so it is cut short."""
    with suppress(Exception):
        await asyncio.wait_for(producer.stop(), max(timeout_s, ABANDON_S))  # with 0 it would not even begin
        return
    producer._message_accumulator.fail_all(  # noqa: SLF001 - there is no public way to give up
        KafkaAway("not acknowledged before the producer was closed; it may have been stored")
    )
    for closing in (producer._sender.close, producer.client.close):  # noqa: SLF001
        with suppress(Exception):
            await asyncio.wait_for(closing(), ABANDON_S)


def _require(known: set[int], full: str, partition: int | None) -> None:
    if partition is not None and partition not in known:
        raise LookupError(f"no partition {full}:{partition}")


def _message_sets(producer: Any, records: Sequence[NewRecord]) -> Iterator[Any]:
    """The records as aiokafka's closed batches, as few as `BATCH_BYTES` allow."""
    batch = producer.create_batch()
    for value, key, headers in records:
        record = {"timestamp": None, "key": key, "value": value, "headers": headers_of(headers)}
        if batch.append(**record) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(**record)
    batch.close()  # a message sent by itself must not join it
    yield batch


def _size(record: NewRecord) -> int:
    return len(record.value) + len(record.key or b"") + len(record.headers or b"")
