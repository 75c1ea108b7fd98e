"""The area under the ROC curve, exact with ties and weights, of one list or of many groups at once."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def auc(score: Floats, y: Floats, weight: Floats) -> float | None:
    """P(a positive scores above a negative), a tie counting half; None without one of each.

    score: any real numbers or infinities, [n]. y: 0 or 1, [n]. weight: [n].

    >>> auc(np.array([0.1, 0.4, 0.4]), np.array([0.0, 0.0, 1.0]), np.ones(3))
    0.75
    """
    areas, _ = grouped_auc(np.zeros(score.size, np.int64), score, y, weight)
    return None if not areas.size or np.isnan(areas[0]) else float(areas[0])


def gauc(group: NDArray[np.uint64], score: Floats, y: Floats, weight: Floats) -> float | None:
    """The mean of each group's AUC, weighted by the group's weight, over groups with both labels; None without.

    >>> gauc(np.array([7, 7, 9], np.uint64), np.array([0.1, 0.4, 0.4]), np.array([0.0, 1.0, 1.0]), np.ones(3))
    1.0
    """
    areas, weights = grouped_auc(group, score, y, weight)
    known = ~np.isnan(areas)
    return float(np.average(areas[known], weights=weights[known])) if known.any() else None


def by_score(group: NDArray[np.integer], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order by (group, score), given that by score: groups of 16 bits are sorted in linear time.

    >>> by_score(np.array([1, 0, 1], np.uint16), np.argsort([0.5, 0.9, 0.1])).tolist()
    [1, 2, 0]
    """
    ordered: NDArray[np.int64] = order[np.argsort(group[order], kind="stable")]
    return ordered


def grouped_auc(
    group: NDArray[np.integer], score: Floats, y: Floats, weight: Floats, order: NDArray[np.int64] | None = None
) -> tuple[Floats, Floats]:
    """Each group's AUC (NaN where a label is absent) and weight, by group.

    order: by (group, score), if it is known.
    Sorted by it, a run of equal scores beats every negative of its group before it, and half of its own.
    """
    order = np.lexsort((score, group)) if order is None else order
    group, score, y, weight = group[order], score[order], y[order], weight[order]
    new_group = np.concatenate(([True], group[1:] != group[:-1]))[: group.size]
    new_run = new_group | np.concatenate(([True], score[1:] != score[:-1]))[: group.size]
    group_starts = np.flatnonzero(new_group)
    run_starts = np.flatnonzero(new_run)
    if not group_starts.size:
        return np.empty(0), np.empty(0)
    group_of_run = np.cumsum(new_group)[run_starts] - 1
    positives, negatives = (np.add.reduceat(weight * label, run_starts) for label in (y, 1.0 - y))
    group_positives, group_negatives = (np.bincount(group_of_run, side) for side in (positives, negatives))
    before_group = np.cumsum(group_negatives) - group_negatives
    beaten = np.cumsum(negatives) - negatives - before_group[group_of_run] + negatives / 2
    won = np.bincount(group_of_run, positives * beaten)
    pairs = group_positives * group_negatives
    areas = np.divide(won, pairs, out=np.full(won.size, np.nan), where=pairs > 0)
    return areas, np.add.reduceat(weight, group_starts)
