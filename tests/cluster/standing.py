"""Where the cluster stands: what is in the store, and where the topics end."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from msgspec import msgpack

from rtrec.adapters.redis_client import command, connect
from rtrec.adapters.redis_store import RedisStore
from rtrec.ports import Owner
from rtrec.settings import Settings

MAIN = {"ingest": "events", "heat": "anchor_events", "profile": "user_events", "label": "profiled", "learn": "examples",
        "archive": "examples"}  # fmt: skip
"""Stage → the topic that its workers share."""
OFFICE_S = 10.0


class Rec:
    """A record of a topic."""

    __slots__ = ("append_ms", "header", "key", "offset", "value")

    def __init__(self, offset: int, append_ms: int, key: bytes | None, value: bytes, header: bytes | None) -> None:
        self.offset, self.append_ms, self.key, self.value, self.header = offset, append_ms, key, value, header


class Standing:
    """Looks at brokers and store from outside. Everything raises OSError or KafkaException while they are away."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.namespace, self.partitions = settings.cluster.namespace, settings.cluster.partitions
        self.client = connect(settings.redis)
        self.store = RedisStore(self.client, self.namespace)
        self._consumer = self._reader("watching")

    def close(self) -> None:
        """Let go."""
        self._consumer.close()
        self.client.close()

    def _reader(self, group: str) -> Consumer:
        return Consumer({
            "bootstrap.servers": self.settings.kafka.bootstrap, "group.id": f"{self.namespace}{group}",
            "enable.auto.commit": False, "fetch.message.max.bytes": 16 << 20, "enable.partition.eof": True,
        })  # fmt: skip

    def numbers(self, topic: str) -> range:
        """The partitions of a topic."""
        return range(1 if topic in ("examples", "dead_letters", "weights") else self.partitions)

    def owner(self, stage: str, partition: int) -> Owner:
        """Whose state a stage's partition is."""
        return Owner("ingest.events" if stage == "ingest" else stage, partition)

    def ends(self, topic: str) -> list[int]:
        """Where each partition ends."""
        places = [TopicPartition(self.namespace + topic, number) for number in self.numbers(topic)]
        return [self._consumer.get_watermark_offsets(place, timeout=OFFICE_S)[1] for place in places]

    def offsets(self, stage: str) -> list[int]:
        """Where a stage stands in each partition, by the store."""
        topic = MAIN[stage]
        owners = [self.owner(stage, number) for number in self.numbers(topic)]
        return [self.store.offsets(owner).get(topic, 0) for owner in owners]

    def committed(self, stage: str) -> list[int]:
        """The same by the brokers; 0 where they know nothing."""
        topic = self.namespace + MAIN[stage]
        reader = self._reader(f"rtrec-{stage}")
        try:
            places = reader.committed([TopicPartition(topic, one) for one in self.numbers(MAIN[stage])], OFFICE_S)
            return [max(0, place.offset) for place in places]
        finally:
            reader.close()

    def epoch(self, stage: str, partition: int) -> int:
        """How often a partition was taken over."""
        key = f"{{{self.namespace}{self.owner(stage, partition)}}}:meta"
        return int(self.store._read(lambda: command(self.client, "HGET", key, "epoch")) or 0)

    def moved(self, stage: str, since: list[int]) -> bool:
        """Whether a stage came further in any partition; False also while nobody can tell."""
        with suppress(OSError, KafkaException):
            return sum(self.offsets(stage)) > sum(since)
        return False

    def at_end(self, stage: str) -> bool:
        """Whether a stage has nothing to do."""
        return self.offsets(stage) == self.ends(MAIN[stage])

    def behind(self) -> list[str]:
        """Stages that are not at the end of their topic, and outboxes that are not empty."""
        found = []
        for stage, topic in MAIN.items():
            at, ends = self.offsets(stage), self.ends(topic)
            if at != ends:
                found.append(f"{stage} at {at} of {ends}")
        if not found and (unsent := sum(self._written()) - self._published()):
            found.append(f"{unsent} messages of examples are not there")
        return found

    def _written(self) -> Iterator[int]:
        for number in range(self.partitions):
            (stored,) = self.store.get(Owner("label", number), ["outbox"])
            yield msgpack.decode(stored, type=int) if stored else 0

    def _published(self) -> int:
        """How many different messages of `examples` there are."""
        numbers = {record.header for record in self.read("examples")[0]}
        return len(numbers)

    def read(self, topic: str) -> list[list[Rec]]:
        """A whole topic, by partition."""
        reader, full = self._reader("reading"), self.namespace + topic
        found: list[list[Rec]] = [[] for _ in self.numbers(topic)]
        try:
            ends = self.ends(topic)
            left = {number for number, end in enumerate(ends) if end}
            reader.assign([TopicPartition(full, number, OFFSET_BEGINNING) for number in left])
            while left:
                message = reader.poll(OFFICE_S)
                if message is None:
                    raise OSError(f"{full}: nothing came for {OFFICE_S:.0f} s, {left} of {ends} were not read")
                number, error = int(message.partition() or 0), message.error()
                if error is None:
                    found[number].append(_record(message))
                if error is not None or found[number][-1].offset + 1 >= ends[number]:
                    left.discard(number)
        finally:
            reader.close()
        return found


def _record(message: Message) -> Rec:
    headers: dict[str, Any] = dict(message.headers() or ())
    return Rec(
        int(message.offset() or 0), message.timestamp()[1], message.key(), message.value() or b"", headers.get("h")
    )
