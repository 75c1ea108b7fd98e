"""Drift: what it costs to publish weights every minute, when preferences move.

Each anchor's appeal moves with a tide. The same learner publishes every second or every minute; the weights that a
scorer then holds when an impression is shown predict it.
"""

from typing import Any

import numpy as np

from benchmarks.learned.measures import calibration, entropy
from benchmarks.learned.predictions import served
from benchmarks.learned.stream import START_MS, examples
from rtrec.learning.auc import auc
from rtrec.learning.figures import logloss
from rtrec.settings import Labels, Settings
from rtrec.simulator.conditions import Conditions
from rtrec.simulator.simulation import Simulation

TIDE = Conditions(tide=1.5, tide_ms=120_000, newcomers=0.8)
EVENTS_PER_S = 200.0
CLICK_WAIT_MS = 10_000
"""A card is clicked within 3 s here; the usual minute would hide the publication's delay behind the label's own."""
BEGINS_S = 60
WARM_SHARE = 0.3
UNDECIDED_S = 20


def drift(events: int, seed: int = 1, paces_s: tuple[int, ...] = (1, 10, 60)) -> dict[str, Any]:
    """AUC and NE of served predictions by seconds between publications."""
    settings = Settings(labels=Labels(heads=("click",), click_wait_ms=CLICK_WAIT_MS))
    span_ms = int(1_000 * events / EVENTS_PER_S)
    conditions = TIDE._replace(newcomers_ms=span_ms)
    platform = Simulation(seed, max(events // 200, 100), 200, EVENTS_PER_S, conditions=conditions)
    given = examples(platform.events(events, START_MS), settings, turn_s=1)
    given = given.where(given.ts_ms >= START_MS + 1_000 * BEGINS_S)
    judged = (given.ts_ms >= START_MS + WARM_SHARE * span_ms) & (given.ts_ms < given.ts_ms.max() - 1_000 * UNDECIDED_S)
    y, weight = given.y[judged], np.ones(int(judged.sum()))
    found: dict[str, Any] = {"events": events, "impressions": int(judged.sum()), "publish_s": {}}
    for pace_s in paces_s:
        p = served(given, settings, pace_s)[judged]
        found["publish_s"][pace_s] = {
            "auc": round(auc(p, y, weight) or 0.0, 4),
            "ne": round(float(logloss(p, y).mean()) / entropy(float(y.mean())), 4),
            "calibration": calibration(p, y)["ratio"],
        }
    return found
