"""The protocol of a source: where stored events come from, and how a second run knows where the first stopped.

Rules
-----
- A source is a sequence of lines, each one event as JSON; the same file always gives the same sequence.
- A position is an integer that only the source understands; 0 is the beginning, and `position_after` of a
  line is where to go on once that line is stored.
- The head (the first 64 KiB, or what there is) says whether a path still holds the file read before; a file
  that only grew keeps its head. It is taken of the decompressed bytes, so packing a file anew changes nothing.
- A line beyond 64 KiB is cut before anything holds it whole; its headers prove the original.
- Standard input (and a pipe) has no position: its head is empty, and reading starts where the stream stands.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

HEAD_BYTES: Final = 65_536
BATCH_LINES: Final = 5_000


class SourceError(ValueError):
    """A source that cannot be read, or not go on being read: what, where, and what to do."""


class SourceLine(NamedTuple):
    """One event as bytes.

    headers: None, or msgpack `{"length": int, "sha256": bytes}` of the whole line where `value` is its beginning.
    position_after: where reading goes on behind this line.
    """

    value: bytes
    headers: bytes | None
    position_after: int


class Source(Protocol):
    """Stored events in one format."""

    format: str
    path: str
    """Absolute, or '-' for standard input."""

    def head(self) -> tuple[int, str]:
        """Length in bytes (≤ 65,536) and SHA-256 (hexadecimal) of how the file begins now."""

    def matches(self, head_length: int, head_sha256: str) -> bool:
        """Whether the first `head_length` bytes still have this hash."""

    def read(self, position: int) -> Iterator[list[SourceLine]]:
        """Batches of 1 to 5,000 lines from a position on; SourceError where the file is shorter than that."""


def require_same(source: Source, head_length: int, head_sha256: str) -> None:
    """Raise SourceError unless the source is the file that was read before (or a longer one)."""
    if not source.matches(head_length, head_sha256):
        raise SourceError(
            f"{source.path}: this is another file than the one read before (its first {head_length} bytes changed); "
            "give the new file another name, or replay it into another data folder"
        )
