"""The event log in SQLite: partitions and offsets as in Kafka.

Rules
-----
- A record's `position` is its partition's id << 44 plus its offset, so that a partition is one range of one
  table, appended at its end. 2^44 offsets are 55 years of 10,000 records a second.
- A partition's row holds [start, end); it is written in the transaction that appends or trims, so the end
  stands whatever was removed.
- `trim` moves the start at once and deletes for about `TRIM_MS`: what is left below the start is unreadable
  already, and goes with the next calls. `compact` deletes in slices, so that appends get in between.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from time import monotonic
from typing import Final, NamedTuple

from rtrec.adapters.sqlite_db import Database
from rtrec.ports import Bounds, NewRecord, OffsetTrimmed, Record

OFFSET_BITS: Final = 44
DELETE_ROWS: Final = 1_000
TRIM_MS: Final = 20
WIDE: Final = 50

_INSERT: Final = "INSERT INTO log_record (position, append_ms, key, value, headers) VALUES (?, ?, ?, ?, ?)"
_INSERT_WIDE: Final = _INSERT + ", (?, ?, ?, ?, ?)" * (WIDE - 1)
_READ: Final = """
    SELECT position - ?, append_ms, key, value, headers FROM log_record
    WHERE position >= ? AND position < ? ORDER BY position LIMIT ?"""
_SUPERSEDED: Final = """
    SELECT position FROM log_record WHERE position >= :first AND position < :next AND key IS NOT NULL
    AND position NOT IN (SELECT max(position) FROM log_record
                         WHERE position >= :first AND position < :next GROUP BY key)"""


class _Partition(NamedTuple):
    """A partition's row."""

    id: int
    start: int
    end: int

    def position(self, offset: int) -> int:
        return (self.id << OFFSET_BITS) + offset


class SqliteLog:
    """`ports.EventLog` over a data file. Any thread may call any method."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic; ValueError when it stands with other partitions."""
        if partitions < 1:
            raise ValueError(f"{topic}: a topic has at least 1 partition, not {partitions}")
        with self._database.transaction() as writer:
            stands = _count(writer, topic)
            if stands not in (0, partitions):
                raise ValueError(f"{topic} has {stands} partitions, not {partitions}")
            if not stands:
                writer.executemany(
                    "INSERT INTO log_partition (topic, number, start_offset, end_offset) VALUES (?, ?, 0, 0)",
                    [(topic, number) for number in range(partitions)],
                )

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        with self._database.reading() as reader:
            count = _count(reader, topic)
        if not count:
            raise LookupError(f"no topic {topic}")
        return count

    def append(self, topic: str, partition: int, records: Sequence[NewRecord], append_ms: int) -> int:
        """Add records at the end and return the first one's offset; inside a transaction, as durable as that is."""
        with self._database.transaction() as writer:
            at = _partition(writer, topic, partition)
            rows: list[tuple[object, ...]] = [
                (position, append_ms, record.key, record.value, record.headers)
                for position, record in enumerate(records, at.position(at.end))
            ]
            _insert(writer, rows)
            writer.execute("UPDATE log_partition SET end_offset = ? WHERE id = ?", (at.end + len(rows), at.id))
        return at.end

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        """Up to `max_records` records from `offset` on."""
        with self._database.reading() as reader:
            at = _partition(reader, topic, partition)
            if not at.start <= offset <= at.end:
                raise OffsetTrimmed(f"{topic}:{partition} holds offsets from {at.start} to {at.end}, not {offset}")
            span = (at.position(0), at.position(offset), at.position(at.end), max_records)
            return list(map(Record._make, reader.execute(_READ, span)))

    def bounds(self, topic: str, partition: int) -> Bounds:
        """The readable offsets."""
        with self._database.reading() as reader:
            at = _partition(reader, topic, partition)
        return Bounds(at.start, at.end)

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        """Move the start up to an offset, and remove what there is time for; see the module's rules."""
        with self._database.transaction(durable=False) as writer:
            at = _partition(writer, topic, partition)
            start = max(at.start, min(before_offset, at.end))
            if start > at.start:
                writer.execute("UPDATE log_partition SET start_offset = ? WHERE id = ?", (start, at.id))
            _delete_below(writer, at.position(0), at.position(start))

    def compact(self, topic: str, partition: int) -> None:
        """Keep only the newest record of each key, and those without one."""
        # A superseded record stays superseded whatever is appended or trimmed, so it can be found without the lock.
        with self._database.reading() as reader:
            at = _partition(reader, topic, partition)
            span = {"first": at.position(0), "next": at.position(at.end)}
            superseded = reader.execute(_SUPERSEDED, span).fetchall()
        for first in range(0, len(superseded), DELETE_ROWS):
            with self._database.transaction(durable=False) as writer:
                slice_ = superseded[first : first + DELETE_ROWS]
                writer.executemany("DELETE FROM log_record WHERE position = ?", slice_)


def _count(connection: sqlite3.Connection, topic: str) -> int:
    return int(connection.execute("SELECT count(*) FROM log_partition WHERE topic = ?", (topic,)).fetchone()[0])


def _partition(connection: sqlite3.Connection, topic: str, number: int) -> _Partition:
    row = connection.execute(
        "SELECT id, start_offset, end_offset FROM log_partition WHERE topic = ? AND number = ?", (topic, number)
    ).fetchone()
    if row is None:
        raise LookupError(f"no partition {topic}:{number}")
    return _Partition._make(row)


def _insert(writer: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    """Insert rows of a batch, `WIDE` in a statement: a quarter less time than one each."""
    whole = len(rows) - len(rows) % WIDE
    wide = (tuple(chain.from_iterable(rows[first : first + WIDE])) for first in range(0, whole, WIDE))
    writer.executemany(_INSERT_WIDE, wide)
    writer.executemany(_INSERT, rows[whole:])


def _delete_below(writer: sqlite3.Connection, first: int, end: int) -> None:
    """Delete records of [first, end) from the lowest on, in slices, until they or the time run out."""
    deadline_s = monotonic() + TRIM_MS / 1_000
    while True:
        (lowest,) = writer.execute(
            "SELECT min(position) FROM log_record WHERE position >= ? AND position < ?", (first, end)
        ).fetchone()
        if lowest is None:
            return
        below = min(end, lowest + DELETE_ROWS)
        writer.execute("DELETE FROM log_record WHERE position >= ? AND position < ?", (lowest, below))
        if monotonic() >= deadline_s:
            return
