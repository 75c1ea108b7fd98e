"""`seed`: `exit_first` with a long view that is judged at its ends alone.

Rules
-----
- All of `exit_first` stands, but for long_view when the wait ends: entered and watched more than `short_view_ms`
  (and less than `long_view_ms`), it is masked. Watched less, or not entered, it is negative.
- It is biased, and kept for comparison. Masking depends on the outcome: what is learned is
  P(long | long or short) = π / (π + σ), π the rate of long views and σ of short ones, not P(long | impression) = π.
  It is too high wherever there are views in between, and by another factor for every anchor, so that ranking
  changes too: an anchor whose viewers stay for 20 s has neither positives nor negatives and is judged by the rest.
"""

from dataclasses import dataclass

from rtrec.labels.exit_first import ExitFirst
from rtrec.labels.exposure import LONG_VIEW_HEAD, NEVER, Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed(ExitFirst):
    """The policy `seed`; see the module's rules. Times in milliseconds."""

    short_view_ms: int

    def masked(self, exposure: Exposure) -> int:
        """A view that was neither short nor long."""
        between = exposure.entered_ms != NEVER and self.short_view_ms < exposure.watched_ms < self.long_view_ms
        return LONG_VIEW_HEAD if between else 0
