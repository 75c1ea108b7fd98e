"""Workers are killed, stopped, added and taken away, servers restarted; at the end everything is right, to the bit."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from services.service_set import ServiceSet
from tests.cluster.incidents import Counts
from tests.cluster.run import Size, run

SEED = int(os.environ.get("RTREC_CHAOS_SEED", "20"))

CI = Size(20_000, Counts())
NAMED = Size(
    300_000, Counts(kills=10, zombies=3, scaled=2, redis=2, broker=1, moved=2, zombie_learners=2),
    anchors=60, users=500, partitions=8,
)  # fmt: skip


@pytest.mark.timeout(600)
def test_a_short_run_leaves_nothing_lost_doubled_or_wrong(
    isolated_services: Callable[[], ServiceSet], tmp_path: Path
) -> None:
    """20,000 events, two workers a stage, one incident of most kinds."""
    outcome = run(isolated_services(), tmp_path, SEED, CI, cluster=False)
    (tmp_path / "report.txt").write_text(outcome.report, encoding="utf-8")
    assert not outcome.faults, outcome.report


@pytest.mark.soak
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("cluster", [False, True], ids=["redis", "redis-cluster"])
def test_the_named_run_leaves_nothing_lost_doubled_or_wrong(
    isolated_services: Callable[[], ServiceSet], tmp_path: Path, *, cluster: bool
) -> None:
    """300,000 events and every incident of the list (issue 4), on a Redis and on a Redis Cluster."""
    outcome = run(isolated_services(), tmp_path, SEED, NAMED, cluster=cluster)
    (tmp_path / "report.txt").write_text(outcome.report, encoding="utf-8")
    assert not outcome.faults, outcome.report
