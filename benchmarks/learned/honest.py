"""Honesty: P(label | impression) beside what happened, by decile of the prediction and by slice, under `exit_first`.

The learner begins `BEGINS_S` after the platform: numbers of anchors and viewers are warm by then. `from_nothing` says
what becomes of one that begins with the platform itself: for a minute there are positives alone (a negative waits
`click_wait_ms`), then negatives of cold rows beside positives of warmer ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learned.measures import Floats, calibration, deciles, nth
from benchmarks.learned.predictions import progressive
from benchmarks.learned.stream import START_MS, Examples, examples
from rtrec.events.ids import hash_in
from rtrec.features.table import DENSE_INDEX
from rtrec.settings import HEADS, Labels, Settings
from rtrec.simulator.conditions import Conditions
from rtrec.simulator.simulation import Simulation

SURFACES = ("feed", "home")
BEGINS_S = 300
WARM_SHARE = 0.3
UNDECIDED_S = 420
"""An impression is judged when every label of it is decided: a wait, the longest visit, a lapse."""
NEW_ANCHOR, NEW_USER = 50, 10
"""Impressions in which an anchor is new, and a viewer."""
HEADS_JUDGED = ("click", "long_view", "gift")


def honest(
    events: int,
    seed: int = 1,
    heads: tuple[str, ...] = HEADS_JUDGED,
    undecided_s: int = UNDECIDED_S,
    begins_s: int = BEGINS_S,
    *,
    beside: bool = True,
) -> dict[str, Any]:
    """Calibration per head: all, deciles, slices; `beside`: also of a learner that begins with the platform."""
    settings = Settings(labels=Labels(heads=heads))
    span_ms = 10 * events
    platform = Simulation(
        seed, events // 140, 150, conditions=Conditions(surfaces=SURFACES, newcomers=0.5, newcomers_ms=span_ms)
    )
    given = examples(platform.events(events, START_MS), settings)
    anchors, users = _new(given)
    begins = given.ts_ms >= START_MS + 1_000 * begins_s
    judged = (given.ts_ms >= START_MS + int(WARM_SHARE * span_ms)) & (
        given.ts_ms < given.ts_ms.max() - 1_000 * undecided_s
    )

    def figures(part: NDArray[np.bool_]) -> dict[str, Any]:
        p = np.zeros(len(given))
        p[part] = progressive(given.where(part), settings)
        return {head: _figures(given, p, judged & (given.head == HEADS.index(head)), anchors, users) for head in heads}

    found: dict[str, Any] = {"events": events, "begins_s": begins_s, "heads": figures(begins)}
    if beside:
        nothing = figures(np.ones(len(given), np.bool_))["click"]
        found["from_nothing"] = {"click": nothing}
    return found


def _new(given: Examples) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which examples are of a new anchor, and of a new viewer."""
    first, of = given.impressions()
    ids = [np.ascontiguousarray(given.rows[name][first]) for name in ("anchor", "user")]
    anchor, user = (nth(one, given.ts_ms[first]) for one in ids)
    return (anchor < NEW_ANCHOR)[of], (user < NEW_USER)[of]


def _figures(
    given: Examples, p: Floats, judged: NDArray[np.bool_], anchors: NDArray[np.bool_], users: NDArray[np.bool_]
) -> dict[str, Any]:
    no_views = given.rows["dense"][:, DENSE_INDEX["user_views_log"]] == 0
    slices = {f"surface {name}": given.rows["surface"] == hash_in("surface", name) for name in SURFACES}
    slices |= {"new anchor": anchors, "new user": users, "user without a view": no_views}
    return {
        "all": calibration(p[judged], given.y[judged]),
        "deciles": deciles(p[judged], given.y[judged]),
        "slices": {name: calibration(p[judged & part], given.y[judged & part]) for name, part in slices.items()},
    }
