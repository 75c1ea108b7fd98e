"""The heat policy in the form kernels read: one structured row instead of names.

Heat = Σ_k weight_k · (decayed, capped metric k), one half-life for all terms.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtrec.features.anchor_table import N_METRICS
from rtrec.features.decay import HALF_LIVES
from rtrec.settings import METRICS, Events, Features, Heat

HEAT_RULES: Final = np.dtype(
    [
        ("weights", "f8", (N_METRICS,)),
        ("event_caps", "f8", (N_METRICS,)),  # no cap = inf
        ("user_caps", "f8", (N_METRICS,)),  # per user; no cap = inf
        ("half_life", "i8"),  # place in decay.HALF_LIVES
        ("lease_ms", "i8"),
        ("late_ms", "i8"),
        ("duplicate_ms", "i8"),
        ("duplicate_gift_ms", "i8"),
        ("ctr_prior", "f8"),
        ("ctr_prior_impressions", "f8"),
    ],
    align=True,
)
HeatRules = NDArray[Any]
"""One row of `HEAT_RULES`."""


def heat_rules(heat: Heat, events: Events, features: Features) -> HeatRules:
    """Settings as kernels read them."""
    rules = np.zeros(1, HEAT_RULES)
    row = rules[0]
    row["weights"] = [heat.weights.get(name, 0.0) for name in METRICS]
    row["event_caps"] = [heat.event_caps.get(name, np.inf) for name in METRICS]
    row["user_caps"] = [heat.user_caps.get(name, np.inf) for name in METRICS]
    row["half_life"], row["lease_ms"] = HALF_LIVES.index(heat.half_life), heat.lease_ms
    row["late_ms"] = events.late_ms
    row["duplicate_ms"], row["duplicate_gift_ms"] = events.duplicate_ms, events.duplicate_gift_ms
    row["ctr_prior"], row["ctr_prior_impressions"] = features.ctr_prior, features.ctr_prior_impressions
    return rules
