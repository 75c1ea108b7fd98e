"""What one event added to its anchor, kept so that a reversal can take exactly that out again."""

from dataclasses import dataclass, field
from math import exp2

MAX_EXPONENT = 900.0
"""What a day-late event sees of a slot's later sums overflows a float: far above every cap is enough."""


@dataclass(eq=False)
class Addition:
    """Amounts at a time: raw ones for windows and decayed counters, capped ones for heat."""

    ts_ms: int
    raw: dict[str, int]
    heat: dict[str, float]


@dataclass(eq=False)
class Tenancy:
    """One user's stay in a slot of a cap table: what it added, and when."""

    user_id: str
    added: list[tuple[int, float]] = field(default_factory=list)

    def sum_at(self, ts_ms: int, half_life_ms: int) -> float:
        """Its decayed sum as of a time; what was added later than that weighs more than it was."""
        return sum(value * exp2(min((at_ms - ts_ms) / half_life_ms, MAX_EXPONENT)) for at_ms, value in self.added)


@dataclass(eq=False)
class Gift:
    """A gift that can be reversed."""

    anchor_id: str
    user_id: str
    value: int
    stamp_ms: int
    addition: Addition
    stays: list[tuple[Tenancy, tuple[int, float]]]
    reversed: bool = False

    def reverse(self) -> None:
        """Take out what it added. A stay that has ended (its slot went to another) is read by nobody."""
        self.reversed = True
        self.addition.raw = {}
        self.addition.heat = {}
        for tenancy, share in self.stays:
            tenancy.added.remove(share)
