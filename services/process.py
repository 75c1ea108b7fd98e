"""A process that outlives the Python that started it, known by its id and by when it began.

- An id alone is not enough: ids are used again. No signal is sent unless the start time recorded with it still is
  that of the process that has the id now.
- Each process leads a session of its own: Ctrl-C at a test does not reach it, and killing reaches its forks.
- Every wait is for a condition and has an end.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02
TERM_S = 30.0  # Kafka flushes its log; the first one writes the archive of its classes, 7 s on busy cores
KILL_S = 10.0


class ServiceError(Exception):
    """A service cannot do what was asked; the text says why and, where it can, what to do."""


class MissingError(ServiceError):
    """What a service is made of is not on this machine; the text says what to install."""


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true within the seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


@dataclass(frozen=True)
class Process:
    """One process that we started."""

    pid: int
    began: str

    @property
    def alive(self) -> bool:
        """Whether it still runs: neither gone, nor a zombie, nor another one with its id."""
        return began(self.pid) == self.began

    def terminate(self, seconds: float = TERM_S) -> bool:
        """Ask it to end (SIGTERM), then make it (SIGKILL); whether asking was enough."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)  # a stopped process would not hear the first
        if until(lambda: not self.alive, seconds):
            return True
        self.kill()
        return False

    def kill(self) -> None:
        """End it at once, with what it forked, and wait until it is gone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        if not until(lambda: not self.alive, KILL_S):
            raise ServiceError(f"process {self.pid} is still there {KILL_S:.0f} s after SIGKILL")

    def freeze(self) -> None:
        """Stop it (SIGSTOP), every thread of it: one that waits for a busy core would go on a moment longer."""
        self.send(signal.SIGSTOP)
        if not until(lambda: not self.alive or _frozen(self.pid), KILL_S):
            raise ServiceError(f"process {self.pid} still moves {KILL_S:.0f} s after SIGSTOP")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def spawn(command: Sequence[str], log: Path) -> Process:
    """Start a command (a whole path first) in a session of its own; what it prints is appended to the log."""
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        list(command),
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(pid, began(pid) or "")


def began(pid: int) -> str | None:
    """When the process with this id began, in a form to compare; None if there is none that runs."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # one of our own that ended is a zombie until it is asked for
    if not Path("/proc/self/stat").exists():
        return _began_by_ps(pid)
    try:
        # The name stands in parentheses and may hold anything; state is the first field after it, start the 20th.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"


def _frozen(pid: int) -> bool:
    """Whether all of its threads stand still; where there is no /proc nobody can tell, and they are taken to."""
    with contextlib.suppress(OSError):
        states = [stat.read_text(errors="replace").rpartition(")")[2].split()[0] for stat in _threads(pid)]
        return all(state in "tTZX" for state in states)
    return False


def _threads(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("*/stat"))


def _boot() -> str:
    """The machine's present run: start times count from its beginning."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def _began_by_ps(pid: int) -> str | None:
    """The same where there is no /proc."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    state, _, start = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else start.strip()
