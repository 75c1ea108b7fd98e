"""A replay killed at any moment, however often, ends where an undisturbed one ends."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
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
EVENTS = 40_000
DATABASE = "rtrec.db"
POLL_S = 0.002


@dataclass(frozen=True)
class Undisturbed:
    """A replay that nobody killed."""

    source: Path
    events: list[Event]
    report: dict[str, Any]
    digest: dict[str, Any]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The yardstick; a second run over it finds nothing to do."""
    folder = tmp_path_factory.mktemp("undisturbed")
    events = stream(Shape(41, EVENTS, anchors=50, users=2_000, step_ms=300, jumps=0.0001, drills=0.0001))
    source, data = folder / "events.jsonl", folder / "data"
    source.write_bytes(b"\n".join(lines(events)) + b"\n")
    report = rtrec(*replay_of(source, data), cwd=folder)
    assert rtrec(*replay_of(source, data), cwd=folder)["events"] == 0
    return Undisturbed(source, events, report, rtrec("digest", "--data", data, cwd=folder))


def test_the_undisturbed_run_counts_as_brute_force_does(undisturbed: Undisturbed) -> None:
    """Accepted, duplicates and dead letters add up, and are the oracle's."""
    verdicts = oracle_of(undisturbed).verdicts
    accepted, duplicates = verdicts.count("accepted"), verdicts.count("duplicate")
    report = [undisturbed.report[name] for name in ("events", "accepted", "duplicates", "dead_letters")]
    assert report == [len(verdicts), accepted, duplicates, len(verdicts) - accepted - duplicates]


def test_killed_replays_end_at_the_same_digest(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """SIGKILL at random moments, until KILLS have hit a running replay; then it is left to finish."""
    rng, kills, runs, left = random.Random(42), 0, 0, []
    while kills < KILLS:
        data, finished = tmp_path / f"data{runs}", False
        while kills < KILLS and not finished:
            finished = run_or_kill(undisturbed, data, rng.randrange(40), rng.uniform(0, 0.05))
            kills += not finished
        report = rtrec(*replay_of(undisturbed.source, data), cwd=tmp_path)
        assert report["events"] == report["accepted"] + report["duplicates"] + report["dead_letters"]
        assert rtrec("digest", "--data", data, cwd=tmp_path) == undisturbed.digest, f"after {kills} kills, {data.name}"
        left.append(report["events"])
        runs += 1
    assert min(left) < EVENTS, "no kill came after a commit of events"
    assert anchor_faults(undisturbed, data) == []
    letters = rtrec("deadletters", "list", "--data", data, "--limit", "10000", "--json", cwd=tmp_path)
    assert len(letters["dead_letters"]) == undisturbed.report["dead_letters"]


def run_or_kill(undisturbed: Undisturbed, data: Path, commits: int, delay_s: float) -> bool:
    """Replay until another connection has seen `commits` changes, and `delay_s` on; whether it finished by itself."""
    with subprocess.Popen(  # noqa: S603 - our own command
        argv(*replay_of(undisturbed.source, data)),
        cwd=undisturbed.source.parent,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        await_commits(process, data, commits)
        try:
            finished = process.wait(delay_s) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return False
    assert finished, f"exited {process.returncode} by itself"
    return True


def await_commits(process: subprocess.Popen[bytes], data: Path, commits: int) -> None:
    """Return once the folder's database has changed so often, or the process has ended."""
    while process.poll() is None and not (data / DATABASE).exists():
        time.sleep(POLL_S)
    with closing(sqlite3.connect(data / DATABASE)) as watcher:
        seen, version = -1, None
        while process.poll() is None and seen < commits:
            now = watcher.execute("PRAGMA data_version").fetchone()
            seen, version = seen + (now != version), now
            time.sleep(POLL_S)


def replay_of(source: Path, data: Path) -> tuple[str | Path, ...]:
    """The command line of a replay in small micro-batches, so that there are many moments to die at."""
    config = source.with_name("small.toml")
    config.write_text("[log]\nbatch_events = 500\n")
    return "replay", source, "--data", data, "--config", config, "--json"


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
