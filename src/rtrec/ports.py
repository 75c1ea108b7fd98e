"""What the shells need of the world: an event log and a state store. One contract suite each.

Rules of the store (design, *State, exactly once*)
--------------------------------------------------
- A record has one writer: the holder of its owner's newest epoch.
- `commit` is one atomic step: the fence, the check of offsets, every dirty record, the new offsets.
- Verdicts, in this order:
  FENCED    `epoch` is older than the stored one (a zombie writes);
  DUPLICATE something was read and every `next` ≤ stored: this was committed before;
  GAP       a `first` > stored: input was skipped;
  OVERLAP   a `first` < stored otherwise: some of it was committed before;
  OK        everything is written.
  Only OK changes anything. A commit that read nothing is judged by its epoch alone.
- Ranges are [first, next): `first` is where reading began, holes inside are the log's own.
- A store that cannot be reached raises `StoreAway`. A commit that did may have been carried out: commit it again, and
  DUPLICATE says that it was.

Rules of the log
----------------
- Offsets of a partition grow by one from 0; `append` has made its records durable when it returns.
- `append_ms` is the log's clock, not the event's. A log with a clock of its own (Kafka: LogAppendTime, one clock for
  all producers, which its retention and lag in seconds go by) stamps records with that and leaves the argument
  unused; one without (SQLite) stores the argument. So callers pass their wall clock, and nobody relies on it coming
  back to the millisecond but those who work on a folder alone.
- Reading below the start (trimmed) raises `OffsetTrimmed`: a stored offset outside the log is an alarm,
  never a silent reset.
- A log that cannot be reached raises `LogAway`. An append that did may have been stored, or be stored yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from rtrec.stages.effects import Writes
from rtrec.stages.messages import Record


class Owner(NamedTuple):
    """Who writes a set of records: a stage and the partition it works on."""

    stage: str
    partition: int

    def __str__(self) -> str:
        return f"{self.stage}:{self.partition}"


class Verdict(Enum):
    """How the store judged a commit; see the module's rules."""

    OK = "ok"
    FENCED = "fenced"
    DUPLICATE = "duplicate"
    GAP = "gap"
    OVERLAP = "overlap"


class Lease(NamedTuple):
    """What a worker is handed when it takes an owner over: its epoch and where each input stands."""

    epoch: int
    offsets: Mapping[str, int]


class NewRecord(NamedTuple):
    """One message to append."""

    value: bytes
    key: bytes | None = None
    headers: bytes | None = None


class Bounds(NamedTuple):
    """A partition's readable offsets: [start, end)."""

    start: int
    end: int


class OffsetTrimmed(LookupError):
    """An offset that retention has removed, or that the log never had."""


class LogAway(ConnectionError):
    """The log cannot be reached, or cannot serve now; trying again later may work."""


class StoreAway(OSError):
    """The store cannot be reached, or cannot serve now; trying again later may work."""


class EventLog(Protocol):
    """Topics of numbered partitions of records."""

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic; a no-op when it stands with as many partitions, ValueError when with others."""

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; LookupError for an unknown topic."""

    def append(self, topic: str, partition: int, records: Sequence[NewRecord], append_ms: int) -> int:
        """Add records at the end, durably, and return the first one's offset."""

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        """Up to `max_records` records from `offset` on, in order; none at the end."""

    def bounds(self, topic: str, partition: int) -> Bounds:
        """The readable offsets."""

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        """Make records below an offset unreadable at once, the end at most; the end never moves.

        Their space comes back over several calls: one call holds writers up for tens of milliseconds at most,
        so retention calls again and again (a call that finds nothing left costs next to nothing).
        """

    def compact(self, topic: str, partition: int) -> None:
        """Let go of records of a key that has a newer one; offsets stay, with holes.

        A log that compacts by itself (Kafka: closed segments, after a while) may do nothing here, so readers take
        the newest of what they read of a key. The newest record of each key stays in any case; one without a key
        stays, too, or is refused when it is appended to a topic that the log compacts.
        """


class StateStore(Protocol):
    """Records by owner, with a fenced commit, and one ranking per owner."""

    def acquire(self, owner: Owner) -> Lease:
        """Take an owner over: a new epoch, one above every earlier one, and its offsets."""

    def offsets(self, owner: Owner) -> Mapping[str, int]:
        """Where each of an owner's inputs stands."""

    def commit(self, owner: Owner, epoch: int, inputs: Mapping[str, tuple[int, int]], writes: Writes) -> Verdict:
        """Write records and offsets in one atomic step, or nothing; see the module's rules."""

    def get(self, owner: Owner, keys: Sequence[str]) -> list[bytes | None]:
        """Values in the order of the keys; None where there is none."""

    def scan(self, owner: Owner, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Every record whose key begins with `prefix`, by key."""

    def top(self, owner: Owner, limit: int, skip: int = 0) -> list[tuple[str, float]]:
        """A page of the owner's ranking, highest score first, equal scores by member."""


Commit = tuple[Owner, int, Mapping[str, tuple[int, int]], Writes]
"""The arguments of `StateStore.commit`."""


class FollowedStore(StateStore, Protocol):
    """A store that other processes than the owner's follow, and whose calls cost a trip."""

    def commit_many(self, commits: Sequence[Commit]) -> list[Verdict | Exception]:
        """`commit` for several owners, each on its own: one that fails leaves its error in place of its verdict."""

    def get_many(self, requests: Sequence[tuple[Owner, Sequence[str]]]) -> list[list[bytes | None]]:
        """`get` for several owners at once; values in the order of requests and keys."""

    def changed(self, owner: Owner, since: int) -> tuple[int, list[str]]:
        """The newest commit's number, and members whose rank was written by commits after number `since`.

        Numbers count an owner's commits from 1 and never go back; -1 gives all members. Removed ones are not named.
        """

    def changed_many(self, requests: Sequence[tuple[Owner, int]]) -> list[tuple[int, list[str]]]:
        """`changed` for several owners at once, each since its own number."""

    def clear(self, owner: Owner) -> None:
        """Forget everything of an owner but its epoch, which is raised by one, and the number of its commits."""


__all__ = [
    "Bounds", "Commit", "EventLog", "FollowedStore", "Lease", "LogAway", "NewRecord", "OffsetTrimmed", "Owner",
    "Record", "StateStore", "StoreAway", "Verdict",
]  # fmt: skip
