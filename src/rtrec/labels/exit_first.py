"""`exit_first`: a view's end decides. The default.

Rules
-----
- Positives are those of `labels.entered`.
- Not entered: at `click_wait_ms` after the impression all is negative, for p is P(label | impression).
- Entered: the rest is negative at view_end, `lapse_ms` after the newest sign of the view, or `horizon_ms` after the
  entry, whichever is first.
"""

from dataclasses import dataclass

from rtrec.labels.entered import Entered
from rtrec.labels.exposure import NEVER, Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitFirst(Entered):
    """The policy `exit_first`; see the module's rules. Times in milliseconds."""

    click_wait_ms: int
    lapse_ms: int

    def over(self, exposure: Exposure) -> bool:
        """Once the view has ended."""
        return exposure.ended_ms >= exposure.entered_ms > NEVER

    def deadline_ms(self, exposure: Exposure) -> int:
        """The click's wait; once entered the lapse or the horizon."""
        entered_ms = exposure.entered_ms
        if entered_ms == NEVER:
            return exposure.ts_ms + min(self.click_wait_ms, self.horizon_ms)
        return min(max(entered_ms, exposure.viewed_ms) + self.lapse_ms, entered_ms + self.horizon_ms)
