"""Events in Kafka: sent at once, or held back until all consumers are ready."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

SENT_S: Final = 120.0
READ_S: Final = 10.0
TRANSACTION_MS: Final = 600_000


class Sent(NamedTuple):
    """A message to be sent. partition: -1 lets the client choose by key."""

    value: bytes
    key: bytes | None = None
    partition: int = -1


class _Named(msgspec.Struct):
    anchor_id: str | None = None
    user_id: str | None = None


_named: Final = msgspec.json.Decoder(_Named).decode


def keyed(lines: Iterable[bytes]) -> list[Sent]:
    """Events with the keys that a platform's producers would give them."""
    found = []
    for line in lines:
        named = _named(line)
        found.append(Sent(line, (named.anchor_id or named.user_id or "").encode()))
    return found


class Held:
    """Messages that stand in a topic, and that nobody is shown before `release`: an open transaction.

    So consumers wait, ready and idle, and all of it is theirs at one moment, which the clock can be started by.
    """

    def __init__(self, bootstrap: str, topic: str, messages: Sequence[Sent]) -> None:
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 20, "message.max.bytes": 15 << 20,
             "transactional.id": f"{topic}-held", "transaction.timeout.ms": TRANSACTION_MS,
             "queue.buffering.max.messages": 1_000_000}
        )  # fmt: skip
        self._producer.init_transactions(SENT_S)
        self._producer.begin_transaction()
        send_all(self._producer, topic, messages)
        self.ends = ends(bootstrap, topic)

    def release(self) -> None:
        """Let everybody see it."""
        self._producer.commit_transaction(SENT_S)


def send(bootstrap: str, topic: str, messages: Sequence[Sent]) -> dict[int, int]:
    """Send at once; where each partition ends then."""
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 5, "acks": "all",
                         "message.max.bytes": 15 << 20})  # fmt: skip
    send_all(producer, topic, messages)
    return ends(bootstrap, topic)


def send_all(producer: Producer, topic: str, messages: Sequence[Sent]) -> None:
    """Send, and wait until all is acknowledged."""
    for value, key, partition in messages:
        while True:
            try:
                producer.produce(topic, value, key, partition)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    if left := producer.flush(SENT_S):
        raise RuntimeError(f"{left} messages were not acknowledged")


def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """The offset after the last record of each partition, seen by everybody or not."""
    consumer = _consumer(bootstrap)
    try:
        numbers = consumer.list_topics(topic, timeout=READ_S).topics[topic].partitions
        return {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=READ_S)[1] for n in sorted(numbers)}
    finally:
        consumer.close()


def copied(bootstrap: str, topic: str) -> list[Sent]:
    """What a topic holds, partition by partition."""
    until = ends(bootstrap, topic)
    consumer = _consumer(bootstrap)
    found: dict[int, list[Sent]] = {number: [] for number in until}
    open_ = {number for number, end in until.items() if end}
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in open_])
        while open_:
            for message in consumer.consume(1_000, timeout=READ_S):
                number = message.partition()
                found[number].append(Sent(message.value(), message.key(), number))
                if message.offset() + 1 >= until[number]:
                    open_.discard(number)
    finally:
        consumer.close()
    return [one for number in sorted(found) for one in found[number]]


def _consumer(bootstrap: str) -> Consumer:
    return Consumer({"bootstrap.servers": bootstrap, "group.id": "rtrec-bench-look", "enable.auto.commit": False,
                     "isolation.level": "read_uncommitted", "fetch.message.max.bytes": 16 << 20})  # fmt: skip
