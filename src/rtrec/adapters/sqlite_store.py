"""The state store in SQLite: records by owner, a fenced commit, a ranking per owner.

The rules of a commit are `rtrec.ports`'; `judge` is their order.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final

from rtrec.adapters.sqlite_db import Database
from rtrec.ports import Lease, Owner, Verdict
from rtrec.stages.effects import Writes

_SET_EPOCH: Final = "INSERT INTO state_epoch VALUES (?, ?) ON CONFLICT DO UPDATE SET epoch = excluded.epoch"
_SET_OFFSET: Final = "INSERT INTO state_offset VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next"
_PUT: Final = "INSERT INTO state_record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
GET_KEYS: Final = 500
_GET: Final = "SELECT key, value FROM state_record WHERE owner = ? AND key IN"
_DELETE: Final = "DELETE FROM state_record WHERE owner = ? AND key = ?"
_RANK: Final = """
    INSERT INTO state_rank VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET score = excluded.score WHERE score != excluded.score"""
_UNRANK: Final = "DELETE FROM state_rank WHERE owner = ? AND member = ?"
_TOP: Final = "SELECT member, score FROM state_rank WHERE owner = ? ORDER BY score DESC, member LIMIT ? OFFSET ?"


def judge(
    epoch: int, inputs: Mapping[str, tuple[int, int]], stored_epoch: int, stored_offsets: Mapping[str, int]
) -> Verdict:
    """A commit's verdict; an input never committed stands at 0.

    >>> judge(2, {"events": (5, 9)}, 2, {"events": 5}), judge(1, {"events": (5, 9)}, 2, {"events": 5})
    (<Verdict.OK: 'ok'>, <Verdict.FENCED: 'fenced'>)
    """
    if epoch < stored_epoch:
        return Verdict.FENCED
    if all(first == next_ for first, next_ in inputs.values()):
        return Verdict.OK
    spans = [(first, next_, stored_offsets.get(topic, 0)) for topic, (first, next_) in inputs.items()]
    if all(next_ <= stored for _, next_, stored in spans):
        return Verdict.DUPLICATE
    if any(first > stored for first, _, stored in spans):
        return Verdict.GAP
    if any(first < stored for first, _, stored in spans):
        return Verdict.OVERLAP
    return Verdict.OK


class SqliteStore:
    """`ports.StateStore` over a data file. Any thread may call any method."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, owner: Owner) -> Lease:
        """Take an owner over: a new epoch, and where its inputs stand."""
        with self._database.transaction() as writer:
            epoch = _epoch(writer, owner) + 1
            writer.execute(_SET_EPOCH, (str(owner), epoch))
            return Lease(epoch, _offsets(writer, owner))

    def offsets(self, owner: Owner) -> Mapping[str, int]:
        """Where each of an owner's inputs stands."""
        with self._database.reading() as reader:
            return _offsets(reader, owner)

    def commit(self, owner: Owner, epoch: int, inputs: Mapping[str, tuple[int, int]], writes: Writes) -> Verdict:
        """Write records and offsets, or nothing; inside a transaction, as durable as that is."""
        with self._database.transaction() as writer:
            stored_epoch = _epoch(writer, owner)
            verdict = judge(epoch, inputs, stored_epoch, _offsets(writer, owner))
            if verdict is Verdict.OK:
                if epoch > stored_epoch:
                    writer.execute(_SET_EPOCH, (str(owner), epoch))
                _write(writer, str(owner), inputs, writes)
        return verdict

    def get(self, owner: Owner, keys: Sequence[str]) -> list[bytes | None]:
        """Values in the order of the keys, of one snapshot."""
        found: dict[str, bytes] = {}
        with self._database.reading() as reader:
            for first in range(0, len(keys), GET_KEYS):
                wanted = keys[first : first + GET_KEYS]
                found.update(reader.execute(f"{_GET} ({', '.join('?' * len(wanted))})", (str(owner), *wanted)))
        return [found.get(key) for key in keys]

    def scan(self, owner: Owner, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """As the port says; one snapshot from the first record to the last, held open in between."""
        with self._database.reading() as reader:
            rows: Iterator[tuple[str, bytes]] = reader.execute(
                "SELECT key, value FROM state_record WHERE owner = ? AND key >= ? ORDER BY key", (str(owner), prefix)
            )
            matching = takewhile(lambda row: row[0].startswith(prefix), rows)
            # Inside a transaction the caller may write while it iterates, which an open cursor would see.
            yield from list(matching) if self._database.in_transaction else matching

    def top(self, owner: Owner, limit: int, skip: int = 0) -> list[tuple[str, float]]:
        """A page of the ranking; costs as much as `skip` + `limit` rows."""
        with self._database.reading() as reader:
            return reader.execute(_TOP, (str(owner), limit, skip)).fetchall()


def _epoch(connection: sqlite3.Connection, owner: Owner) -> int:
    row = connection.execute("SELECT epoch FROM state_epoch WHERE owner = ?", (str(owner),)).fetchone()
    return int(row[0]) if row else 0


def _offsets(connection: sqlite3.Connection, owner: Owner) -> dict[str, int]:
    return dict(connection.execute("SELECT topic, next FROM state_offset WHERE owner = ?", (str(owner),)))


def _write(writer: sqlite3.Connection, owner: str, inputs: Mapping[str, tuple[int, int]], writes: Writes) -> None:
    read = [(owner, topic, next_) for topic, (first, next_) in inputs.items() if next_ > first]
    writer.executemany(_SET_OFFSET, read)
    writer.executemany(_PUT, [(owner, key, value) for key, value in writes.puts.items() if value is not None])
    writer.executemany(_DELETE, [(owner, key) for key, value in writes.puts.items() if value is None])
    writer.executemany(_RANK, [(owner, member, score) for member, score in writes.ranks.items() if score is not None])
    writer.executemany(_UNRANK, [(owner, member) for member, score in writes.ranks.items() if score is None])
