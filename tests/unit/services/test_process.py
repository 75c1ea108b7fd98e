"""Processes are known by id and start time, and no other process is ever signalled."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.process import Process, began, spawn, until

SLEEP = "/bin/sleep"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = spawn([SLEEP, "60"], tmp_path / "log")
    yield process
    process.kill()


def test_a_running_process_is_alive_until_it_is_told_to_end(sleeper: Process) -> None:
    assert sleeper.alive
    assert sleeper.terminate()
    assert not sleeper.alive


def test_a_process_that_was_frozen_still_ends_in_order(sleeper: Process) -> None:
    sleeper.send(signal.SIGSTOP)
    assert sleeper.alive
    assert sleeper.terminate()


def test_one_that_does_not_listen_is_killed_within_the_bound(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    process = spawn([sys.executable, "-c", deaf], tmp_path / "log")
    assert until(lambda: "deaf" in (tmp_path / "log").read_text(), 30)
    assert not process.terminate(seconds=0.1)
    assert not process.alive


def test_killing_reaches_what_the_process_forked(tmp_path: Path) -> None:
    process = spawn(["/bin/sh", "-c", f"{SLEEP} 60 & echo $!; wait"], tmp_path / "log")
    assert until(lambda: (tmp_path / "log").read_text().endswith("\n"), 30)
    child = int((tmp_path / "log").read_text())
    process.kill()
    assert until(lambda: began(child) is None, 30)


def test_an_id_that_another_process_has_now_is_never_signalled(sleeper: Process) -> None:
    reused = Process(sleeper.pid, "an earlier start")
    assert not reused.alive
    reused.terminate()
    reused.kill()
    assert sleeper.alive


def test_a_zombie_does_not_count_as_running() -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        assert until(lambda: began(child.pid) is None, 30)


def test_a_process_leads_its_own_session_so_that_ctrl_c_does_not_reach_it(sleeper: Process) -> None:
    assert os.getsid(sleeper.pid) == sleeper.pid != os.getsid(0)
