"""What a stage wants done, as values: writes to its own state, and counts.

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


@dataclass(slots=True)
class Effects:
    """A stage's turn: what to write, and how much of what happened."""

    writes: Writes = field(default_factory=Writes)
    counts: Counter[str] = field(default_factory=Counter)
