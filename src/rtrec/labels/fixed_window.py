"""`fixed_window`: what happens within `window_ms` after the impression is positive, all else negative.

Rules
-----
- Every action in the window speaks for itself, entered or not: an entry for click, `long_view_ms` watched in the
  window for long_view, the first gift, comment, follow or share for its head. No session is reconstructed, so a
  lost view_start or an order of arrival changes nothing, and p stays P(label | impression), the label being
  "within the window".
- Positives are told at once. Nothing ends the wait before the window does: then the rest is negative.
- Actions are its own until the window's end or `horizon_ms` after the impression, whichever is later: those after
  the window are late positives.
- The price is time: every negative is `window_ms` old when it is learned, while positives are not. A learner that
  follows a changing rate sees it too high as it rises and too low as it falls.
"""

from dataclasses import dataclass

from rtrec.labels.exposure import CLICK_HEAD, LONG_VIEW_HEAD, NEVER, Exposure
from rtrec.labels.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedWindow(Policy):
    """The policy `fixed_window`; see the module's rules. Times in milliseconds."""

    window_ms: int

    def positive(self, exposure: Exposure) -> int:
        """Whatever was seen: facts of an open exposure are of its window."""
        heads = CLICK_HEAD if exposure.entered_ms != NEVER else 0
        if exposure.watched_ms >= self.long_view_ms:
            heads |= LONG_VIEW_HEAD
        for head in exposure.acted_ms:
            heads |= head
        return heads

    def over(self, exposure: Exposure) -> bool:
        """Never: the window's end alone decides."""
        del exposure
        return False

    def deadline_ms(self, exposure: Exposure) -> int:
        """The window's end."""
        return exposure.ts_ms + self.window_ms

    def expiry_ms(self, exposure: Exposure) -> int:
        """The window's end, or the horizon where that is later."""
        return exposure.ts_ms + max(self.window_ms, self.horizon_ms)
