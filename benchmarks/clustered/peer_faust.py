"""Stock Faust as its manual has it: an agent, JSON decoded by Faust, a Redis pipeline an event."""

import os
import sys
import tempfile
from typing import Any

import faust
import redis.asyncio
from peer_clock import Clock

MINUTE_MS = 60_000

app = faust.App(
    os.environ["PEER_PREFIX"] + "faust", broker=f"kafka://{os.environ['PEER_KAFKA']}", value_serializer="json",
    datadir=tempfile.mkdtemp(), topic_disable_leader=True,
)  # fmt: skip
events = app.topic(os.environ["PEER_TOPIC"])
client = redis.asyncio.Redis.from_url(os.environ["PEER_REDIS"])
clock = Clock()


@app.agent(events)
async def add(stream: Any) -> None:
    """An event at a time."""
    async for event in stream:
        key = f"{os.environ['PEER_PREFIX']}faust:{event.get('anchor_id')}:{event['ts_ms'] // MINUTE_MS}"
        async with client.pipeline() as pipeline:
            pipeline.hincrby(key, "events", 1)
            pipeline.hincrby(key, "value", event.get("value") or 0)
            await pipeline.execute()
        clock.counted(1)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--without-web", "--loglevel", "warn"]
    app.main()
