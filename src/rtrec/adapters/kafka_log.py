"""The event log in Kafka, for code without an event loop: commands, the API's control messages, tests.

Rules
-----
- Topics are named without the namespace, and made as `kafka_topics` has them.
- `append` is one message set (up to 960 KiB; see `kafka_publisher`), idempotent and acknowledged by every copy in
  sync: its offsets follow one another, whoever else appends. Kafka's clock stamps it, not the caller's `append_ms`.
- What is read is committed, and ends where the oldest open transaction begins (`kafka_reader`).
- `trim` is Kafka's DeleteRecords: the start moves at once, segments below it go by themselves. `compact` does
  nothing: brokers compact by themselves what the table says is compacted, its newest records later.
- Nothing is connected before the first call. `KafkaAway` means that the same call may work later.
"""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtrec.adapters.kafka_faults import KafkaRefused, wording
from rtrec.adapters.kafka_producer import BackgroundProducer
from rtrec.adapters.kafka_reader import Readers
from rtrec.adapters.kafka_topics import admin_client, found_partitions, make, name, topic_named
from rtrec.ports import Bounds, NewRecord, Record
from rtrec.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


class KafkaLog:
    """`ports.EventLog` over a cluster. Any thread may call any method."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._readers = Readers(settings.kafka)
        self._lock = threading.Lock()
        self._admin_client: KafkaAdminClient | None = None
        self._producer: BackgroundProducer | None = None
        self._counts: dict[str, int] = {}

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic, kept as the table says; ValueError when it stands with other partitions."""
        if partitions < 1:
            raise ValueError(f"{topic}: a topic has at least 1 partition, not {partitions}")
        row = topic_named(self._settings, topic)._replace(partitions=partitions)
        with wording(name(self._settings, topic)):
            admin = self._admin()
            stands = found_partitions(admin, [name(self._settings, topic)])
            report = make(self._settings, admin, row) if not stands else None
        if report is not None and report.fault:
            raise KafkaRefused(f"{report.topic}: {report.fault}")
        if (found := self.partitions(topic)) != partitions:
            raise ValueError(f"{topic} has {found} partitions, not {partitions}")

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        full = name(self._settings, topic)
        with wording(name(self._settings, topic)):
            found = found_partitions(self._admin(), [full])
        if full not in found:
            raise LookupError(f"no topic {full}")
        self._counts[topic] = found[full]
        return found[full]

    def append(self, topic: str, partition: int, records: Sequence[NewRecord], append_ms: int) -> int:
        """Add records at the end, durably, and return the first one's offset; the broker's clock stamps them."""
        del append_ms
        if not records:
            return self.bounds(topic, partition).end
        self._require(topic, partition)
        with self._lock:
            self._producer = producer = self._producer or BackgroundProducer(self._settings)
        with wording(name(self._settings, topic)):
            return producer.append(topic, partition, records)

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        """Up to `max_records` records from `offset` on."""
        self._require(topic, partition)
        with wording(name(self._settings, topic)):
            return self._readers.read(name(self._settings, topic), partition, offset, max_records)

    def bounds(self, topic: str, partition: int) -> Bounds:
        """The readable offsets."""
        self._require(topic, partition)
        with wording(name(self._settings, topic)):
            return self._readers.bounds(name(self._settings, topic), partition)

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        """Move the start up to an offset. ValueError for a compacted topic: there the newest of a key stays."""
        if topic_named(self._settings, topic).compacted:
            raise ValueError(f"{topic} is compacted: it is not trimmed")
        start, end = self.bounds(topic, partition)
        before = min(before_offset, end)
        if before > start:
            from kafka import TopicPartition  # noqa: PLC0415 - with the client

            place = TopicPartition(name(self._settings, topic), partition)
            with wording(name(self._settings, topic)):
                self._admin().delete_records({place: before})

    def compact(self, topic: str, partition: int) -> None:
        """Leave it to the brokers; see the module's rules."""
        self._require(topic, partition)

    def close(self) -> None:
        """Wait a while for what is on its way, and let go."""
        self._readers.close()
        with self._lock:
            producer, self._producer = self._producer, None
            admin, self._admin_client = self._admin_client, None
        if producer is not None:
            producer.close()
        if admin is not None:
            admin.close()

    def _admin(self) -> "KafkaAdminClient":
        with self._lock:
            self._admin_client = admin = self._admin_client or admin_client(self._settings.kafka)
        return admin

    def _require(self, topic: str, partition: int) -> None:
        """LookupError unless a partition stands; topics that stood are not asked for again."""
        if not 0 <= partition < self._counts.get(topic, 0) and not 0 <= partition < self.partitions(topic):
            raise LookupError(f"no partition {name(self._settings, topic)}:{partition}")
