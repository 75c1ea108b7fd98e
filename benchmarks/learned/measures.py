"""Figures of predictions: calibration with its sampling error, AUC against a probability, normalized entropy."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learned.stream import Examples
from rtrec.events.ids import hash_id
from rtrec.learning.auc import auc
from rtrec.simulator.truth import Truth

Floats = NDArray[np.float64]


def calibration(p: Floats, y: Floats) -> dict[str, Any]:
    """Mean prediction over observed rate, and that ratio's relative sampling error, √((1 − rate) / positives).

    >>> calibration(np.array([0.5, 0.7]), np.array([0.0, 1.0]))
    {'examples': 2, 'positives': 1, 'predicted': 0.6, 'observed': 0.5, 'ratio': 1.2, 'sampling_error': 0.707}
    """
    positives, rate = int(y.sum()), float(y.mean()) if y.size else 0.0
    if not positives:
        return {"examples": int(y.size), "positives": 0, "ratio": None}
    return {
        "examples": int(y.size), "positives": positives, "predicted": round(float(p.mean()), 4),
        "observed": round(rate, 4), "ratio": round(float(p.mean()) / rate, 3),
        "sampling_error": round(math.sqrt((1.0 - rate) / positives), 3),
    }  # fmt: skip


def deciles(p: Floats, y: Floats) -> list[dict[str, Any]]:
    """The calibration of each tenth of the predictions, lowest first."""
    return [calibration(p[part], y[part]) for part in np.array_split(np.argsort(p, kind="stable"), 10)]


def expected_auc(score: Floats, chance: Floats) -> float:
    """The AUC over all that labels of these chances can be: each row counts as positive by its chance, else negative.

    >>> expected_auc(np.array([0.1, 0.9]), np.array([0.0, 1.0]))
    1.0
    """
    both = np.tile(score, 2), np.repeat([1.0, 0.0], score.size), np.concatenate((chance, 1.0 - chance))
    return float(auc(*both) or 0.0)


def expected_logloss(p: Floats, chance: Floats) -> float:
    """The mean logloss of predictions over all that labels of these chances can be."""
    held = np.clip(p, 1e-15, 1.0 - 1e-15)
    return float(-(chance * np.log(held) + (1.0 - chance) * np.log1p(-held)).mean())


def entropy(rate: float) -> float:
    """Nats of one label of a rate."""
    return -(rate * math.log(rate) + (1.0 - rate) * math.log1p(-rate))


def nth(ids: NDArray[np.uint64], ts_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows with the same id came before each, by time."""
    order = np.lexsort((ts_ms, ids))
    ordered = ids[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    run = np.repeat(starts, np.diff(np.append(starts, ids.size)))
    found = np.empty(ids.size, np.int64)
    found[order] = np.arange(ids.size) - run
    return found


def truth_of(given: Examples, told: Iterable[Truth]) -> tuple[Floats, Floats]:
    """(preference, chance of a click) of each example's impression."""
    known = {(one.ts_ms, hash_id(one.user_id), hash_id(one.anchor_id)): one for one in told}
    keys = zip(given.ts_ms.tolist(), given.rows["user"].tolist(), given.rows["anchor"].tolist(), strict=True)
    found = [known[key] for key in keys]
    return np.array([one.preference for one in found]), np.array([one.click for one in found])
