"""Kafka's jars: fetched once with Maven, shared by all sets of services of this checkout.

The folder appears whole or not at all, and carries the hash of the `pom.xml` it was made from.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.process import MissingError
from services.programs import program

POM = Path(__file__).resolve().with_name("pom.xml")
LIBS = POM.parents[1] / ".services" / "kafka" / "libs"
FETCH_S = 600
ATTEMPTS = 2  # a repository may hiccup


def jars_present(libs: Path = LIBS) -> bool:
    """Whether they are there, and are those the pom asks for."""
    stamp = libs / "pom.sha256"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _hash()


def kafka_jars(libs: Path = LIBS) -> Path:
    """The folder of jars, fetched if need be."""
    if jars_present(libs):
        return libs
    libs.parent.mkdir(parents=True, exist_ok=True)
    with locked(libs.parent / "fetch.lock"):
        if not jars_present(libs):
            _fetch(libs)
    return libs


def _fetch(libs: Path) -> None:
    draft = libs.with_name(f"{libs.name}.{os.getpid()}")
    command = [program("mvn"), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
    try:
        for attempt in range(ATTEMPTS):
            shutil.rmtree(draft, ignore_errors=True)
            run = subprocess.run(  # noqa: S603 - a fixed command
                command, capture_output=True, text=True, check=False, timeout=FETCH_S, stdin=subprocess.DEVNULL
            )
            if run.returncode == 0:
                break
            if attempt == ATTEMPTS - 1:
                raise MissingError(f"Maven could not fetch Kafka:\n{(run.stdout + run.stderr)[-2_000:]}")
        (draft / "pom.sha256").write_text(_hash(), encoding="utf-8")
        shutil.rmtree(libs, ignore_errors=True)
        draft.rename(libs)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _hash() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file: another process waits here until this one has done; a dead one lets go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
