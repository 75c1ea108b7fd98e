"""What becomes of labels, by name: every outcome is counted, and the counts balance.

Rules
-----
- Every (impression, configured head) ends in exactly one of `ENDS`, or is still pending. So, per head:
  impressions = Σ `{head}/{outcome}` over `ENDS` + open.
- `fast_slow` never ends in `negative`; beside the end every (impression, head) that was not masked, given up or
  removed before `fast_ms` is told early, once: as `fake_negative`, or as `sampled_out` in its place.
- `REASONS` count inputs and exposures, whatever their heads, and stand beside the balance.
"""

from collections import Counter
from typing import Final

from rtrec.settings import HEADS

ENDS: Final = {
    "positive": "told as positive",
    "negative": "told as negative",
    "masked": "never a label: the head is not configured, the surface enters by itself, or `seed` cannot tell",
    "no_features": "given up at its first verdict: no row, neither logged nor shadow",
    "overflow": "removed while it was open: `labels.pending_per_user` or `labels.pending_total`",
    "erased": "removed while it was open, or never taken: the user is erased",
    "sampled_out": "a negative that `labels.negative_share` leaves out",
    "expired": "the horizon has passed after its early negative (`fast_slow`)",
}
"""How a label can end, counted by head."""

EARLY: Final = {"fake_negative": "told early as negative (`fast_slow`), whatever its end; `sampled_out` in its place"}
"""What stands beside an end, counted by head."""

REASONS: Final = {
    "joined": "actions that found their impression",
    "orphaned": "actions that waited in vain, or made room",
    "late_positive": "heads that an action speaks for after their negative, each once",
    "reversed": "reversals of a gift that was a positive",
    "no_features": "impressions given up",
    "overflow_user": "open impressions removed by `labels.pending_per_user`, the oldest first",
    "overflow_total": "open impressions removed by `labels.pending_total`, the oldest first",
    "forgotten": "decided impressions removed before their time by the same bounds: their late positives are lost",
    "scored_overflow": "logged rows removed by the same bounds",
    "scored_expired": "logged rows whose half an hour is over, used or not",
    "erased": "events, logged rows, waiting actions and open impressions of erased users",
}
"""What else happens, counted as it is."""

ALL: Final = (1 << len(HEADS)) - 1
"""The set of all heads."""

PLACES: Final = tuple(tuple(place for place in range(len(HEADS)) if heads >> place & 1) for heads in range(ALL + 1))
"""A set of heads → their places in `settings.HEADS`."""

NAMES: Final = {outcome: tuple(f"{head}/{outcome}" for head in HEADS) for outcome in (*ENDS, *EARLY)}
"""An outcome → its counter's name by place."""


def count(counts: Counter[str], outcome: str, heads: int) -> None:
    """Count an outcome of every head in a set.

    >>> counts = Counter[str]()
    >>> count(counts, "masked", 0b101)
    >>> dict(counts)
    {'click/masked': 1, 'gift/masked': 1}
    """
    names = NAMES[outcome]
    for place in PLACES[heads]:
        counts[names[place]] += 1
