"""Blocks of bytes become lines with positions. No I/O; a long line is never held whole.

Rules
-----
- A line ends with a newline or with the stream; blank lines are skipped, their bytes count in positions.
- A line beyond `MAX_EVENT_BYTES` keeps its first bytes; length and hash are taken as it streams by.
- Where blocks begin and end changes nothing but the batches.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate, compress, count, repeat
from operator import add
from typing import Final, cast

import msgspec

from rtrec.events.schema import MAX_EVENT_BYTES
from rtrec.sources.source import BATCH_LINES, SourceLine

BATCH_BYTES: Final = 8 << 20
_as_line: Final = cast(Callable[[tuple[bytes, None, int]], SourceLine], partial(tuple.__new__, SourceLine))
"""`SourceLine._make` without its detour through Python."""


class _LongLine:
    """A line that outgrew the bound: its beginning, and what proves the rest."""

    def __init__(self, start: bytes) -> None:
        self._kept = start[:MAX_EVENT_BYTES]
        self.length = len(start)
        self._sha256 = hashlib.sha256(start)

    def extend(self, piece: bytes) -> None:
        self.length += len(piece)
        self._sha256.update(piece)

    def close(self, position_after: int) -> SourceLine:
        headers = msgspec.msgpack.encode({"length": self.length, "sha256": self._sha256.digest()})
        return SourceLine(self._kept, headers, position_after)


def bounded_line(line: bytes, position_after: int) -> SourceLine:
    """A whole line, cut if it is too long.

    >>> bounded_line(b"a" * 70_000, 1).value == b"a" * 65_536
    True
    """
    if len(line) > MAX_EVENT_BYTES:
        return _LongLine(line).close(position_after)
    return SourceLine(line, None, position_after)


def split_lines(blocks: Iterable[bytes], position: int) -> Iterator[list[SourceLine]]:
    r"""The lines that each block completes (perhaps none), the first beginning at `position`.

    >>> [line for chunk in split_lines([b"a", b"b\n\n", b"c"], 0) for line in chunk]
    [SourceLine(value=b'ab', headers=None, position_after=3), SourceLine(value=b'c', headers=None, position_after=5)]
    """
    tail = b""
    long: _LongLine | None = None
    for block in blocks:
        done: list[SourceLine] = []
        rest = block
        if long is not None:
            piece, newline, rest = block.partition(b"\n")
            long.extend(piece)
            if newline:
                position += long.length + 1
                done.append(long.close(position))
                long = None
        if long is None:
            body, newline, tail = (tail + rest).rpartition(b"\n")
            if newline:
                done += _whole_lines(body.split(b"\n"), position)
                position += len(body) + 1
            if len(tail) > MAX_EVENT_BYTES:
                long, tail = _LongLine(tail), b""
        yield done
    if long is not None:
        yield [long.close(position + long.length)]
    elif tail.strip():
        yield [SourceLine(tail, None, position + len(tail))]


def _whole_lines(lines: list[bytes], position: int) -> Iterable[SourceLine]:
    """Lines that each had their newline; the loops run in C, for a million lines a second."""
    if len(max(lines, key=len)) > MAX_EVENT_BYTES:
        return _mixed_lines(lines, position)
    ends = map(add, accumulate(map(len, lines)), count(position + 1))
    return map(_as_line, compress(zip(lines, repeat(None), ends), map(bytes.strip, lines)))


def _mixed_lines(lines: list[bytes], position: int) -> Iterator[SourceLine]:
    for line in lines:
        position += len(line) + 1
        if len(line) > MAX_EVENT_BYTES or line.strip():
            yield bounded_line(line, position)


def in_batches(
    chunks: Iterable[list[SourceLine]], position: int, idle: Callable[[], bool]
) -> Iterator[list[SourceLine]]:
    """Gather lines into batches of 5,000, or fewer where 8 MiB are together or the stream is idle."""
    pending: list[SourceLine] = []
    for chunk in chunks:
        pending += chunk
        while len(pending) >= BATCH_LINES:
            batch, pending = pending[:BATCH_LINES], pending[BATCH_LINES:]
            position = batch[-1].position_after
            yield batch
        if pending and (pending[-1].position_after - position >= BATCH_BYTES or idle()):
            position = pending[-1].position_after
            yield pending
            pending = []
    if pending:
        yield pending
