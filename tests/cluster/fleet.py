"""Workers of stages as processes of their own, each with a log and a working directory of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.process import until

GONE_S = 10.0
"""A worker that is told to end has so long (issue 4)."""
SOON_S = 120.0
"""What a condition may take before the test gives up; far above what it takes."""
TAIL_LINES = 25
_ASSIGNED = re.compile(
    r"\[INFO\] (?:(?:ingest|heat|profile|label|learn|archive): |Setting newly assigned partitions (?=set\(\)))(.*)$",
    re.MULTILINE,
)


@dataclass
class StageWorker:
    """One process."""

    stage: str
    number: int
    folder: Path
    process: subprocess.Popen[bytes]
    ended: bool = False

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.stage}-{self.number}"

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "worker.log").read_text(encoding="utf-8", errors="replace")

    @property
    def assignments(self) -> list[str]:
        """What it was given to work on, each time: `topic:partition from offset, …`, or `set()`."""
        return _ASSIGNED.findall(self.log)

    @property
    def partitions(self) -> list[tuple[str, int]]:
        """(topic, partition) of what it was given last."""
        given = self.assignments
        places = (one.rsplit(":", 1) for one in re.findall(r"(\S+:\d+) from", given[-1] if given else ""))
        return [(topic, int(number)) for topic, number in places]

    @property
    def refusals(self) -> int:
        """How often the store has refused it something that was another's by then."""
        return self.log.count("the store answered fenced")

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.splitlines()[-TAIL_LINES:])


@dataclass
class Fleet:
    """All workers that were ever started.

    environ: what they are configured by.
    """

    folder: Path
    environ: dict[str, str]
    workers: list[StageWorker] = field(default_factory=list)

    def start(self, stage: str, **changed: str) -> StageWorker:
        """Begin one more worker; changed: variables that it has otherwise than the rest."""
        number = sum(one.stage == stage for one in self.workers) + 1
        folder = self.folder / f"{stage}-{number}"
        folder.mkdir(parents=True)
        with (folder / "worker.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*_with_us(), sys.executable, "-m", "rtrec.cli", "stage", stage], cwd=folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env=self._environ() | changed,
            )  # fmt: skip
        self.workers.append(StageWorker(stage, number, folder, process))
        return self.workers[-1]

    def _environ(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RTREC_")}
        return ours | dict(self.environ) | {"TMPDIR": str(self.folder)}

    def of(self, stage: str) -> list[StageWorker]:
        """Those of a stage that are meant to run."""
        return [one for one in self.workers if one.stage == stage and not one.ended]

    def at_work(self, stage: str) -> list[StageWorker]:
        """Those of a stage that have partitions."""
        return [one for one in self.of(stage) if one.partitions]

    def kill(self, worker: StageWorker) -> None:
        """End it as a crash does."""
        worker.ended = True
        worker.process.kill()
        worker.process.wait()

    def end(self, *workers: StageWorker) -> Iterator[tuple[StageWorker, float]]:
        """Tell some to end, all at once; how many seconds each took. One that takes too long is killed."""
        begun_s = time.monotonic()
        for worker in workers:
            worker.ended = True
            worker.process.send_signal(signal.SIGTERM)
        for worker in workers:
            gone = until(lambda one=worker: one.process.poll() is not None, 3 * GONE_S)  # type: ignore[misc]
            took_s = time.monotonic() - begun_s
            if not gone:
                self.kill(worker)
            yield worker, took_s

    def fallen(self) -> list[StageWorker]:
        """Those that ended though nobody ended them."""
        return [one for one in self.workers if not one.ended and one.process.poll() is not None]

    def destroy(self) -> None:
        """End all that is left."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()


def _with_us() -> list[str]:
    """What lets a process end when this one is killed, where the system has it."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "KILL"] if program else []
