"""One run of the chaos test: services and workers, lines and incidents, then all checks."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from rtrec.settings_io import load
from services.service_set import ServiceSet
from tests.cluster import checks
from tests.cluster.fleet import Fleet
from tests.cluster.incidents import Counts, Director, programme
from tests.cluster.producers import Producers
from tests.cluster.standing import Standing
from tests.cluster.stream import Story, story_lines
from tests.services import start_or_skip


class Size(NamedTuple):
    """How long a run is."""

    events: int
    counts: Counts
    anchors: int = 24
    users: int = 150
    partitions: int = 6


class Outcome(NamedTuple):
    """report: all that a reader needs of a run that failed; faults: of the run and the checks, in words."""

    report: str
    faults: list[str]


def run(services: ServiceSet, folder: Path, seed: int, size: Size, *, cluster: bool) -> Outcome:
    """Start everything, let it happen, and look at what came of it. cluster: the store is a Redis Cluster."""
    store, broker, rng = services.cluster if cluster else services.redis, services.kafka, random.Random(seed)
    start_or_skip(store)
    start_or_skip(broker)
    environ = _environ(broker.address, store.url, size.partitions, folder)
    _module(environ, "rtrec.runtime.warm")  # once, and not in eleven processes at a time
    _module(environ, "rtrec.cli", "topics", "create")
    lines = story_lines(Story(seed, size.events, size.anchors, size.users))
    fleet, standing = Fleet(folder / "workers", environ), Standing(load(None, environ))
    producers = Producers(broker.address, f"{standing.namespace}events")
    begun_s = time.monotonic()
    try:
        director = Director(fleet, standing, producers, store, broker, rng)
        director.play(programme(size.counts, rng), lines)
        ended_s = time.monotonic()
        bad = {line.value for line in lines if not line.good}
        found, figures = checks.check(
            standing, bad, Path(fleet.environ["RTREC_REGISTRY_URL"]), Path(environ["RTREC_ARCHIVE_URL"])
        )
    finally:
        fleet.destroy()
        producers.close()
        standing.close()
    found["the run"] = director.faults
    figures["commits of zombies refused"] = sum(one.refusals for one in fleet.workers)
    found["what this run shows"] = [*checks.idle(figures)]
    figures |= {"run_s": round(ended_s - begun_s), "checks_s": round(time.monotonic() - ended_s)}
    faults = [*checks.differences(found)]
    return Outcome("\n".join([f"seed {seed}, {size}", *director.minutes, str(figures), *faults]), faults)


def _environ(kafka: str, redis: str, partitions: int, folder: Path) -> dict[str, str]:
    """What workers are configured by: everything happens soon, and no tick decides a label.

    No user is forgotten: the story takes longer than the 30 days, and a lost event must show at its end.
    """
    return {
        "RTREC_KAFKA": kafka, "RTREC_REDIS": redis, "RTREC_CLUSTER_NAMESPACE": "chaos-",
        "RTREC_CLUSTER_PARTITIONS": str(partitions), "RTREC_CLUSTER_SESSION_TIMEOUT_MS": "6000",
        "RTREC_USERS_TTL_DAYS": "3650", "RTREC_CLUSTER_QUIET_MS": "0", "RTREC_REGISTRY_URL": str(folder / "registry"),
        "RTREC_REGISTRY_SNAPSHOT_MS": "700", "RTREC_ARCHIVE_URL": str(folder / "archive"),
        "RTREC_ARCHIVE_FLUSH_MS": "1000", "RTREC_LEARNER_PUBLISH_MS": "200", "RTREC_LEARNER_SLOTS_LOG2": "18",
    }  # fmt: skip


def _module(environ: dict[str, str], *words: str) -> None:
    """Run a module of ours as a command, to its end."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RTREC_")}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, env=ours | environ, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
