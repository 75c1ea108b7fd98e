"""How far a replay came in each source, kept in the transaction that appends what it read."""

import msgspec

from rtrec.adapters.sqlite_db import Database


class SourcePosition(msgspec.Struct, frozen=True):
    """The position reached in a source, and what proves that it is the same source.

    head_length: bytes of the source's beginning that were hashed; head_sha256: their hash, in hex.
    position: where to go on, in the format's own unit.
    """

    head_length: int
    head_sha256: str
    position: int


class SourcePositions:
    """Positions by format and absolute path."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, format: str, path: str) -> SourcePosition | None:  # noqa: A002 - the contract's word
        """The position kept for a source, or None."""
        with self._database.reading() as reader:
            row = reader.execute(
                "SELECT head_length, head_sha256, position FROM source_position WHERE format = ? AND path = ?",
                (format, path),
            ).fetchone()
        return SourcePosition(*row) if row else None

    def put(self, format: str, path: str, position: SourcePosition) -> None:  # noqa: A002 - see `get`
        """Keep a source's position, in place of an earlier one; part of the open transaction, if there is one."""
        row = (format, path, position.head_length, position.head_sha256, position.position)
        with self._database.transaction() as writer:
            writer.execute("INSERT OR REPLACE INTO source_position VALUES (?, ?, ?, ?, ?)", row)
