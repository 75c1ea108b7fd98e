"""What `exit_first` and `fast_slow` agree on: positives count from the entry on.

Rules
-----
- Entry is the first click or view_start; on surfaces that enter by themselves view_start alone.
- Entered: click is positive; long_view as soon as `long_view_ms` are watched; gift, comment, follow and
  share at the first one since the entry.
- Actions are the impression's own until `horizon_ms` after the entry, or after the impression while not entered.
"""

from dataclasses import dataclass

from rtrec.labels.exposure import CLICK_HEAD, LONG_VIEW_HEAD, NEVER, Exposure
from rtrec.labels.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered(Policy):
    """Positives, and whose an action is; when the wait ends is for each policy to say."""

    def positive(self, exposure: Exposure) -> int:
        """Entered, watched long, acted in the room."""
        if exposure.entered_ms == NEVER:
            return 0
        heads = CLICK_HEAD
        if exposure.watched_ms >= self.long_view_ms:
            heads |= LONG_VIEW_HEAD
        for head, ts_ms in exposure.acted_ms.items():
            if ts_ms >= exposure.entered_ms:
                heads |= head
        return heads

    def expiry_ms(self, exposure: Exposure) -> int:
        """The horizon, counted anew from the entry."""
        since_ms = exposure.ts_ms if exposure.entered_ms == NEVER else exposure.entered_ms
        return since_ms + self.horizon_ms
