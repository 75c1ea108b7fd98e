"""Stages as processes, and the processor time that processes take, from /proc."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.clustered.bed import Scenario

READY_S: Final = 180.0
END_S: Final = 30.0
POLL_S: Final = 0.05


def command(*words: str) -> list[str]:
    """`rtrec …`."""
    return [sys.executable, "-m", "rtrec.cli", *words]


def environ(scenario: Scenario, folder: Path) -> dict[str, str]:
    """A process's environment, with settings of the scenario alone."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("RTREC_")}
    return ours | scenario.environ | {"TMPDIR": str(folder)}


class Stage:
    """`rtrec stage NAME` of a scenario."""

    def __init__(self, scenario: Scenario, name: str, number: int = 0) -> None:
        self.name = name
        folder = scenario.bed.folder / f"{scenario.namespace}{name}-{number}"
        folder.mkdir(parents=True)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                command("stage", name), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, env=environ(scenario, folder),
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def partitions(self) -> int:
        """How many partitions it said to have been given last; 0 before that."""
        given = re.findall(rf"\[INFO\] {self.name}: (.*)$", self.log.read_text(errors="replace"), re.MULTILINE)
        return len(re.findall(r":\d+ from \d+", given[-1])) if given else 0

    def require(self) -> None:
        """It must run."""
        if self.process.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
            raise RuntimeError(f"stage {self.name} ended:\n{tail}")

    def end(self) -> None:
        """Tell it to end, and make it if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(scenario: Scenario, *names: str) -> Iterator[list[Stage]]:
    """Stages with all partitions of theirs assigned, a name as often as there are to be workers of it."""
    stages = [Stage(scenario, name, number) for number, name in enumerate(names)]
    try:
        for name in set(names):
            mine, wanted = [one for one in stages if one.name == name], _partitions(scenario, name)
            wait_for(partial(_assigned, mine, wanted), stages, READY_S)
        yield stages
    finally:
        for one in stages:
            one.end()


def _partitions(scenario: Scenario, stage: str) -> int:
    return 1 if stage == "learn" else scenario.settings.cluster.partitions


def _assigned(stages: list[Stage], wanted: int) -> bool:
    return sum(one.partitions for one in stages) == wanted


def wait_for(condition: Callable[[], object], stages: list[Stage], seconds: float, poll_s: float = POLL_S) -> None:
    """Wait until it is so, as long as the stages run."""
    ends_s = time.monotonic() + seconds
    while not condition():
        for one in stages:
            one.require()
        if time.monotonic() > ends_s:
            logs = "\n".join(f"{one.name}: {one.log.read_text(errors='replace')[-2_000:]}" for one in stages)
            raise RuntimeError(f"it did not come about within {seconds:.0f} s\n{logs}")
        time.sleep(poll_s)
