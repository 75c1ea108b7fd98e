"""How far a journey is behind, in seconds: for how long its oldest event without committed state has been in Kafka.

Ends of the log are noted as they are seen, so an offset has a time. What is behind is the sum of INGEST's lag in
`events` and HEAT's in `anchor_events`, each the worst partition's: never less than the journey's own.
"""

import time
from collections import deque
from typing import Final

import redis
from kafka import KafkaConsumer, TopicPartition

from benchmarks.clustered.bed import Scenario
from rtrec.adapters.kafka_settings import for_kafka_python

KEPT: Final = 4_000
Seen = deque[tuple[float, int]]


class Hop:
    """One stage's lag. owner: of its partitions."""

    def __init__(self, scenario: Scenario, owner: str, topic: str) -> None:
        self._numbers = range(scenario.settings.cluster.partitions)
        self._places = [TopicPartition(scenario.topic(topic), number) for number in self._numbers]
        self._keys = [f"{{{scenario.namespace}{owner}:{number}}}:meta" for number in self._numbers]
        self._field = f"next:{topic}"
        self._seen: list[Seen] = [deque(maxlen=KEPT) for _ in self._numbers]

    def look(self, consumer: KafkaConsumer, store: redis.Redis) -> float:
        """Seconds behind now."""
        now_s = time.monotonic()
        ends = consumer.end_offsets(self._places)
        pipeline = store.pipeline(transaction=False)
        for key in self._keys:
            pipeline.hget(key, self._field)
        committed = [int(at or 0) for at in pipeline.execute()]
        return max(
            self._behind(self._seen[number], now_s, ends[self._places[number]], committed[number])
            for number in self._numbers
        )

    @staticmethod
    def _behind(seen: Seen, now_s: float, end: int, committed: int) -> float:
        """Since when the log has had more than is committed."""
        if not seen or seen[-1][1] != end:
            seen.append((now_s, end))
        while len(seen) > 1 and seen[1][1] <= committed:
            seen.popleft()
        since_s = next((at for at, known in seen if known > committed), now_s)
        return now_s - since_s


class Lag:
    """The journey's, looked at now and then."""

    def __init__(self, scenario: Scenario) -> None:
        self._store = redis.Redis.from_url(scenario.bed.redis)
        self._consumer = KafkaConsumer(**for_kafka_python(scenario.settings.kafka))
        self._hops = [Hop(scenario, "ingest.events", "events"), Hop(scenario, "heat", "anchor_events")]
        self.seconds: list[float] = []

    def look(self) -> float:
        """Note the sum, and give it."""
        self.seconds.append(sum(hop.look(self._consumer, self._store) for hop in self._hops))
        return self.seconds[-1]

    def close(self) -> None:
        """Hang up."""
        self._consumer.close()
        self._store.close()
