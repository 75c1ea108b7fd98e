"""A host that is killed at any moment loses nothing that it acknowledged, and its state fits its log."""

import random
import subprocess
import sys
from pathlib import Path

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_log import SqliteLog
from rtrec.adapters.sqlite_store import SqliteStore
from tests.contract import kill_worker
from tests.contract.kill_worker import OWNER, fold

KILLS = 10


def run_and_kill(path: Path, run: int, lines: int) -> dict[int, bytes]:
    """Let a worker print some acknowledgements, SIGKILL it, and return all it acknowledged: offset → value."""
    command = [sys.executable, kill_worker.__file__, str(path), str(run)]
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:  # noqa: S603 - our own worker
        assert worker.stdout is not None
        try:
            told = [worker.stdout.readline() for _ in range(lines)]
            assert worker.poll() is None, "the worker ended by itself"
        finally:
            worker.kill()
        told += worker.stdout.readlines()
    acknowledged: dict[int, bytes] = {}
    for line in told:
        if line.endswith("\n"):  # a last line may be cut: it was not told
            first, size, counter = map(int, line.split())
            acknowledged |= {first + i: f"{run}.{counter + i}".encode() for i in range(size)}
    return acknowledged


def check(path: Path, acknowledged: dict[int, bytes]) -> int:
    """State, output and ranking are what the log's prefix up to the stored offset says; returns that offset."""
    database = Database.open(path)
    log, store = SqliteLog(database), SqliteStore(database)
    records = log.read("in", 0, 0, 10_000_000)
    assert [r.offset for r in records] == list(range(log.bounds("in", 0).end))
    values = {r.offset: r.value for r in records}
    assert {offset: values.get(offset) for offset in acknowledged} == acknowledged
    offset = store.offsets(OWNER).get("in", 0)
    state = dict(store.scan(OWNER))
    assert state == fold({}, records[:offset])
    assert store.top(OWNER, 2) == ([("in", float(offset))] if offset else [])
    outputs = log.read("out", 0, max(0, log.bounds("out", 0).end - 1), 1)
    assert [r.value for r in outputs] == ([state["chain"]] if offset else [])
    database.close()
    return offset


def test_ten_kills_lose_nothing_and_leave_state_and_log_in_step(tmp_path: Path) -> None:
    path = tmp_path / "rtrec.db"
    moments = random.Random(20_240_405)
    acknowledged: dict[int, bytes] = {}
    reached = 0
    for run in range(KILLS):
        acknowledged |= run_and_kill(path, run, moments.randint(1, 120))
        reached, before = check(path, acknowledged), reached
        assert reached >= before
    assert reached > 1_000
