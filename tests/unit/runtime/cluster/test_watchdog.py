"""The watchdog: who stands still begins anew, who waits for somebody does not."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtrec.runtime.cluster import watchdog as watchdog_module
from rtrec.runtime.cluster.watchdog import Watchdog
from tests.unit.runtime.cluster.rig import SOON_S, Rig, record, until

STALL_S = 0.3


@dataclass
class Watched:
    """A watchdog, and whether it had the process begin anew."""

    dog: Watchdog
    begun: threading.Event


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(watchdog_module, "LOOK_S", 0.01)
    begun = threading.Event()
    dog = Watchdog(STALL_S, begun.set)
    dog.start()
    yield Watched(dog, begun)
    dog.stop()


def test_a_loop_that_is_blocked_is_seen(watched: Watched) -> None:
    """Nobody beats: the thread sees it, whatever the loop does."""
    began_s = time.monotonic()
    assert watched.begun.wait(SOON_S)
    assert time.monotonic() - began_s > STALL_S - 0.05


def test_a_loop_that_turns_without_workers_does_not_stand_still(watched: Watched) -> None:
    ends_s = time.monotonic() + 3 * STALL_S
    while time.monotonic() < ends_s:
        watched.dog.beat([])
        assert not watched.begun.wait(0.02)


def test_a_worker_that_has_input_and_does_not_move_is_seen(rig: Rig, watched: Watched) -> None:
    """The loop turns all the while."""

    async def run() -> None:
        worker = rig.worker()
        rig.store.held.clear()
        worker.start()
        await worker.deliver([record(0)], lambda: None)
        await until(lambda: rig.store.attempts)

        def stalled() -> bool:
            watched.dog.beat([worker])
            return watched.begun.is_set()

        await until(stalled)
        rig.store.held.set()
        await worker.release(5.0)

    asyncio.run(run())


def test_trouble_that_is_said_is_no_standing_still(rig: Rig, watched: Watched) -> None:
    """A store that is away is waited for, for as long as it takes."""

    async def run() -> None:
        worker = rig.worker()
        worker.start()
        await until(lambda: worker.trouble is None)
        rig.store.away = True
        await worker.deliver([record(0)], lambda: None)
        await until(lambda: worker.trouble)
        ends_s = time.monotonic() + 3 * STALL_S
        while time.monotonic() < ends_s:
            watched.dog.beat([worker])
            await asyncio.sleep(0.01)
        assert worker.waiting
        assert not watched.begun.is_set()
        rig.store.away = False
        await worker.release(5.0)

    asyncio.run(run())


def test_a_worker_without_input_does_not_stand_still(rig: Rig, watched: Watched) -> None:
    async def run() -> None:
        worker = rig.worker()
        worker.start()
        await until(lambda: worker.trouble is None)
        ends_s = time.monotonic() + 3 * STALL_S
        while time.monotonic() < ends_s:
            watched.dog.beat([worker])
            await asyncio.sleep(0.01)
        assert not watched.begun.is_set()
        await worker.release(5.0)

    asyncio.run(run())


def test_a_process_that_does_not_end_by_itself_is_ended(tmp_path: Path) -> None:
    """The broker's good-bye may hang for longer than there is."""
    program = (
        "import time\n"
        "from rtrec.runtime.cluster.watchdog import Watchdog\n"
        "dog = Watchdog(60)\n"
        "dog.start()\n"
        "dog.end_within(0.3)\n"
        "time.sleep(60)\n"
    )
    began_s = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], timeout=SOON_S, check=False, cwd=tmp_path)  # noqa: S603
    assert done.returncode == 0
    assert time.monotonic() - began_s < SOON_S


def test_beginning_anew_is_the_same_command_in_the_same_process(tmp_path: Path) -> None:
    """Whoever looks after the process keeps its id."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, pathlib, sys\n"
        "from rtrec.runtime.cluster.watchdog import Watchdog\n"
        "file = pathlib.Path('runs')\n"
        "runs = file.read_text().splitlines() if file.exists() else []\n"
        "file.write_text('\\n'.join([*runs, f'{os.getpid()}:{sys.argv[1]}']))\n"
        "if len(runs) < 2:\n"
        "    Watchdog(60).restart('for the test')\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-X", "utf8", str(program), "an argument"]
    child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)  # noqa: S603
    _, said = child.communicate(timeout=SOON_S)
    assert child.returncode == 0
    assert (tmp_path / "runs").read_text(encoding="utf-8").splitlines() == [f"{child.pid}:an argument"] * 3
    assert said.count(b"for the test") == 2
