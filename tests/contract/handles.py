"""What a contract suite is given: handles on one adapter's data.

An adapter is one entry of `LOGS` or `STORES`: from a folder of the test's own (its path also serves as a unique
name) it opens a handle and says how to close it. Two open handles stand for two processes. An entry is given the test's
request first, for the fixtures that say where its server is.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import pytest

from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.redis_client import connect
from rtrec.adapters.redis_store import RedisStore
from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_log import SqliteLog
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.ports import EventLog, StateStore
from rtrec.settings import Settings
from rtrec.settings_cluster import Cluster, Kafka, Redis

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


def _kafka_log(request: pytest.FixtureRequest) -> Opener[EventLog]:
    kafka = Kafka(bootstrap=request.getfixturevalue("kafka"))
    settings = Settings(kafka=kafka, cluster=Cluster(namespace=request.getfixturevalue("namespace")))

    def open_(_: Path) -> tuple[EventLog, Callable[[], None]]:
        log = KafkaLog(settings)
        return log, log.close

    return open_


def _sqlite_store(folder: Path) -> tuple[StateStore, Callable[[], None]]:
    database = Database.open(folder / "rtrec.db")
    return SqliteStore(database), database.close


def _redis_store(url_fixture: str) -> Callable[[pytest.FixtureRequest], Opener[StateStore]]:
    def of(request: pytest.FixtureRequest) -> Opener[StateStore]:
        url, namespace = request.getfixturevalue(url_fixture), request.getfixturevalue("namespace")

        def open_(_: Path) -> tuple[StateStore, Callable[[], None]]:
            client = connect(Redis(url=url))
            return RedisStore(client, namespace), client.close

        return open_

    return of


LOGS: Final[dict[str, Callable[[pytest.FixtureRequest], Opener[EventLog]]]] = {
    "sqlite": lambda _: _sqlite_log,
    "kafka": _kafka_log,
}
STORES: Final[dict[str, Callable[[pytest.FixtureRequest], Opener[StateStore]]]] = {
    "sqlite": lambda _: _sqlite_store,
    "redis": _redis_store("redis_url"),
    "redis-cluster": _redis_store("redis_cluster_url"),
}
