"""Data folders, opened with what can go wrong said in a line."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from rtrec.ports import OffsetTrimmed
from rtrec.runtime.collecting import collect_rarely
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import FILE, FolderBusy
from rtrec.runtime.host import TooManyRefused
from rtrec.runtime.reader import Reader
from rtrec.settings import Settings
from rtrec.sources.source import SourceError

if TYPE_CHECKING:
    from rtrec.runtime.cluster.reader import ClusterReader

Readable: TypeAlias = "Reader | ClusterReader"


@contextmanager
def working(path: Path, settings: Settings) -> Iterator[Embedded]:
    """A folder to work on, alone."""
    with faults_said(), Embedded.open(path, settings) as host:
        collect_rarely()
        yield host


@contextmanager
def reading(path: Path | None, settings: Settings) -> Iterator["Readable"]:
    """A folder to look at, also while a server works on it; without one, the cluster of the settings."""
    if path is None:
        if not (settings.kafka.bootstrap and settings.redis.url):
            raise click.UsageError("--data is missing: name a data folder, or a cluster by RTREC_KAFKA and RTREC_REDIS")
        from rtrec.runtime.cluster.reader import ClusterReader  # noqa: PLC0415 - loads the clients

        with faults_said(), ClusterReader(settings) as cluster:
            yield cluster
        return
    if not (path / FILE).is_file():
        raise click.UsageError(f"--data: {path} holds no rtrec data; `rtrec up` or `rtrec replay` makes some")
    with faults_said(), Embedded.read(path, settings) as reader:
        yield reader


def default_time(reader: "Readable") -> int:
    """Now where a server works on the folder, else the newest event's time."""
    return time.time_ns() // 1_000_000 if reader.served else reader.newest_ms()


@contextmanager
def faults_said() -> Iterator[None]:
    """What can go wrong in a folder or a source, said in a line: exit code 1."""
    try:
        yield
    except (FolderBusy, SourceError, OffsetTrimmed, TooManyRefused, OSError) as error:
        raise click.ClickException(str(error)) from error
