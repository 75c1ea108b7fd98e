"""Reading partitions of Kafka from an offset on, without a group, by a few consumers that are used in turns.

Rules
-----
- What is read is committed (`read_committed`): records of open and aborted transactions are not there, and the
  end is where the oldest open one begins. Offsets have holes: compaction, aborted records, transactions' markers.
- A read ends at the end that stood when it began, so it returns what was appended whole, whole.
- Checksums are looked at where `crc32c` is installed: in pure Python that takes 0.25 s a MiB (measured), more than all
  else together. TCP and TLS guard the way here, and the stages' own client checks all that it reads.
- kafka-python's consumer is for one thread: a read borrows one, best the one that stands where it wants to read.
  At most `MOST` are open; a read that finds all lent waits.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING, Final

from rtrec.adapters.kafka_faults import KafkaAway, probe_now
from rtrec.adapters.kafka_records import record_of
from rtrec.adapters.kafka_settings import ANSWER_MS, for_aiokafka, for_kafka_python
from rtrec.ports import Bounds, OffsetTrimmed, Record
from rtrec.settings_cluster import Kafka

if TYPE_CHECKING:
    from kafka import TopicPartition

MOST: Final = 4
POLL_MS: Final = 500
FETCH_WAIT_MS: Final = 10
"""A fetch ahead at the end of a partition holds up the next read elsewhere for as long."""
FETCH_BYTES: Final = 4 << 20

Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Readers:
    """Consumers without a group. Any thread may call any method."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._idle: list[_Reader] = []
        self._closed = False
        self._lock = threading.Lock()
        self._lent = threading.BoundedSemaphore(MOST)

    def bounds(self, topic: str, partition: int) -> Bounds:
        """The readable offsets of a partition that stands; KafkaAway for one that does not."""
        with self._one() as reader:
            return reader.bounds(topic, partition)

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        """Up to `max_records` records from an offset on; OffsetTrimmed for one outside the log."""
        with self._one((topic, partition, offset)) as reader:
            return reader.read(topic, partition, offset, max_records)

    def close(self) -> None:
        """Close what is not lent, and what is lent when it comes back."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for reader in idle:
            reader.close()

    @contextmanager
    def _one(self, wanted: Place | None = None) -> "Iterator[_Reader]":
        """Lend a reader, best one that stands at a place; one that has failed is not used again."""
        with self._lent:
            reader = self._borrowed(wanted) or _Reader(self._kafka)
            try:
                yield reader
            except OffsetTrimmed:
                self._give_back(reader)
                raise
            except BaseException:
                reader.close()
                raise
            self._give_back(reader)

    def _borrowed(self, wanted: Place | None) -> "_Reader | None":
        with self._lock:
            best = next((reader for reader in self._idle if reader.stands == wanted), None)
            best = best or (self._idle[0] if self._idle else None)
            if best is not None:
                self._idle.remove(best)
            return best

    def _give_back(self, reader: "_Reader") -> None:
        with self._lock:
            self._idle.append(reader)
            closed = self._closed
        if closed:
            self.close()


class _Reader:
    """One consumer. `stands` is where it would read on without asking for it again."""

    def __init__(self, kafka: Kafka) -> None:
        from kafka import KafkaConsumer  # noqa: PLC0415 - 0.3 s, for those who connect

        probe_now(for_aiokafka(kafka))
        self.stands: Place | None = None
        self._consumer = KafkaConsumer(
            **for_kafka_python(kafka),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
            check_crcs=find_spec("crc32c") is not None,
            metrics_enabled=False,
        )

    def bounds(self, topic: str, partition: int) -> Bounds:
        place = _place(topic, partition)
        start = self._consumer.beginning_offsets([place])[place]
        return Bounds(start, self._consumer.end_offsets([place])[place])

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        from kafka.errors import LogTruncationError, OffsetOutOfRangeError  # noqa: PLC0415 - with the client

        place = _place(topic, partition)
        end = self._consumer.end_offsets([place])[place]
        if not 0 <= offset <= end:
            raise OffsetTrimmed(f"{topic}:{partition} ends at {end}, and has no offset {offset}")
        if self.stands != (topic, partition, offset):
            self._consumer.assign([place])
            self._consumer.seek(place, offset)
        try:
            return self._page(place, offset, end, max_records)
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            self.stands = None
            start, end = self.bounds(topic, partition)
            raise OffsetTrimmed(f"{topic}:{partition} holds offsets from {start} to {end}, not {offset}") from error

    def close(self) -> None:
        self._consumer.close(autocommit=False)

    def _page(self, place: "TopicPartition", offset: int, end: int, max_records: int) -> list[Record]:
        found: list[Record] = []
        reached, moved_s = offset, monotonic()
        while reached < end and len(found) < max_records:
            page = self._consumer.poll(POLL_MS, max_records=max_records - len(found)).get(place, [])
            found += [record_of(message) for message in page if message.offset < end]
            if (position := self._consumer.position(place)) != reached:
                reached, moved_s = position, monotonic()
            elif monotonic() - moved_s > ANSWER_MS / 1_000:
                raise KafkaAway(f"{place.topic}:{place.partition}: no answer from offset {reached} on")
        self.stands = (place.topic, place.partition, reached)
        return found


def _place(topic: str, partition: int) -> "TopicPartition":
    from kafka import TopicPartition  # noqa: PLC0415 - with the client

    return TopicPartition(topic, partition)
