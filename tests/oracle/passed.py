"""What a partition of HEAT decides of one event, and what it passes on of an accepted one of a user (design §2)."""

from dataclasses import dataclass

from tests.oracle.rules import Event


@dataclass(frozen=True)
class Original:
    """The gift that a reversal takes back, as the ledger has it."""

    user_id: str
    anchor_id: str
    ts_ms: int
    value: int


@dataclass(frozen=True)
class Passed:
    """An accepted event of a user; category: the anchor's when HEAT met it; original: a reversal's gift."""

    event: Event
    category: str | None = None
    original: Original | None = None


@dataclass(frozen=True)
class Outcome:
    """A verdict of `acceptance`; passed: None for what was not accepted or is of no user."""

    verdict: str
    passed: Passed | None = None
