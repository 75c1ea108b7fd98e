"""The data file: transactions over several ports, readers beside them, schema versions, opening and closing."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from rtrec.adapters.sqlite_db import SCHEMA_VERSION, Database, SchemaTooNew, TransactionDoomed
from rtrec.adapters.sqlite_log import SqliteLog
from rtrec.adapters.sqlite_sources import SourcePosition, SourcePositions
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.ports import Bounds, NewRecord, Owner, Verdict
from rtrec.stages.effects import Writes

HEAT, PROFILE = Owner("heat", 0), Owner("profile", 0)
WAIT_S = 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rtrec.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database.open(path)
    SqliteLog(database).create("events", 1)
    yield database
    database.close()


def append(database: Database, *texts: str) -> int:
    return SqliteLog(database).append("events", 0, [NewRecord(text.encode()) for text in texts], 1)


def end(database: Database) -> int:
    return SqliteLog(database).bounds("events", 0).end


class Boom(Exception):
    """What a host's own code may raise."""


# --- transactions


def test_one_transaction_holds_commits_appends_and_positions(database: Database, path: Path) -> None:
    """A turn through all stages is one atomic step; another process sees none of it before the end."""
    log, store, sources = SqliteLog(database), SqliteStore(database), SourcePositions(database)
    other = Database.open(path)
    reached = SourcePosition(3, "ab", 7)
    with database.transaction():
        append(database, "a", "b")
        for owner in (HEAT, PROFILE):
            writes = Writes({"k": b"v"}, {"m": 1.0})
            assert store.commit(owner, store.acquire(owner).epoch, {"events": (0, 2)}, writes) is Verdict.OK
        sources.put("events", "/f", reached)
        assert [r.value for r in log.read("events", 0, 0, 9)] == [b"a", b"b"]
        assert log.bounds("events", 0) == Bounds(0, 2)
        assert (store.get(PROFILE, ["k"]), store.offsets(HEAT), store.top(HEAT, 1)) == (
            [b"v"],
            {"events": 2},
            [("m", 1.0)],
        )
        assert sources.get("events", "/f") == reached
        assert end(other) == 0
        assert SqliteStore(other).get(HEAT, ["k"]) == [None]
    assert end(other) == 2
    assert SqliteStore(other).get(PROFILE, ["k"]) == [b"v"]
    assert SourcePositions(other).get("events", "/f") == reached
    other.close()


def test_an_exception_undoes_all_of_a_transaction(database: Database) -> None:
    store = SqliteStore(database)
    epoch = store.acquire(HEAT).epoch

    def turn() -> None:
        with database.transaction():
            append(database, "a")
            store.commit(HEAT, epoch, {"events": (0, 1)}, Writes({"k": b"v"}))
            store.acquire(HEAT)
            raise Boom

    with pytest.raises(Boom):
        turn()
    assert (end(database), store.get(HEAT, ["k"]), store.offsets(HEAT)) == (0, [None], {})
    assert store.commit(HEAT, epoch, {"events": (0, 1)}, Writes()) is Verdict.OK
    assert append(database, "b") == 0


def test_a_nested_transaction_joins_the_outer_one(database: Database, path: Path) -> None:
    other = Database.open(path)

    def turn() -> None:
        with database.transaction():
            with database.transaction():
                append(database, "a")
            assert end(other) == 0
            raise Boom

    with pytest.raises(Boom):
        turn()
    assert end(database) == 0
    other.close()


def test_a_failed_step_that_is_caught_dooms_the_whole(database: Database) -> None:
    """Nothing half written is committed by a caller that swallowed the fault, and no step after it is taken."""
    store = SqliteStore(database)
    epoch = store.acquire(HEAT).epoch

    def turn() -> None:
        with database.transaction():
            append(database, "a")
            with pytest.raises(sqlite3.IntegrityError):
                store.commit(HEAT, epoch, {}, Writes({"k": b"v"}, {"m": float("nan")}))
            with pytest.raises(TransactionDoomed):
                append(database, "b")

    with pytest.raises(TransactionDoomed):
        turn()
    assert (end(database), store.get(HEAT, ["k"])) == (0, [None])
    assert append(database, "c") == 0


def test_durability_is_the_outermost_transactions_word(path: Path) -> None:
    """2 = FULL, an fsync per commit; 1 = NORMAL."""

    def level(database: Database, *, durable: bool) -> int:
        with database.transaction(durable=durable) as writer, database.transaction():
            return int(writer.execute("PRAGMA synchronous").fetchone()[0])

    database = Database.open(path)
    assert [level(database, durable=durable) for durable in (True, False, True, True, False)] == [2, 1, 2, 2, 1]
    database.close()
    careless = Database.open(path, durable=False)
    assert [level(careless, durable=durable) for durable in (True, False)] == [1, 1]
    careless.close()


