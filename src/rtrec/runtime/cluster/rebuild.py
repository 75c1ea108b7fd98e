"""Recomputing a stage's state from its own stored input, with the stage stopped.

Rules
-----
- Each stage reads its own topic, from where the log begins up to the offset that its store had, and publishes
  nothing: no hop is recomputed, and what others made of its output stands.
- `control` is known from the start, so an erased user stays erased; what came after an erasure is dropped as ever.
- A new epoch is taken first: a worker that is still there is fenced off. The group must have no members, and the
  log must reach back to its beginning or what is gone from it is gone from the state: that is said, not hidden.
- LEARN is rebuilt as a snapshot under a new epoch, from `examples` alone.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Final

from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_topics import name
from rtrec.adapters.redis_faults import StoreTorn
from rtrec.ports import EventLog, FollowedStore, Lease, Owner, Verdict
from rtrec.runtime.cluster.learn_worker import OWNER as LEARN
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.runtime.pages import pages, read_all
from rtrec.settings import Settings
from rtrec.stages.effects import Writes
from rtrec.stages.hops.heat import USER_EVENTS, HeatHop
from rtrec.stages.hops.hop import Batch, Hop
from rtrec.stages.hops.ingest import ANCHOR_EVENTS
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.hops.learn import LearnHop
from rtrec.stages.hops.profile import CONTROL, ProfileHop

MESSAGES: Final = 50
STAGES: Final = ("heat", "profile", "learn")
_log = logging.getLogger("rtrec.rebuild")

Told = Callable[[str, int], None]
"""(owner, messages taken) as it goes."""


class StillWorking(RuntimeError):
    """The stage's group has members: it must be stopped first."""


class LogIncomplete(RuntimeError):
    """The log no longer begins where the stage's state began."""


def rebuild(
    settings: Settings, store: FollowedStore, log: KafkaLog, stage: str, *, partial: bool, told: Told
) -> dict[str, int]:
    """Recompute every owner of a stage; messages taken by owner.

    partial: go on though the log has lost its beginning. Raises StillWorking, LogIncomplete.
    """
    _require_stopped(settings, stage)
    if stage == "learn":
        return {str(LEARN): _learn(settings, store, log, partial=partial, told=told)}
    make: Callable[[Settings, int], Hop] = HeatHop if stage == "heat" else ProfileHop
    topic = ANCHOR_EVENTS if stage == "heat" else USER_EVENTS
    taken = {}
    for partition in range(settings.cluster.partitions):
        owner = Owner(stage, partition)
        _require_whole(log, topic, partition, partial=partial)
        taken[str(owner)] = _owner(make(settings, partition), owner, topic, store, log, told)
    return taken


def _owner(hop: Hop, owner: Owner, topic: str, store: FollowedStore, log: EventLog, told: Told) -> int:
    """One owner, from an empty state to the offsets that it had."""
    had = dict(store.offsets(owner))
    store.clear(owner)
    epoch = store.acquire(owner).epoch
    hop.load({})
    first: dict[str, int] = {}
    taken = 0
    for batch, inputs in _batches(topic, owner.partition, had, log):
        keys = hop.prepare(batch)
        turn = hop.turn(keys, store.get(owner, keys))
        spans = {of: (first.get(of, 0), next_) for of, next_ in inputs.items()}
        verdict = store.commit(owner, epoch, spans, turn.writes)
        if verdict is not Verdict.OK:
            raise StillWorking(f"{owner}: the store answered {verdict.value}: somebody else works on it")
        first |= inputs
        taken += len(batch.get(topic, ()))
        told(str(owner), taken)
    return taken


def _batches(topic: str, partition: int, had: dict[str, int], log: EventLog) -> Iterator[tuple[Batch, dict[str, int]]]:
    """Micro-batches with the offsets they reach: control first, whole, then the stage's own topic."""
    if CONTROL in had:
        records = list(read_all(log, CONTROL, 0, 0, had[CONTROL]))
        yield {CONTROL: records}, {CONTROL: had[CONTROL]}
    for page in pages(read_all(log, topic, partition, 0, had.get(topic, 0)), MESSAGES):
        yield {topic: page}, {topic: page[-1].offset + 1}


def _learn(settings: Settings, store: FollowedStore, log: EventLog, *, partial: bool, told: Told) -> int:
    _require_whole(log, EXAMPLES, 0, partial=partial)
    end = log.bounds(EXAMPLES, 0).end
    lease = _taken_over(store)
    hop, taken = LearnHop(settings, adopt=partial), 0
    for page in pages(read_all(log, EXAMPLES, 0, 0, end), MESSAGES):
        taken += hop.take(page).events
        told(str(LEARN), taken)
    hop.next_offset = end
    snapshots = Snapshots(settings.registry, settings.cluster.namespace)
    written = snapshots.put(hop.snapshot(lease.epoch, 0))
    inputs = {EXAMPLES: (lease.offsets.get(EXAMPLES, 0), end)}
    verdict = store.commit(LEARN, lease.epoch, inputs, Writes(puts={"snapshot": written.encode()}))
    if verdict not in (Verdict.OK, Verdict.DUPLICATE):
        raise StillWorking(f"{LEARN}: the store answered {verdict.value}: somebody else works on it")
    return taken


def _taken_over(store: FollowedStore) -> Lease:
    """LEARN's next epoch; of a torn commit nothing is needed, for everything that it said is written anew."""
    try:
        return store.acquire(LEARN)
    except StoreTorn:
        store.clear(LEARN)
        return store.acquire(LEARN)


def _require_stopped(settings: Settings, stage: str) -> None:
    from rtrec.adapters.kafka_topics import admin_client  # noqa: PLC0415 - with the client

    group = name(settings, f"rtrec-{stage}")
    admin = admin_client(settings.kafka)
    try:
        members = admin.describe_groups([group])[group]["members"]
    finally:
        admin.close()
    if members:
        raise StillWorking(f"group {group} has {len(members)} members: stop the stage's workers first")


def _require_whole(log: EventLog, topic: str, partition: int, *, partial: bool) -> None:
    start = log.bounds(topic, partition).start
    if start > 0 and not partial:
        raise LogIncomplete(
            f"{topic}:{partition} begins at {start}: what came before is gone from the log and would be gone from the "
            "state; --partial rebuilds what there is"
        )
    if start > 0:
        _log.warning("%s:%d begins at %d: state from before is not rebuilt", topic, partition, start)
