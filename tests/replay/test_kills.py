"""A replay killed at any moment, however often, ends where an undisturbed one ends."""

import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rtrec.runtime.embedded import Embedded
from rtrec.settings import Settings
from tests.oracle.anchors import Partition
from tests.oracle.compare import differences
from tests.replay.command import argv, environment, rtrec
from tests.replay.streams import Event, Shape, lines, stream

KILLS = int(os.environ.get("RTREC_KILLS") or (20 if os.environ.get("RTREC_SOAK") else 5))
EVENTS = 60_000


@dataclass(frozen=True)
class Undisturbed:
    """A replay that nobody killed."""

    source: Path
    events: list[Event]
    report: dict[str, Any]
    digest: dict[str, Any]
    start_s: float
    work_s: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The yardstick; a second run over it, which finds nothing to do, tells how long starting takes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    events = stream(Shape(41, EVENTS, anchors=50, users=2_000, step_ms=300, jumps=0.0001, drills=0.0001))
    source = folder / "events.jsonl"
    source.write_bytes(b"\n".join(lines(events)) + b"\n")
    seconds, reports = [], []
    for _ in range(2):
        started_s = time.monotonic()
        reports.append(rtrec("replay", source, "--data", folder / "data", "--json", cwd=folder))
        seconds.append(time.monotonic() - started_s)
    assert reports[1]["events"] == 0
    digest = rtrec("digest", "--data", folder / "data", cwd=folder)
    return Undisturbed(source, events, reports[0], digest, seconds[1], max(0.1, seconds[0] - seconds[1]))


def test_the_undisturbed_run_counts_as_brute_force_does(undisturbed: Undisturbed) -> None:
    """Accepted, duplicates and dead letters add up, and are the oracle's."""
    verdicts = oracle_of(undisturbed).verdicts
    accepted, duplicates = verdicts.count("accepted"), verdicts.count("duplicate")
    report = [undisturbed.report[name] for name in ("events", "accepted", "duplicates", "dead_letters")]
    assert report == [len(verdicts), accepted, duplicates, len(verdicts) - accepted - duplicates]


def test_killed_replays_end_at_the_same_digest(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """SIGKILL at random moments, until KILLS have hit a running replay; then it is left to finish."""
    rng, kills, runs = random.Random(42), 0, 0
    while kills < KILLS:
        data, finished = tmp_path / f"data{runs}", False
        while kills < KILLS and not finished:
            delay_s = undisturbed.start_s * rng.uniform(0.5, 1.0) + undisturbed.work_s * rng.uniform(0, 3 / KILLS)
            finished = run_or_kill(undisturbed, data, delay_s)
            kills += not finished
        left = rtrec("replay", undisturbed.source, "--data", data, "--json", cwd=tmp_path)
        assert left["events"] == left["accepted"] + left["duplicates"] + left["dead_letters"] <= len(undisturbed.events)
        assert rtrec("digest", "--data", data, cwd=tmp_path) == undisturbed.digest, f"after {kills} kills, {data.name}"
        runs += 1
    assert anchor_faults(undisturbed, data) == []
    letters = rtrec("deadletters", "list", "--data", data, "--limit", "10000", "--json", cwd=tmp_path)
    assert len(letters["dead_letters"]) == undisturbed.report["dead_letters"]


def run_or_kill(undisturbed: Undisturbed, data: Path, delay_s: float) -> bool:
    """Replay for at most `delay_s`; whether it finished by itself."""
    command = argv("replay", undisturbed.source, "--data", data, "--json")
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=data.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            _, errors = process.communicate(timeout=delay_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return False
    assert process.returncode == 0, errors.decode()[-2_000:]
    return True


def oracle_of(undisturbed: Undisturbed) -> Partition:
    """Brute force over the whole file."""
    append_ms = int(time.time() * 1_000)
    return Partition().feed((event, append_ms) for event in undisturbed.events)


def anchor_faults(undisturbed: Undisturbed, data: Path) -> list[str]:
    """In what the anchors of a data folder differ from brute force."""
    oracle = oracle_of(undisturbed)
    assert oracle.newest_ms is not None
    with Embedded.open(data, Settings()) as host:
        return [
            f"{anchor_id}: {fault}"
            for anchor_id in oracle.anchors
            for fault in differences(
                host.show_anchor(anchor_id, at_ms=oracle.newest_ms), oracle.show(anchor_id, oracle.newest_ms)
            )
        ]
