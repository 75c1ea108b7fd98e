"""A data folder: one SQLite file with log, state and source positions, and the lock of who works on it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_log import SqliteLog
from rtrec.adapters.sqlite_sources import SourcePositions
from rtrec.adapters.sqlite_store import SqliteStore

EVENTS, CONTROL, SCORED, TICKS, EXAMPLES, DEAD_LETTERS = TOPICS = (
    "events", "control", "scored", "ticks", "examples", "dead_letters",
)  # fmt: skip
FILE: Final = "rtrec.db"
LOCK: Final = "rtrec.lock"


class FolderBusy(RuntimeError):
    """Another process works on this data folder."""


class Folder:
    """An open data folder. `close` folds SQLite's write-ahead log into the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database.open(path / FILE)
        self.log, self.store = SqliteLog(self.database), SqliteStore(self.database)
        self.sources = SourcePositions(self.database)

    @classmethod
    def open(cls, path: Path) -> "Folder":
        """Open a folder, or make it, with its topics."""
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path)
        for topic in TOPICS:
            folder.log.create(topic, 1)
        return folder

    def size_bytes(self) -> int:
        """What the folder takes on disk."""
        return sum(file.stat().st_size for file in self.path.iterdir() if file.is_file())

    def close(self) -> None:
        """Close the file."""
        self.database.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a folder's lock; FolderBusy when another process does. The system frees it when a process dies."""
    path.mkdir(parents=True, exist_ok=True)
    handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{path}: another rtrec process works on this folder; stop it, or use another --data"
            raise FolderBusy(msg) from None
        yield
    finally:
        os.close(handle)


def is_served(path: Path) -> bool:
    """Whether a process holds the folder's lock."""
    try:
        with locked(path):
            return False
    except FolderBusy:
        return True
