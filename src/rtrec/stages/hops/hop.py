"""A hop: one owner's state in memory, and what a micro-batch of its input does to it. Pure: the host does the rest.

Rules
-----
- `prepare` names the records of the owner that must be loaded; `turn` is given them, and says what is to be done:
  messages that a host publishes and sees acknowledged *before* it commits the writes (what is a pure function of
  the log), and a promise (`outbox`) that it publishes *after* the commit, in order.
- A turn sends at most one message to a partition: with several, a consumer might hold the second and not the first.
- A hop is ahead of the store from `prepare` until the commit: when anything fails it is thrown away, and the next
  one loads from the store.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from rtrec.stages.effects import Effects, Writes
from rtrec.stages.messages import Record


class Message(NamedTuple):
    """What is to be published. topic: without namespace."""

    topic: str
    partition: int
    value: bytes
    headers: bytes | None = None
    key: bytes | None = None


@dataclass(slots=True)
class HopTurn:
    """What one micro-batch leaves.

    events: how many it held. counts: outcome → how often. refused: reasons of dead letters.
    """

    writes: Writes = field(default_factory=Writes)
    messages: list[Message] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    events: int = 0
    refused: list[str] = field(default_factory=list)

    def add(self, effects: Effects) -> None:
        """Fold a stage's effects in; later writes of a key win."""
        self.writes.puts.update(effects.writes.puts)
        self.writes.ranks.update(effects.writes.ranks)
        self.counts.update(effects.counts)


Batch = Mapping[str, Sequence[Record]]
"""A micro-batch by topic, without namespace: the main topic's records, and those of side topics (`control`, …)."""


class Hop(Protocol):
    """One owner's work; see the module's rules."""

    prefixes: tuple[str, ...]
    """What `load` wants of the store: the beginnings of keys."""

    def load(self, items: Mapping[str, bytes]) -> None:
        """Take what the store holds under the prefixes, once, before the first turn."""

    def prepare(self, batch: Batch) -> list[str]:
        """Read a micro-batch; the keys whose records `turn` must be given."""

    def turn(self, keys: Sequence[str], values: Sequence[bytes | None]) -> HopTurn:
        """Advance by the prepared micro-batch. values: of the keys that `prepare` named."""

    def outbox(self) -> list[Message]:
        """What is committed and not known to be published, in order; none where the log alone decides."""

    def published(self) -> None:
        """All of `outbox` was acknowledged."""
