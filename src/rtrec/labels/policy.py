"""When facts become labels: what the join asks a policy.

Rules
-----
- A policy is a frozen value that answers questions about an `Exposure` and changes nothing.
- `positive` and `over` are asked after every action, `deadline_ms` says when silence speaks. What it says: the heads
  in `untold` are told as fake negatives, if there are any; else every open head ends, `masked` ones without a label,
  the others as negatives.
- Windows are half-open: at its deadline an exposure is decided, and at its expiry actions are no longer its own.
- A deadline depends on the exposure alone, never on the order in which policies were asked.

The policies: `exit_first`, `seed`, `fixed_window`, `fast_slow`, a file each; `policies` makes them of settings.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from rtrec.events.schema import CLICK, VIEW_END, VIEW_HEARTBEAT, VIEW_START
from rtrec.labels.exposure import CLICK_HEAD, ENTRIES, HEAD_OF, LONG_VIEW_HEAD, VIEWS, Action, Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(ABC):
    """What all policies share: which heads, which actions, what an entry and a long view is.

    configured: a set of heads. Times in milliseconds; auto_surfaces: those that enter by themselves.
    """

    configured: int
    long_view_ms: int
    horizon_ms: int
    auto_surfaces: frozenset[str]

    def heads(self, surface: str | None) -> int:
        """The heads an impression on this surface opens; the others are masked."""
        return self.configured & ~CLICK_HEAD if surface in self.auto_surfaces else self.configured

    def matters(self) -> frozenset[int]:
        """The types of actions that facts are made of: those that tell nothing of a configured head are not."""
        return ENTRIES | VIEWS | {kind for kind, head in HEAD_OF.items() if head & self.configured}

    def enters(self, exposure: Exposure, action: Action) -> bool:
        """Whether the action is an entry into the room."""
        return action.type == VIEW_START or (action.type == CLICK and exposure.surface not in self.auto_surfaces)

    def claims(self, exposure: Exposure, action: Action) -> int:
        """The heads this action speaks for by itself: late positives where they are negative already."""
        if action.type in ENTRIES:
            return CLICK_HEAD if self.enters(exposure, action) else 0
        if action.type in (VIEW_HEARTBEAT, VIEW_END):
            return LONG_VIEW_HEAD if exposure.watched_ms >= self.long_view_ms else 0
        return HEAD_OF[action.type]

    @abstractmethod
    def positive(self, exposure: Exposure) -> int:
        """The heads that the facts make positive."""

    @abstractmethod
    def over(self, exposure: Exposure) -> bool:
        """Whether the facts end the wait: what is open ends now."""

    @abstractmethod
    def deadline_ms(self, exposure: Exposure) -> int:
        """The event time at which, without further facts, silence speaks."""

    @abstractmethod
    def expiry_ms(self, exposure: Exposure) -> int:
        """The event time from which on actions are not the exposure's; never before the deadline."""

    def untold(self, exposure: Exposure) -> int:
        """The open heads that are yet to be told as fake negatives: none, unless the policy tells early."""
        del exposure
        return 0

    def masked(self, exposure: Exposure) -> int:
        """The heads that get no label when the wait ends, for the facts leave them undecided."""
        del exposure
        return 0
