"""`fast_slow`: told early as negative, and again as positive whenever the action comes.

Ktena et al. 2019, *Addressing Delayed Feedback for Continuous Training with Neural Networks in CTR prediction*,
the fake negative weighted loss.

Rules
-----
- Positives are those of `labels.entered`, and neither a view's end nor a lapse ends the wait for them: they count
  whenever they come within `horizon_ms` of the impression, or of the entry.
- Every head of an impression is told as a *fake negative* exactly once: `fast_ms` after the impression, or just
  before its positive where that is sooner. It stays open for its positive, which weighs 1.
- Fake negative and positive carry one row: what the API logs after the fake negative comes too late.
- At the horizon an open head ends without another example, counted `expired`.
- What it costs: every impression is pending for the whole horizon.

Why it is unbiased
------------------
Let an impression with features x become positive within the horizon with probability π, and let p be the
prediction for x. The logistic loss has the gradient p − y in the logit. A fake negative's is multiplied by 1 − p,
with p as predicted just then and held constant. Every impression gives one fake negative, whatever becomes of it, and
with probability π a positive besides, so the expected gradient at x is

    π · (p − 1)  +  1 · (1 − p) · p  =  (1 − p)(p − π).

For p < 1 it is zero at p = π alone, negative below and positive above: descent goes to π. No delay occurs in it: when a
positive comes, and whether that depends on x or on anything else, changes when the terms are met and not their sum.
What comes after the horizon is no positive: π is the rate within it. (Ktena et al. weigh positives with 1 + p and
negatives with (1 − p)(1 + p): the same divided by 1 + p, so the same fixed point.)
"""

from dataclasses import dataclass

from rtrec.labels.entered import Entered
from rtrec.labels.exposure import Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class FastSlow(Entered):
    """The policy `fast_slow`; see the module's rules. Times in milliseconds."""

    fast_ms: int

    def over(self, exposure: Exposure) -> bool:
        """Never: the horizon alone ends the wait."""
        del exposure
        return False

    def deadline_ms(self, exposure: Exposure) -> int:
        """`fast_ms` after the impression until every open head is told, then the horizon."""
        if self.untold(exposure):
            return exposure.ts_ms + min(self.fast_ms, self.horizon_ms)
        return self.expiry_ms(exposure)

    def untold(self, exposure: Exposure) -> int:
        """A head that was told is open and negative at once."""
        return exposure.open & ~exposure.negative
