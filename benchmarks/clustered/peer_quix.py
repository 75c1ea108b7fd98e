"""Quix Streams: an application, JSON decoded by it, a Redis pipeline an event."""

import os

import redis
from peer_clock import Clock
from quixstreams import Application

MINUTE_MS = 60_000
client = redis.Redis.from_url(os.environ["PEER_REDIS"])
prefix = os.environ["PEER_PREFIX"] + "quix"
clock = Clock()


def add(event: dict[str, object]) -> None:
    """An event at a time."""
    key = f"{prefix}:{event.get('anchor_id')}:{int(str(event['ts_ms'])) // MINUTE_MS}"
    with client.pipeline() as pipeline:
        pipeline.hincrby(key, "events", 1)
        pipeline.hincrby(key, "value", int(str(event.get("value") or 0)))
        pipeline.execute()
    clock.counted(1)


if __name__ == "__main__":
    app = Application(broker_address=os.environ["PEER_KAFKA"], consumer_group=prefix, auto_offset_reset="earliest")
    events = app.dataframe(app.topic(os.environ["PEER_TOPIC"], value_deserializer="json"))
    events.update(add)
    app.run()
