"""Positives that come late: the prediction beside the rate at which impressions end up entered.

A share of clicks returns after a while, most of those beyond the click wait. Each impression's first prediction is
compared with what became of it, as the whole stream tells: under `fast_slow`, under `fast_slow` with its fake negatives
taken for true ones, and under `exit_first`, which calls a late click a negative.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.learned.measures import Floats, calibration
from benchmarks.learned.predictions import progressive
from benchmarks.learned.stream import START_MS, Examples, examples
from rtrec.events.ids import hash_id
from rtrec.settings import Labels, Settings
from rtrec.simulator.conditions import Conditions
from rtrec.simulator.pace import Fields
from rtrec.simulator.simulation import Simulation

RETURNS = Conditions(returns=0.5, return_ms=120_000)
HORIZON_MS = 900_000
WARM_SHARE = 0.4
UNDECIDED_MS = 600_000
"""Five mean delays: fewer than 1 of 200 clicks are still to come."""


def delayed(events: int, seed: int = 1, undecided_ms: int = UNDECIDED_MS) -> dict[str, Any]:
    """Mean first prediction over the true rate, by policy."""
    platform = Simulation(seed, max(events // 200, 100), 60, conditions=RETURNS)
    stream = list(platform.events(events, START_MS))
    late, entered = _entered(stream)
    found: dict[str, Any] = {"events": events, "late_share": round(late, 3)}
    for policy in ("fast_slow", "exit_first"):
        labels = Labels(policy=policy, heads=("click",), horizon_ms=HORIZON_MS)  # type: ignore[arg-type]
        settings = Settings(labels=labels)
        given = examples(stream, settings)
        found[policy] = _judged(given, progressive(given, settings), entered, undecided_ms)
        if policy == "fast_slow":
            naive = replace(given, fake=np.zeros(len(given), np.bool_))
            found["fast_slow_uncorrected"] = _judged(given, progressive(naive, settings), entered, undecided_ms)
    return found


def _judged(given: Examples, p: Floats, entered: set[tuple[int, int, int]], undecided_ms: int) -> dict[str, Any]:
    first, _ = given.impressions()
    times = given.ts_ms[first]
    first = first[(times >= np.quantile(times, WARM_SHARE)) & (times < times.max() - undecided_ms)]
    ids = zip(
        given.ts_ms[first].tolist(), *(given.rows[name][first].tolist() for name in ("user", "anchor")), strict=True
    )
    became = np.array([float(one in entered) for one in ids])
    return calibration(p[first], became)


def _entered(stream: Sequence[Fields]) -> tuple[float, set[tuple[int, int, int]]]:
    """(share of entries later than the click wait, which impressions were ever entered), by the labels' own definition.

    An entry is a click or the start of a view. It is its request's impression's, else, as when a viewer who passed an
    anchor by finds it by search, the latest one's of that viewer and anchor; within the horizon.
    """
    shown: dict[tuple[object, object, object], tuple[int, int, int]] = {}
    entered, late = set[tuple[int, int, int]](), 0
    for event in stream:
        pair, ts_ms = (event.get("user_id"), event.get("anchor_id")), int(str(event["ts_ms"]))
        if event["type"] == "impression":
            one = ts_ms, hash_id(str(event["user_id"])), hash_id(str(event["anchor_id"]))
            shown[event["request_id"], *pair] = shown[None, *pair] = one
        elif event["type"] in ("click", "view_start"):
            found = shown.get((event.get("request_id"), *pair)) or shown.get((None, *pair))
            if found is not None and found not in entered and ts_ms < found[0] + HORIZON_MS:
                entered.add(found)
                late += ts_ms - found[0] > Labels().click_wait_ms
    return late / max(len(entered), 1), entered
