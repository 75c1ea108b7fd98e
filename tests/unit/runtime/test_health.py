"""A stage's health file: touched while its workers are well, and read by a command that needs no port."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from rtrec.runtime.cluster import health
from rtrec.runtime.cluster.health import FRESH_S, TROUBLE_S, VARIABLE, Health, fault


@dataclass(eq=False)
class Doing:
    """A worker, as far as health asks."""

    trouble: str | None = None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "health"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock: `[seconds]`."""
    now = [1_000.0]
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def touched(file: Path, beat: Health, *workers: Doing) -> bool:
    """Whether a beat touches the file."""
    file.unlink(missing_ok=True)
    beat.beat(workers)
    return file.exists()


def test_a_process_is_well_without_partitions_and_with_workers_that_work(file: Path) -> None:
    """A stand-by has no worker at all."""
    beat = Health({VARIABLE: str(file)})
    assert touched(file, beat)
    assert touched(file, beat, Doing(), Doing())


def test_trouble_counts_when_it_lasts(file: Path, clock: list[float]) -> None:
    """A store that restarts makes nobody unwell; one that stays away does, until it is back."""
    beat, worker = Health({VARIABLE: str(file)}), Doing("redis: away")
    assert touched(file, beat, Doing(), worker)
    clock[0] += TROUBLE_S
    assert touched(file, beat, Doing(), worker)
    clock[0] += 1
    assert not touched(file, beat, Doing(), worker)
    worker.trouble = None
    assert touched(file, beat, Doing(), worker)
    worker.trouble = "redis: away"
    assert touched(file, beat, Doing(), worker)


def test_workers_that_take_turns_at_trouble_are_well(file: Path, clock: list[float]) -> None:
    """Each is asked for its own trouble, and one that was given back is asked no more."""
    beat, first, second = Health({VARIABLE: str(file)}), Doing("a"), Doing()
    assert touched(file, beat, first, second)
    clock[0] += TROUBLE_S
    first.trouble, second.trouble = None, "b"
    assert touched(file, beat, first, second)
    clock[0] += TROUBLE_S
    assert touched(file, beat, first, second)
    clock[0] += TROUBLE_S
    assert touched(file, beat, first)


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Health({}).beat([])
    Health({VARIABLE: ""}).beat([])
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_no_and_why(file: Path) -> None:
    """Exit code 0 for a fresh file; 1 with a reason for none, for an old one and for no name of one."""

    def asked(environ: dict[str, str]) -> tuple[int, str]:
        command = [sys.executable, "-m", "rtrec.runtime.cluster.health"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        return done.returncode, done.stderr

    code, said = asked({VARIABLE: str(file)})
    assert (code, "is not there" in said) == (1, True)
    file.touch()
    assert asked({VARIABLE: str(file)}) == (0, "")
    old_s = time.time() - 60
    os.utime(file, (old_s, old_s))
    code, said = asked({VARIABLE: str(file)})
    assert (code, "60 s old" in said) == (1, True)
    code, said = asked({})
    assert (code, VARIABLE in said) == (1, True)


def test_a_file_is_fresh_for_a_while(file: Path) -> None:
    """A beat or two may be late on a busy machine."""
    file.touch()
    almost_s = time.time() - FRESH_S + 1
    os.utime(file, (almost_s, almost_s))
    assert fault(file) is None


def test_asking_imports_neither_faust_nor_numba() -> None:
    """A check that runs every few seconds must be cheap."""
    code = "import rtrec.runtime.cluster.health, sys; print({'faust', 'numba', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"  # noqa: S603 - our own
