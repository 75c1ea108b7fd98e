"""Three producers at once: librdkafka (keys by CRC32), kafka-python (murmur2), and one that sends whole batches again.

Each has a codec of its own and its share of the lines. Production goes on while brokers are away.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

from confluent_kafka import Message
from confluent_kafka import Producer as Rdkafka
from kafka import KafkaProducer

from tests.cluster.stream import Line

BATCH = 50
FLUSH_S = 120


class Producer(Protocol):
    """Whoever appends lines to the source topic."""

    def send(self, lines: Sequence[Line]) -> None:
        """Send lines and wait until all are acknowledged."""

    def close(self) -> None:
        """Let go."""


class Librdkafka:
    """confluent-kafka; with `times` above 1 a batch that was acknowledged whole is sent again."""

    def __init__(self, bootstrap: str, topic: str, codec: str, times: int = 1) -> None:
        self._topic, self._times = topic, times
        self._producer = Rdkafka({
            "bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 2,
            # After a restart of the only broker it may have learned that a partition has no leader, and asks again only
            # in its turn: 5 minutes by default.
            "topic.metadata.refresh.interval.ms": 2_000,
        })  # fmt: skip
        self._failed: list[str] = []

    def send(self, lines: Sequence[Line]) -> None:
        """Batch by batch."""
        for first in range(0, len(lines), BATCH):
            for _ in range(self._times):
                for line in lines[first : first + BATCH]:
                    self._producer.produce(self._topic, line.value, key=line.key, on_delivery=self._delivered)
                left = self._producer.flush(FLUSH_S)
                if left or self._failed:
                    raise RuntimeError(f"librdkafka: {left} lines are left, failed: {self._failed[:3]}")

    def close(self) -> None:
        """Let go."""
        self._producer.close()

    def _delivered(self, error: object, _message: Message) -> None:
        if error is not None:
            self._failed.append(str(error))


class KafkaPython:
    """kafka-python."""

    def __init__(self, bootstrap: str, topic: str, codec: str) -> None:
        self._topic = topic
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, acks="all", linger_ms=2)

    def send(self, lines: Sequence[Line]) -> None:
        """Batch by batch."""
        for first in range(0, len(lines), BATCH):
            sent = [self._producer.send(self._topic, one.value, key=one.key) for one in lines[first : first + BATCH]]
            self._producer.flush(FLUSH_S)
            for future in sent:
                future.get(FLUSH_S)

    def close(self) -> None:
        """Let go."""
        self._producer.close()


class Producers:
    """The three, each in a thread of its own while lines are sent."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producers: list[Producer] = [
            Librdkafka(bootstrap, topic, "lz4"),
            KafkaPython(bootstrap, topic, "gzip"),
            Librdkafka(bootstrap, topic, "zstd", times=2),
        ]

    def begin(self, lines: Sequence[Line]) -> "Feeding":
        """Send lines, each producer every third of them, and go on meanwhile."""
        shares = [lines[n :: len(self._producers)] for n in range(len(self._producers))]
        return Feeding(list(zip(self._producers, shares, strict=True)))

    def close(self) -> None:
        """Let go."""
        for producer in self._producers:
            producer.close()


class Feeding:
    """Lines under way."""

    def __init__(self, shares: Sequence[tuple[Producer, Sequence[Line]]]) -> None:
        self._faults: list[Exception] = []
        self._threads = [threading.Thread(target=self._send, args=share, daemon=True) for share in shares]
        for thread in self._threads:
            thread.start()

    def _send(self, producer: Producer, lines: Sequence[Line]) -> None:
        try:
            producer.send(lines)
        except Exception as fault:  # noqa: BLE001 - raised where it is waited for
            self._faults.append(fault)

    def end(self) -> None:
        """Wait until all is acknowledged."""
        for thread in self._threads:
            thread.join()
        if self._faults:
            raise self._faults[0]
