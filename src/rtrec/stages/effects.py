"""What a stage wants done, as values: writes to its own state, outputs, dead letters, counts.

Rules
-----
- A write is an absolute value, never an increment: doing it twice changes nothing.
- A key belongs to the stage's owner; no stage writes another's keys.
- `None` as a value deletes the key; `None` as a rank removes the member.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Writes:
    """Dirty records of one owner, as absolute values.

    puts: key → bytes, or None to delete.
    ranks: member → score of the owner's ranking, or None to remove.
    """

    puts: dict[str, bytes | None] = field(default_factory=dict)
    ranks: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was not taken: why, where it stood, and its bytes (cut to 64 KiB) with what proves them.

    length, sha256: of the whole original, also where `original` is cut.
    """

    reason: str
    topic: str
    partition: int
    offset: int
    original: bytes
    length: int
    sha256: bytes


@dataclass(slots=True)
class Effects:
    """A stage's turn: state writes, messages for the next topic, dead letters, and counts by metric label."""

    writes: Writes = field(default_factory=Writes)
    outputs: dict[str, list[bytes]] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
