"""Cold start: impressions until a new anchor is predicted as well as a known one, with and without attributes.

Anchors declare a `style` that truly moves clicks, for everybody and by the viewer's gender, and come one after the
other. NE here is the normalized entropy over all that labels can be (the simulator knows each chance), so that 10
impressions of an anchor suffice; it is divided by the truth's own NE on the same impressions, for two groups of
impressions differ in how predictable they are. "As well": within 2 % of known anchors in the same period, each
learner's own; `needed_for_known_without` holds the one that knows attributes to the other's.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learned.measures import Floats, entropy, expected_logloss, nth, truth_of
from benchmarks.learned.predictions import progressive, without_attributes
from benchmarks.learned.stream import START_MS, examples
from rtrec.settings import Attribute, Features, Labels, Settings
from rtrec.simulator.conditions import Conditions
from rtrec.simulator.simulation import Simulation
from rtrec.simulator.truth import truths

DECLARED = (
    Attribute(name="style", of="anchor", crosses=("gender",)),
    Attribute(name="gender", of="user"),
)
EDGES = (0, 10, 20, 40, 80, 160, 240, 320, 400, 480, 560, 640)
KNOWN_FROM = 640
CLOSE = 1.02
BEGINS_S = 120
WARM_SHARE = 0.2


def cold_start(events: int, seed: int = 1, anchors: int = 300, known_from: int = KNOWN_FROM) -> dict[str, Any]:
    """The curve over a new anchor's impressions, and where it has come within 2 % of known anchors."""
    settings = Settings(labels=Labels(heads=("click",)), features=Features(attributes=DECLARED))
    conditions = Conditions(newcomers=0.7, newcomers_ms=10 * events, styles=0.7)
    platform = Simulation(seed, max(events // 200, 100), anchors, conditions=conditions)
    stream = list(platform.events(events, START_MS))
    given = examples(stream, settings)
    given = given.where(given.ts_ms >= START_MS + 1_000 * BEGINS_S)
    _, chance = truth_of(given, truths(platform.world, stream))
    place = nth(np.ascontiguousarray(given.rows["anchor"]), given.ts_ms)
    judged = given.ts_ms >= START_MS + int(WARM_SHARE * 10 * events)
    known = judged & (place >= known_from)
    plain, told = progressive(without_attributes(given), settings), progressive(given, settings)
    plain_level = _above_truth(plain[known], chance[known])
    found = {
        "with": _curve(told, chance, place, judged, known_from),
        "without": _curve(plain, chance, place, judged, known_from),
    }
    found["with"]["needed_for_known_without"] = _needed(_steps(told, chance, place, judged & ~known, plain_level))
    return {"events": events, **found}


def _curve(
    p: Floats, chance: Floats, place: NDArray[np.int64], judged: NDArray[np.bool_], known_from: int
) -> dict[str, Any]:
    known = judged & (place >= known_from)
    level = _above_truth(p[known], chance[known])
    steps = _steps(p, chance, place, judged & ~known, level)
    return {
        "known_ne": round(expected_logloss(p[known], chance[known]) / entropy(float(chance[known].mean())), 4),
        "known_over_truth": round(level, 4),
        "impressions_needed": _needed(steps),
        "curve": steps,
    }


def _steps(
    p: Floats, chance: Floats, place: NDArray[np.int64], judged: NDArray[np.bool_], level: float
) -> list[dict[str, Any]]:
    """NE over the level of known anchors, by how many impressions an anchor has had."""
    steps: list[dict[str, Any]] = []
    for first, behind in pairwise(EDGES):
        part = judged & (place >= first) & (place < behind)
        if not part.any():
            break
        ratio = _above_truth(p[part], chance[part]) / level
        steps.append({"from": first, "to": behind, "examples": int(part.sum()), "over_known": round(ratio, 4)})
    return steps


def _needed(steps: list[dict[str, Any]]) -> int:
    """Where the last step that is not close ends; 0 if all are."""
    far = [int(one["to"]) for one in steps if one["over_known"] > CLOSE]
    return far[-1] if far else 0


def _above_truth(p: Floats, chance: Floats) -> float:
    """NE over the truth's NE: 1 is perfect."""
    return expected_logloss(p, chance) / expected_logloss(chance, chance)