# --- threads


def test_readers_do_not_wait_for_an_open_transaction(database: Database) -> None:
    """Another thread reads what was committed before, at once, while the writer holds its lock."""
    append(database, "a")
    with ThreadPoolExecutor(1) as pool, database.transaction():
        append(database, "b")
        assert pool.submit(end, database).result(timeout=WAIT_S) == 1
        assert not pool.submit(lambda: database.in_transaction).result(timeout=WAIT_S)
        assert end(database) == 2
    assert end(database) == 2


def test_writers_of_a_process_queue_and_never_fail_for_it(database: Database) -> None:
    """A transaction that outlasts any busy timeout does not make the others fail; they go on after it."""
    with database.transaction() as writer:
        writer.execute("PRAGMA busy_timeout = 1")
    holding, release = Event(), Event()

    def hold() -> None:
        with database.transaction():
            append(database, "first")
            holding.set()
            release.wait(WAIT_S)

    with ThreadPoolExecutor(5) as pool:
        held = pool.submit(hold)
        assert holding.wait(WAIT_S)
        others = [pool.submit(append, database, "x") for _ in range(4)]
        release.set()
        held.result(WAIT_S)
        assert sorted(other.result(WAIT_S) for other in others) == [1, 2, 3, 4]


def test_readers_that_come_and_go_share_connections(database: Database) -> None:
    """Threads die; what they read with is used again, so a server does not run out of file handles."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("counts open files in /proc, which this system does not have")
    end(database)
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(end, database).result(WAIT_S) == 0
    assert len(list(descriptors.iterdir())) == before


def test_a_scan_is_one_snapshot_also_while_its_caller_writes(database: Database) -> None:
    store = SqliteStore(database)
    epoch = store.acquire(HEAT).epoch
    store.commit(HEAT, epoch, {}, Writes({"a": b"1", "b": b"1", "c": b"1"}))
    change = Writes({"b": None, "c": b"2", "d": b"2"})
    scan = store.scan(HEAT)
    first = next(scan)
    store.commit(HEAT, epoch, {}, change)
    assert [first, *scan] == [("a", b"1"), ("b", b"1"), ("c", b"1")]
    with database.transaction():
        scan = store.scan(HEAT)
        first = next(scan)
        store.commit(HEAT, epoch, {}, Writes({"c": None, "z": b"3"}))
        assert [first, *scan] == [("a", b"1"), ("c", b"2"), ("d", b"2")]
        assert [key for key, _ in store.scan(HEAT)] == ["a", "d", "z"]


# --- opening and closing


def test_a_file_of_a_newer_rtrec_is_refused_with_both_versions(path: Path) -> None:
    Database.open(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    raw.close()
    with pytest.raises(SchemaTooNew, match=rf"{path}.*{SCHEMA_VERSION + 1}.*{SCHEMA_VERSION}"):
        Database.open(path)


def test_processes_that_open_a_new_file_at_once_all_find_it_whole(path: Path) -> None:
    code = """
import sys; from pathlib import Path
from rtrec.adapters.sqlite_db import Database; from rtrec.adapters.sqlite_log import SqliteLog
from rtrec.ports import NewRecord
sys.stdin.readline()
database = Database.open(Path(sys.argv[1])); log = SqliteLog(database)
log.create("events", 2)
for _ in range(20): log.append("events", 1, [NewRecord(b"x")], 1)
database.close()
"""
    command = [sys.executable, "-c", code, str(path)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]  # noqa: S603 - our own code
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    assert [worker.wait(WAIT_S) for worker in workers] == [0, 0, 0, 0]
    database = Database.open(path)
    assert SqliteLog(database).bounds("events", 1) == Bounds(0, 80)
    database.close()


def test_closing_folds_the_write_ahead_log_into_the_file(path: Path) -> None:
    """A closed folder is one file to copy; also while another process has it open, all is in the file."""
    database, other = Database.open(path), Database.open(path)
    SqliteLog(database).create("events", 1)
    append(database, "a" * 100_000)
    assert end(other) == 1
    wal = path.with_name("rtrec.db-wal")
    assert wal.stat().st_size > 100_000
    database.close()
    assert wal.stat().st_size == 0
    other.close()
    assert [file.name for file in path.parent.iterdir()] == ["rtrec.db"]


def test_a_closed_database_refuses_work(path: Path) -> None:
    database = Database.open(path)
    database.close()
    database.close()
    with pytest.raises(sqlite3.ProgrammingError), database.reading():
        pass
    with pytest.raises(sqlite3.ProgrammingError), database.transaction():
        pass
