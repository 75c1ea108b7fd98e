"""What a contract suite is given: handles on one adapter's data.

An adapter is one entry of `LOGS` or `STORES`: from a folder of the test's own (its path also serves as a unique
name) it opens a handle and says how to close it. Two open handles stand for two processes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_log import SqliteLog
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.ports import EventLog, StateStore

Port = TypeVar("Port")
Opener = Callable[[Path], tuple[Port, Callable[[], None]]]


class Handles(Generic[Port]):
    """Opens handles on the same data, and closes what is still open at the end."""

    def __init__(self, opener: Opener[Port], folder: Path) -> None:
        self._opener = opener
        self._folder = folder
        self._closers: list[Callable[[], None]] = []

    def open(self) -> Port:
        """One more handle, as another process would have it."""
        port, closer = self._opener(self._folder)
        self._closers.append(closer)
        return port

    def reopen(self) -> Port:
        """Close every handle, then open one."""
        self.close()
        return self.open()

    def close(self) -> None:
        while self._closers:
            self._closers.pop()()


def _sqlite_log(folder: Path) -> tuple[EventLog, Callable[[], None]]:
    database = Database.open(folder / "rtrec.db")
    return SqliteLog(database), database.close


def _sqlite_store(folder: Path) -> tuple[StateStore, Callable[[], None]]:
    database = Database.open(folder / "rtrec.db")
    return SqliteStore(database), database.close


LOGS: Final[dict[str, Opener[EventLog]]] = {"sqlite": _sqlite_log}
STORES: Final[dict[str, Opener[StateStore]]] = {"sqlite": _sqlite_store}
