"""Chunks: state that only grows and expires, persisted as a few blobs instead of rewritten whole.

Rules
-----
- A commit writes one new chunk of its own rows; rows are never changed in place.
- A chunk none of whose rows is alive is dropped. Two neighbours are merged, without their dead rows, while
  the older is not twice as long as the newer (the logarithmic method, Bentley & Saxe 1980): there are at
  most log2(rows) chunks, and a row is rewritten at most log2(rows) times.
- Rows are bounded (`bound`): past the limit the oldest eighth goes, so that cutting the oldest chunk is paid
  for by many commits.
- A chunk's number only grows; loading in order of numbers gives rows in order of arrival.
- What a chunk holds is independent of how rows were cut into commits; digests hash rows, not chunks.

Used for seen ids, the gift ledger and the people of open blocks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.events.rows import concatenated
from rtrec.stages.effects import Writes

Rows = NDArray[np.void]
VERSION = 1


class _Stored(msgspec.Struct, array_like=True):
    version: int
    rows: bytes
    texts: list[str]


@dataclass(slots=True)
class _Chunk:
    number: int
    rows: Rows
    texts: list[str]
    last_alive: int


class Chunks:
    """Rows of one structured type under keys `{prefix}/{number}`, with one text beside each row if asked.

    Parameters
    ----------
    expires: rows → int64, the last time (on the caller's scale) at which each row still counts.
    """

    def __init__(self, prefix: str, dtype: np.dtype[np.void], expires: Callable[[Rows], NDArray[np.int64]]) -> None:
        self._prefix, self._dtype, self._expires = prefix, dtype, expires
        self._chunks: list[_Chunk] = []
        self._next = 0

    def __len__(self) -> int:
        return sum(len(chunk.rows) for chunk in self._chunks)

    def load(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Take stored chunks, given in order of their keys; others' keys are passed over."""
        for key, value in items:
            if not key.startswith(self._prefix + "/"):
                continue
            stored = msgspec.msgpack.decode(value, type=_Stored)
            if stored.version != VERSION:
                msg = f"{key}: written in chunk format {stored.version}, this rtrec reads {VERSION}; use a newer rtrec"
                raise ValueError(msg)
            number = int(key.rsplit("/", 1)[1], 16)
            rows = np.frombuffer(stored.rows, self._dtype)
            self._chunks.append(_Chunk(number, rows, stored.texts, int(self._expires(rows).max(initial=0))))
            self._next = max(self._next, number + 1)

    def rows(self, now: int) -> tuple[Rows, list[str]]:
        """Every row alive at `now`, in order of arrival, and their texts."""
        if not self._chunks:
            return np.zeros(0, self._dtype), []
        alive = [self._alive(chunk, now) for chunk in self._chunks]
        return concatenated([rows for rows, _ in alive]), [text for _, texts in alive for text in texts]

    def add(self, rows: Rows, texts: list[str], now: int, writes: Writes) -> None:
        """Append a commit's rows, drop and merge what the rules say, and note the changed chunks in `writes`."""
        for chunk in [chunk for chunk in self._chunks if chunk.last_alive < now]:
            self._chunks.remove(chunk)
            writes.puts[self._key(chunk.number)] = None
        if not len(rows):
            return
        fresh = _Chunk(self._take_number(), rows, texts, int(self._expires(rows).max()))
        while self._chunks and len(self._chunks[-1].rows) < 2 * len(fresh.rows):
            older = self._chunks.pop()
            writes.puts[self._key(older.number)] = None
            old_rows, old_texts = self._alive(older, now)
            fresh.rows, fresh.texts = concatenated([old_rows, fresh.rows]), old_texts + fresh.texts
            fresh.last_alive = max(fresh.last_alive, older.last_alive)
        self._chunks.append(fresh)
        self._write(fresh, writes)

    def bound(self, limit: int, writes: Writes) -> int:
        """Drop the oldest rows once there are more than `limit`; how many went."""
        extra = len(self) - limit
        if extra <= 0:
            return 0
        dropped = left = min(extra + limit // 8, len(self))
        while left:
            oldest = self._chunks[0]
            gone = min(left, len(oldest.rows))
            left -= gone
            oldest.rows, oldest.texts = oldest.rows[gone:], oldest.texts[gone:]
            if len(oldest.rows):
                self._write(oldest, writes)
            else:
                writes.puts[self._key(self._chunks.pop(0).number)] = None
        return dropped

    def _write(self, chunk: _Chunk, writes: Writes) -> None:
        stored = _Stored(VERSION, chunk.rows.tobytes(), chunk.texts)
        writes.puts[self._key(chunk.number)] = msgspec.msgpack.encode(stored)

    def _alive(self, chunk: _Chunk, now: int) -> tuple[Rows, list[str]]:
        keep = self._expires(chunk.rows) >= now
        if keep.all():
            return chunk.rows, chunk.texts
        return chunk.rows.compress(keep), [text for text, kept in zip(chunk.texts, keep, strict=False) if kept]

    def _take_number(self) -> int:
        self._next += 1
        return self._next - 1

    def _key(self, number: int) -> str:
        return f"{self._prefix}/{number:016x}"
