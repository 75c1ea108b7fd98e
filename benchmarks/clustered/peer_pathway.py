"""Pathway: a table of the topic, grouped by anchor and minute, its changes written to Redis a batch at a time."""

import os

import pathway as pw
import redis
from peer_clock import Clock

MINUTE_MS = 60_000
client = redis.Redis.from_url(os.environ["PEER_REDIS"])
prefix = os.environ["PEER_PREFIX"] + "pathway"
clock = Clock()


class Event(pw.Schema):
    """What a sum needs."""

    ts_ms: int
    anchor_id: str | None
    value: int | None


class Written(pw.io.python.ConnectorObserver):
    """Rows of a moment, in one pipeline."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, int]] = {}
        self._total = self._known = 0
        self._before: dict[str, int] = {}

    def on_change(self, key: object, row: dict[str, object], time: int, is_addition: bool) -> None:  # noqa: FBT001
        """A sum changed; what it was before comes too, and is not written."""
        del key, time
        if is_addition:
            name = f"{prefix}:{row['anchor_id']}:{row['minute']}"
            self._rows[name] = (int(str(row["events"])), int(str(row["total"] or 0)))

    def on_time_end(self, time: int) -> None:
        """Write, and count."""
        del time
        with client.pipeline(transaction=False) as pipeline:
            for key, (events, value) in self._rows.items():
                pipeline.hset(key, mapping={"events": events, "value": value})
            pipeline.execute()
        more = sum(events - self._before.get(key, 0) for key, (events, _) in self._rows.items())
        self._before |= {key: events for key, (events, _) in self._rows.items()}
        self._rows = {}
        clock.counted(more)


if __name__ == "__main__":
    settings = {"bootstrap.servers": os.environ["PEER_KAFKA"], "group.id": prefix, "auto.offset.reset": "earliest"}
    events = pw.io.kafka.read(
        settings, os.environ["PEER_TOPIC"], schema=Event, format="json", autocommit_duration_ms=200
    )
    keyed = events.select(
        minute=pw.this.ts_ms // MINUTE_MS, anchor_id=pw.this.anchor_id, value=pw.coalesce(pw.this.value, 0)
    )
    sums = keyed.groupby(pw.this.anchor_id, pw.this.minute).reduce(
        pw.this.anchor_id, pw.this.minute, events=pw.reducers.count(), total=pw.reducers.sum(pw.this.value)
    )
    pw.io.python.write(sums, Written())
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
