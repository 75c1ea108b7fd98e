"""Figures of a head: of all its examples by their sums, of its newest ones and their slices by their rows.

Rules
-----
- Every figure is weighted; `examples` is a number of rows.
- NE (normalized entropy, He et al. 2014) = logloss / entropy of the base rate: below 1 beats predicting it.
- Calibration = Σp / positives: 1 is unbiased.
- AUC is exact, with ties; GAUC is the mean over users with both labels, by weight.
- What is not defined (no positives, one label only) is None, never 0; so is a model that does not predict.
- A slice holds the window's examples of one value. Categories and surfaces: the `MOST_FREQUENT` of the window, the rest
  under `OTHER`, those without one under `ABSENT`. A name is a hash here (16 hex digits): whoever knows it says it.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtrec.learning.auc import by_score, grouped_auc
from rtrec.learning.judging import FAKE, LABEL, LOGLOSS, NEW_ANCHOR, NEW_USER, POSITIVES, SLICED, TINY, WEIGHT, P

MODELS: Final = ("online", "batch", "blend")
"""What is judged side by side, if it predicts."""
MOST_FREQUENT: Final = 16
OTHER, ABSENT = "(other)", "(absent)"

Floats = NDArray[np.float64]


def logloss(p: Floats, y: Floats) -> Floats:
    """−ln of the probability given to what happened, at most 34.5, in nats, [n].

    >>> logloss(np.array([0.5]), np.array([1.0])).round(3).tolist()
    [0.693]
    """
    loss: Floats = -np.log(np.maximum(np.where(y > 0.5, p, 1.0 - p), TINY))
    return loss


def of_sums(sums: Floats) -> dict[str, float | None]:
    """Base rate, logloss, NE and calibration of sums [SUMS]."""
    base_rate, loss = _ratio(sums[POSITIVES], sums[WEIGHT]), _ratio(sums[LOGLOSS], sums[WEIGHT])
    return {
        "base_rate": base_rate, "logloss": loss, "ne": _normalized(loss, base_rate),
        "calibration": _ratio(sums[P], sums[POSITIVES]),
    }  # fmt: skip


class Window:
    """A head's newest examples, whole or sliced.

    models: names of p's columns. rows: `judging.ROW` [n]. p: [n, models].
    """

    def __init__(self, models: tuple[str, ...], rows: NDArray[np.void], p: Floats) -> None:
        self.models, self.rows, self.p = models, rows, p
        self.y = (rows["flags"] & LABEL).astype(np.float64)
        fake = (rows["flags"] & FAKE) > 0
        self._rankers = [
            _Ranker(p[:, place], np.where(fake, 1.0 - p[:, place], 1.0) * rows["weight"])
            for place in range(len(models))
        ]
        self._heat = _Ranker(rows["heat"].astype(np.float64), self._rankers[0].weight)
        self._user = _numbered(rows["user"])

    def rolling(self) -> dict[str, dict[str, Any]]:
        """Each model's figures over the window."""
        found = {}
        whole = np.zeros(len(self.rows), np.uint16)
        for name, ranker in zip(self.models, self._rankers, strict=True):
            (ranked,) = self._ranked(ranker, whole, self._user, 1)
            found[name] = {"examples": len(self.rows), **of_sums(self._sums(ranker, whole, 1)[0]), **ranked}
        return found

    def heat_only(self) -> dict[str, float | None]:
        """How well heat alone ranks the window."""
        return self._ranked(self._heat, np.zeros(len(self.rows), np.uint16), self._user, 1)[0]

    def slices(self) -> dict[str, dict[str, Any]]:
        """Every slice's figures, by what it is sliced by and by value."""
        known = (self.rows["flags"] & SLICED) > 0
        window = self if known.all() else Window(self.models, self.rows[known], self.p[known])
        rows = window.rows
        flags = {"anchor": NEW_ANCHOR, "user": NEW_USER}
        coded: dict[str, tuple[tuple[str, ...], NDArray[Any]]]
        coded = {name: (("known", "new"), (rows["flags"] & flag) > 0) for name, flag in flags.items()}
        coded |= {name: _most_frequent(rows[name]) for name in ("category", "surface")}
        return {name: window.sliced(names, code.astype(np.uint16)) for name, (names, code) in coded.items()}

    def sliced(self, names: tuple[str, ...], code: NDArray[np.uint16]) -> dict[str, Any]:
        """Figures by a code below the number of names; names without examples are left out."""
        examples = np.bincount(code, minlength=len(names))
        pairs = _numbered(code.astype(np.int64) * (len(self.rows) + 1) + self._user)
        ranked = [self._ranked(ranker, code, pairs, len(names)) for ranker in (*self._rankers, self._heat)]
        sums = [self._sums(ranker, code, len(names)) for ranker in self._rankers]
        found = {}
        for place in np.flatnonzero(examples).tolist():
            by_model = {
                name: of_sums(sums[model][place]) | ranked[model][place] for model, name in enumerate(self.models)
            }
            sides = side_by_side(by_model)
            found[names[place]] = {"examples": int(examples[place]), **sides, "heat_only": ranked[-1][place]}
        return found

    def _sums(self, ranker: "_Ranker", code: NDArray[np.uint16], codes: int) -> Floats:
        """A model's sums by code, [codes, SUMS]."""
        w, p = ranker.weight, ranker.score
        columns = (w, w * self.y, w * logloss(p, self.y), w * p)
        return np.stack([np.bincount(code, one, codes) for one in columns], axis=1)

    def _ranked(
        self, ranker: "_Ranker", code: NDArray[np.uint16], pairs: NDArray[np.integer], codes: int
    ) -> list[dict[str, float | None]]:
        """AUC and GAUC by code. pairs: the number of each (code, user), in the order of codes."""
        area = np.full(codes, np.nan)
        area[np.bincount(code, minlength=codes) > 0] = ranker.areas(code, self.y)[0]
        each, weight = ranker.areas(pairs, self.y)
        code_of = np.zeros(each.size, np.int64)
        code_of[pairs] = code
        known = ~np.isnan(each)
        weights = np.bincount(code_of[known], weight[known], codes)
        total = np.bincount(code_of[known], weight[known] * each[known], codes)
        mean = np.divide(total, weights, out=np.full(codes, np.nan), where=weights > 0)
        return [
            {"auc": None if math.isnan(one) else one, "gauc": None if math.isnan(other) else other}
            for one, other in zip(area.tolist(), mean.tolist(), strict=True)
        ]


