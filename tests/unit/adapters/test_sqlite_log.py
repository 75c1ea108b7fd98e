"""What the SQLite log promises beyond the port: the caller's clock, compaction at once, a lock held briefly."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtrec.adapters import sqlite_log
from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_log import DELETE_ROWS, SqliteLog
from rtrec.ports import Bounds, NewRecord, OffsetTrimmed
from tests.contract.records import BINARY, NOW_MS, offsets, read_all, values


def stored_rows(database: Database) -> int:
    with database.reading() as reader:
        return int(reader.execute("SELECT count(*) FROM log_record").fetchone()[0])


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    database = Database.open(tmp_path / "rtrec.db", durable=False)
    yield SqliteLog(database)
    database.close()


def test_records_carry_the_callers_clock(log: SqliteLog) -> None:
    """To the millisecond: a replay's times are a function of its input."""
    log.create("events", 1)
    for clock in (7, 5, 1 << 41):
        log.append("events", 0, values("a", "b"), clock)
    assert [record.append_ms for record in read_all(log, "events")] == [7, 7, 5, 5, 1 << 41, 1 << 41]


def test_a_trim_out_of_time_leaves_rows_that_later_calls_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call deletes one slice at least, rows left are unreadable, and neighbours and newer rows stay."""
    monkeypatch.setattr(sqlite_log, "TRIM_MS", 0)
    database = Database.open(tmp_path / "rtrec.db", durable=False)
    log = SqliteLog(database)
    log.create("events", 3)
    for partition in range(3):
        log.append("events", partition, [NewRecord(b"x")] * (3 * DELETE_ROWS), 1)
    start = 2 * DELETE_ROWS + 10
    left = []
    for _ in range(4):
        log.trim("events", 1, start)
        assert log.bounds("events", 1) == Bounds(start, 3 * DELETE_ROWS)
        with pytest.raises(OffsetTrimmed):
            log.read("events", 1, start - 1, 1)
        left.append(9 * DELETE_ROWS - stored_rows(database))
    assert left == [DELETE_ROWS, 2 * DELETE_ROWS, start, start]
    assert len(log.read("events", 1, start, 10_000)) == DELETE_ROWS - 10
    database.close()


# --- compact: superseded records go at once


def test_compaction_keeps_the_newest_record_of_each_key_at_its_offset(log: SqliteLog) -> None:
    log.create("control", 2)
    history = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (BINARY, b"4"), (b"b", b"5"), (BINARY, b"6"), (b"c", b"7")]
    for partition in range(2):
        log.append("control", partition, [NewRecord(value, key) for key, value in history], NOW_MS)
    log.compact("control", 0)
    assert [(r.offset, r.key, r.value) for r in read_all(log, "control", 0)] == [
        (2, b"a", b"3"),
        (4, b"b", b"5"),
        (5, BINARY, b"6"),
        (6, b"c", b"7"),
    ]
    assert log.bounds("control", 0) == Bounds(0, 7)
    assert len(read_all(log, "control", 1)) == 7


def test_a_record_without_a_key_is_nobodys_successor(log: SqliteLog) -> None:
    log.create("control", 1)
    log.append("control", 0, [NewRecord(b"1"), NewRecord(b"2", b""), NewRecord(b"3"), NewRecord(b"4", b"")], NOW_MS)
    log.compact("control", 0)
    assert offsets(log, "control") == [0, 2, 3]


def test_a_read_in_a_hole_goes_on_behind_it(log: SqliteLog) -> None:
    log.create("control", 1)
    log.append("control", 0, [NewRecord(str(i).encode(), b"k") for i in range(9)], NOW_MS)
    log.compact("control", 0)
    assert [r.offset for r in log.read("control", 0, 3, 1)] == [8]
    log.append("control", 0, [NewRecord(b"9", b"k")], NOW_MS)
    log.compact("control", 0)
    assert [r.offset for r in log.read("control", 0, 0, 10)] == [9]


def test_a_long_history_compacts_whole(log: SqliteLog) -> None:
    log.create("control", 1)
    log.append("control", 0, [NewRecord(b"v", str(i % 7).encode()) for i in range(5_000)], NOW_MS)
    log.trim("control", 0, 100)
    log.compact("control", 0)
    assert offsets(log, "control") == list(range(4_993, 5_000))
