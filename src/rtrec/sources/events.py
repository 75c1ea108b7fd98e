"""Format `events`: JSON Lines, plain, `.gz` or `.zst`, '-' for standard input.

A position is the offset in (decompressed) bytes behind a line's newline. Plain files jump to it, compressed ones
are read again up to it. Lines are handed on as they stand: what is wrong with one is INGEST's to say.
"""

import hashlib
import os
import select
import sys
from collections.abc import Iterator
from typing import BinaryIO

from rtrec.sources.files import BLOCK_BYTES, head_of, open_bytes, read_blocks
from rtrec.sources.lines import in_batches, split_lines
from rtrec.sources.source import SourceError, SourceLine


class EventsSource:
    """JSON Lines in a file."""

    format = "events"

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        with open_bytes(self.path):
            pass

    def head(self) -> tuple[int, str]:
        """How the file begins now."""
        return head_of(self.path)

    def matches(self, head_length: int, head_sha256: str) -> bool:
        """Whether the first `head_length` bytes still have this hash."""
        return head_of(self.path, head_length) == (head_length, head_sha256)

    def read(self, position: int) -> Iterator[list[SourceLine]]:
        """Batches of lines from a byte position on."""
        return in_batches(split_lines(read_blocks(self.path, position), position), position, lambda: False)


class EventsStream:
    """JSON Lines from standard input or a pipe: read once, from where it stands, handed on as soon as it is idle."""

    format = "events"

    def __init__(self, path: str) -> None:
        self.path = path if path == "-" else os.path.abspath(path)

    def head(self) -> tuple[int, str]:
        """Nothing: a stream has no beginning to come back to."""
        return 0, hashlib.sha256(b"").hexdigest()

    def matches(self, head_length: int, head_sha256: str) -> bool:
        """Whether what was read before was a stream too."""
        return (head_length, head_sha256) == self.head()

    def read(self, position: int) -> Iterator[list[SourceLine]]:
        """Batches of lines to the end of the stream; it has no positions, so `position` says nothing."""
        del position
        if self.path == "-":
            yield from _read_stream(sys.stdin.buffer)
            return
        try:
            with open(self.path, "rb") as stream:
                yield from _read_stream(stream)
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read ({error.strerror}); check the pipe") from None


def _read_stream(stream: BinaryIO) -> Iterator[list[SourceLine]]:
    blocks = iter(lambda: stream.read1(BLOCK_BYTES), b"")  # type: ignore[attr-defined]
    return in_batches(split_lines(blocks, 0), 0, lambda: not select.select([stream], [], [], 0)[0])


def open_events(path: str) -> EventsSource | EventsStream:
    """A file, or a stream where there is none to go back in."""
    is_stream = path == "-" or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path))
    return EventsStream(path) if is_stream else EventsSource(path)