class _Ranker:
    """What ranks the window: scores, weights, and the order by score, found once. All [n]."""

    def __init__(self, score: Floats, weight: Floats) -> None:
        self.score, self.weight = score, weight
        self._order: NDArray[np.int64] = np.argsort(score)

    def areas(self, group: NDArray[np.integer], y: Floats) -> tuple[Floats, Floats]:
        """As `grouped_auc`."""
        return grouped_auc(group, self.score, y, self.weight, by_score(group, self._order))


def _numbered(values: NDArray[np.integer]) -> NDArray[np.integer]:
    """Each value's place among the distinct ones, in 16 bits if they suffice: those sort in linear time.

    >>> _numbered(np.array([7, 3, 7])).tolist()
    [1, 0, 1]
    """
    distinct, numbers = np.unique(values, return_inverse=True)
    small: NDArray[np.integer] = numbers.astype(np.uint16 if distinct.size <= 1 << 16 else np.uint32)
    return small


def side_by_side(by_model: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The base rate, as the first model's weights have it, and every model's figures, None for one that is absent."""
    base_rate = next(iter(by_model.values()))["base_rate"]
    without = {name: {key: one for key, one in of.items() if key != "base_rate"} for name, of in by_model.items()}
    return {"base_rate": base_rate, **{name: without.get(name) for name in MODELS}}


def _most_frequent(values: NDArray[np.uint64]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """(names, code of each value): the most frequent by hash, then the others, then those that have none.

    >>> _most_frequent(np.array([7, 0, 7], np.uint64))
    (('0000000000000007', '(other)', '(absent)'), array([0, 2, 0]))
    """
    distinct, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    counts[distinct == 0] = 0
    best = np.lexsort((distinct, -counts))[:MOST_FREQUENT]
    best = best[counts[best] > 0]
    codes = np.full(distinct.size, best.size)
    codes[best] = np.arange(best.size)
    codes[distinct == 0] = best.size + 1
    return (*(f"{one:016x}" for one in distinct[best].tolist()), OTHER, ABSENT), codes[inverse]


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None


def _normalized(loss: float | None, base_rate: float | None) -> float | None:
    """NE; None where the base rate has no entropy."""
    if loss is None or base_rate is None or not 0 < base_rate < 1:
        return None
    return loss / -(base_rate * math.log(base_rate) + (1 - base_rate) * math.log1p(-base_rate))
