"""A worker with a real store (SQLite), a hop that remembers what it was given, and a world that can be troubled."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from msgspec import msgpack

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.ports import Commit, Lease, Owner, StoreAway, Verdict
from rtrec.runtime.cluster.gathered import Gathered
from rtrec.runtime.cluster.hop_worker import HopWorker
from rtrec.runtime.cluster.io import Io
from rtrec.settings import Settings
from rtrec.settings_cluster import Cluster
from rtrec.stages.effects import Writes
from rtrec.stages.hops.hop import Batch, HopTurn, Message
from rtrec.stages.messages import Record

OWNER: Final = Owner("heat", 0)
TOPIC: Final = "anchor_events"
TAKEN: Final = "taken"
SOON_S: Final = 30.0


def record(offset: int, value: bytes = b"", headers: bytes | None = None) -> Record:
    """A record that says where it stands."""
    return Record(offset, 0, None, value or str(offset).encode(), headers)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110 - conditions are of stores and workers, which have no event
            await asyncio.sleep(0.002)


class Remembering:
    """A hop whose state is every value that it was given, in order."""

    prefixes: tuple[str, ...] = (TAKEN,)

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._batch: Batch = {}

    def load(self, items: Mapping[str, bytes]) -> None:
        self.taken = msgpack.decode(items[TAKEN]) if items else []

    def prepare(self, batch: Batch) -> list[str]:
        self._batch = batch
        return []

    def turn(self, keys: Sequence[str], values: Sequence[bytes | None]) -> HopTurn:
        del keys, values
        new = [one.value.decode() for records in self._batch.values() for one in records]
        self.taken += new
        turn = HopTurn(events=len(new), messages=[Message("out", 0, ",".join(new).encode())])
        turn.writes.puts[TAKEN] = msgpack.encode(self.taken)
        return turn

    def outbox(self) -> list[Message]:
        return []

    def published(self) -> None:
        """There is no outbox."""


class Troubled(SqliteStore):
    """A store that is away when it is told to be.

    faults: for the next commits: "before" (it is not carried out), "after" (it is). held: commits wait while it is
    cleared. attempts: when commits were begun. away: nothing can be done.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.faults: deque[str] = deque()
        self.held = threading.Event()
        self.held.set()
        self.attempts: list[float] = []
        self.away = False

    def acquire(self, owner: Owner) -> Lease:
        self._require()
        return super().acquire(owner)

    def offsets(self, owner: Owner) -> Mapping[str, int]:
        self._require()
        return super().offsets(owner)

    def commit(self, owner: Owner, epoch: int, inputs: Mapping[str, tuple[int, int]], writes: Writes) -> Verdict:
        self._require()
        self.attempts.append(time.monotonic())
        fault = self.faults.popleft() if self.faults else ""
        if fault == "before":
            raise StoreAway("redis at x: away")
        self.held.wait(SOON_S)
        verdict = super().commit(owner, epoch, inputs, writes)
        if fault == "after":
            raise StoreAway("redis at x: no answer in time")
        return verdict

    def commit_many(self, commits: Sequence[Commit]) -> list[Verdict | Exception]:
        found: list[Verdict | Exception] = []
        for one in commits:
            try:
                found.append(self.commit(*one))
            except OSError as error:
                found.append(error)
        return found

    def get_many(self, requests: Sequence[tuple[Owner, Sequence[str]]]) -> list[list[bytes | None]]:
        return [self.get(*one) for one in requests]

    def _require(self) -> None:
        if self.away:
            raise StoreAway("redis at x: away")


@dataclass
class Sidelong:
    """Side topics in memory."""

    records: dict[str, list[Record]] = field(default_factory=dict)

    def since(self, topic: str, partition: int, offset: int) -> list[Record]:
        del partition
        return [one for one in self.records.get(topic, []) if one.offset >= offset]


@dataclass
class Rig:
    """Everything around a worker. publishing: raises where publishing fails."""

    store: Troubled
    settings: Settings = field(default_factory=Settings)
    side: Sidelong = field(default_factory=Sidelong)
    published: list[Message] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    publishing: Callable[[Sequence[Message]], Awaitable[object]] | None = None

    @property
    def io(self) -> Io:
        calls = Gathered(self.store)
        return Io(self.settings, self.store, calls, self._publish, self.side, lambda: 0, self.restarts.append)

    async def _publish(self, messages: Sequence[Message]) -> list[int]:
        if self.publishing is not None:
            await self.publishing(messages)
        begins = len(self.published)
        self.published += messages
        return list(range(begins, len(self.published)))

    def worker(self, begins: int = 0, batch_events: int = 20_000, sides: dict[str, int] | None = None) -> HopWorker:
        """A worker, not started."""
        self.settings = Settings(cluster=Cluster(batch_events=batch_events))
        return HopWorker(OWNER, TOPIC, begins, Remembering, sides or {}, self.io)

    def done(self, offset: int) -> Callable[[], None]:
        """What to call when an offset is committed: it looks whether it is."""

        def called() -> None:
            assert self.next > offset, f"offset {offset} was acknowledged, and the store stands at {self.next}"
            self.acknowledged.append(offset)

        return called

    @property
    def next(self) -> int:
        """Where the store stands."""
        return SqliteStore.offsets(self.store, OWNER).get(TOPIC, 0)

    @property
    def taken(self) -> list[str]:
        """What the state in the store was made of."""
        (stored,) = self.store.get(OWNER, [TAKEN])
        return msgpack.decode(stored, type=list[str]) if stored else []


def troubled_store(folder: Path) -> Iterator[Troubled]:
    """A store in a folder of the test's own."""
    database = Database.open(folder / "rtrec.db")
    yield Troubled(database)
    database.close()


def numbers(first: int, end: int) -> list[str]:
    """The values of `record`s."""
    return [str(number) for number in range(first, end)]
