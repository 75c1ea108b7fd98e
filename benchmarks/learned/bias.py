"""Bias features: do they keep the place out of the preference that is served? With them and without, beside the truth.

Cards are looked at with probability (1 + k)^-η, and charming anchors stand higher. Both learners see the same examples
and are asked at the reference place; one of them is not told the places. The judge is the true preference.
"""

from typing import Any

import numpy as np

from benchmarks.learned.measures import expected_auc, truth_of
from benchmarks.learned.predictions import served, without_positions
from benchmarks.learned.stream import START_MS, examples
from rtrec.settings import Labels, Settings
from rtrec.simulator.conditions import Conditions
from rtrec.simulator.simulation import Simulation
from rtrec.simulator.truth import truths

CONDITIONS = Conditions(surfaces=("feed", "home"), examination={"feed": 1.0, "home": 2.0})
BEGINS_S = 120
WARM_SHARE = 0.4


def position_bias(events: int, seed: int = 1) -> dict[str, Any]:
    """AUC of served scores against the true preference, with and without the bias features."""
    settings = Settings(labels=Labels(heads=("click",)))
    platform = Simulation(seed, max(events // 200, 100), 60, conditions=CONDITIONS)
    stream = list(platform.events(events, START_MS))
    given = examples(stream, settings)
    given = given.where(given.ts_ms >= START_MS + 1_000 * BEGINS_S)
    preference, _ = truth_of(given, truths(platform.world, stream))
    judged = given.ts_ms >= np.quantile(given.ts_ms, WARM_SHARE)
    scores = {"with": served(given, settings), "without": served(without_positions(given), settings)}
    return {
        "events": events,
        "impressions": int(judged.sum()),
        "auc_of_preference": {
            name: round(expected_auc(score[judged], preference[judged]), 4) for name, score in scores.items()
        },
        "best_possible": round(expected_auc(preference[judged], preference[judged]), 4),
        "mean_score": {name: round(float(score[judged].mean()), 4) for name, score in scores.items()},
        "mean_preference": round(float(preference[judged].mean()), 4),
    }
