"""Bytewax with batches of 1,000: each is decoded, added up, and written with one Redis pipeline."""

import os
import sys
from collections import Counter
from typing import Any

import bytewax.operators as op
import msgspec
import redis
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main
from confluent_kafka import OFFSET_BEGINNING
from peer_clock import Clock

MINUTE_MS = 60_000


class Event(msgspec.Struct):
    """What a sum needs."""

    ts_ms: int
    anchor_id: str | None = None
    value: int | None = None


decode = msgspec.json.Decoder(Event).decode
clock = Clock()
prefix = os.environ["PEER_PREFIX"] + "bytewax"


def summed(messages: list[Any]) -> list[tuple[int, Counter[str], Counter[str]]]:
    """A batch's sums."""
    events, values = Counter[str](), Counter[str]()
    for message in messages:
        event = decode(message.value)
        key = f"{prefix}:{event.anchor_id}:{event.ts_ms // MINUTE_MS}"
        events[key] += 1
        values[key] += event.value or 0
    return [(len(messages), events, values)]


class Written(StatelessSinkPartition[Any]):
    """One pipeline for what comes at once."""

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(os.environ["PEER_REDIS"])

    def write_batch(self, items: list[Any]) -> None:
        """Write, and count."""
        with self._client.pipeline(transaction=False) as pipeline:
            for _, events, values in items:
                for key, count in events.items():
                    pipeline.hincrby(key, "events", count)
                    pipeline.hincrby(key, "value", values[key])
            pipeline.execute()
        clock.counted(sum(count for count, _, _ in items))


class Sink(DynamicSink[Any]):
    """In Redis."""

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> Written:
        """A worker's."""
        return Written()


flow = Dataflow("sums")
source = KafkaSource(
    [os.environ["PEER_KAFKA"]], [os.environ["PEER_TOPIC"]], starting_offset=OFFSET_BEGINNING, batch_size=1_000
)
op.output("out", op.flat_map_batch("sum", op.input("in", flow, source), summed), Sink())

if __name__ == "__main__":
    cli_main(flow)
    sys.exit("the topic ended before all was counted")
