"""INGEST and HEAT as processes, from `events` in Kafka to what they have committed in Redis.

Rules
-----
- Workers are started, given all partitions, and warmed with events that do not count, until these are committed: every
  kernel is loaded then, and every connection open. The clock starts when the held events are released to them, and
  stops when the offset stored with HEAT's state (INGEST's, where it runs alone) covers every one of them.
- HEAT alone is given the very messages that INGEST made when it ran alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import redis

from benchmarks.clustered.bed import Bed, Scenario
from benchmarks.clustered.clocks import Clock
from benchmarks.clustered.load import Held, Sent, copied, ends, send
from benchmarks.clustered.processes import Stage, running, wait_for

DONE_S: Final = 300.0
PARTITIONS: Final = 8
"""So that two workers, too, have several each."""
Watch = Callable[[list[Stage]], Callable[[], object]]
"""What to do while a stretch is measured: given the stages at its start, it gives what to call at its end."""


class Offsets:
    """How far the owners of a stage's partitions have committed."""

    def __init__(self, scenario: Scenario, owner: str, topic: str) -> None:
        self._client = redis.Redis.from_url(scenario.bed.redis)
        self._keys = [
            f"{{{scenario.namespace}{owner}:{number}}}:meta" for number in range(scenario.settings.cluster.partitions)
        ]
        self._field = f"next:{topic}"

    def cover(self, until: dict[int, int]) -> bool:
        """Whether nothing before these offsets is left to do."""
        pipeline = self._client.pipeline(transaction=False)
        for key in self._keys:
            pipeline.hget(key, self._field)
        return all(int(at or 0) >= until[number] for number, at in enumerate(pipeline.execute()))


def ingest_alone(
    bed: Bed, warm: Sequence[Sent], events: Sequence[Sent], watch: Watch
) -> tuple[dict[str, Any], Scenario]:
    """Raw events to acknowledged chunks of `anchor_events` and committed offsets."""
    scenario = bed.scenario("ingest", PARTITIONS)
    offsets = Offsets(scenario, "ingest.events", "events")
    with running(scenario, "ingest") as stages:
        _warm(scenario, stages, "events", warm, offsets.cover)
        made = ends(bed.kafka, scenario.topic("anchor_events"))
        held = Held(bed.kafka, scenario.topic("events"), events)
        figures = _timed(bed, stages, held, lambda: offsets.cover(held.ends), len(events), watch)
    return figures | {"warm_ends": made}, scenario


def heat_alone(
    bed: Bed, source: Scenario, warm_ends: dict[int, int], events: int, watch: Watch, workers: int = 1
) -> dict[str, Any]:
    """Chunks of `anchor_events`, as another scenario's INGEST left them, to committed state and `user_events`."""
    scenario = bed.scenario(f"heat{workers}", PARTITIONS)
    messages = copied(bed.kafka, source.topic("anchor_events"))
    seen = dict.fromkeys(warm_ends, 0)
    warm, rest = list[Sent](), list[Sent]()
    for one in messages:
        (warm if seen[one.partition] < warm_ends[one.partition] else rest).append(one)
        seen[one.partition] += 1
    offsets = Offsets(scenario, "heat", "anchor_events")
    with running(scenario, *["heat"] * workers) as stages:
        _warm(scenario, stages, "anchor_events", warm, offsets.cover)
        held = Held(bed.kafka, scenario.topic("anchor_events"), rest)
        return _timed(bed, stages, held, lambda: offsets.cover(held.ends), events, watch)


def both(
    bed: Bed, name: str, warm: Sequence[Sent], events: Sequence[Sent], watch: Watch
) -> tuple[dict[str, Any], Scenario]:
    """Raw events to committed state and `user_events`, through one worker of each stage."""
    scenario = bed.scenario(name, PARTITIONS)
    ingest, heat = Offsets(scenario, "ingest.events", "events"), Offsets(scenario, "heat", "anchor_events")
    chunks = scenario.topic("anchor_events")
    with running(scenario, "ingest", "heat") as stages:
        _warm(
            scenario, stages, "events", warm, lambda until: ingest.cover(until) and heat.cover(ends(bed.kafka, chunks))
        )
        held = Held(bed.kafka, scenario.topic("events"), events)
        made: dict[int, int] = {}

        def done() -> bool:
            if not made and ingest.cover(held.ends):
                made.update(ends(bed.kafka, chunks))
            return bool(made) and heat.cover(made)

        return _timed(bed, stages, held, done, len(events), watch), scenario


def drained(scenario: Scenario, stage: str, topic: str) -> None:
    """Let a stage take all that its topic holds."""
    offsets, until = Offsets(scenario, stage, topic), ends(scenario.bed.kafka, scenario.topic(topic))
    with running(scenario, stage) as stages:
        wait_for(lambda: offsets.cover(until), stages, DONE_S)


def _warm(
    scenario: Scenario,
    stages: list[Stage],
    topic: str,
    messages: Sequence[Sent],
    covered: Callable[[dict[int, int]], bool],
) -> None:
    until = send(scenario.bed.kafka, scenario.topic(topic), messages)
    wait_for(lambda: covered(until), stages, DONE_S)


def _timed(
    bed: Bed, stages: list[Stage], held: Held, done: Callable[[], bool], events: int, watch: Watch
) -> dict[str, Any]:
    seen = watch(stages)
    clock = Clock({**_named(stages), **bed.pids})
    held.release()
    wait_for(done, stages, DONE_S)
    figures = clock.stop(events)
    found = seen()
    return figures | ({"profile": found} if found else {})


def _named(stages: list[Stage]) -> dict[str, int]:
    """Processes by stage; a second worker of a stage is `heat2`."""
    found: dict[str, int] = {}
    for one in stages:
        number = 1 + sum(name.rstrip("0123456789") == one.name for name in found)
        found[one.name if number == 1 else f"{one.name}{number}"] = one.pid
    return found
