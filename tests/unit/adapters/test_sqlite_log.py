"""Retention of the SQLite log: the lock is held briefly, the rows go in the end."""

from pathlib import Path

import pytest

from rtrec.adapters import sqlite_log
from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_log import DELETE_ROWS, SqliteLog
from rtrec.ports import Bounds, NewRecord, OffsetTrimmed


def stored_rows(database: Database) -> int:
    with database.reading() as reader:
        return int(reader.execute("SELECT count(*) FROM log_record").fetchone()[0])


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
