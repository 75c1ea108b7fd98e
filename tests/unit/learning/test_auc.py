"""Promises of AUC: exact by definition, with ties, weights and groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.learning.auc import auc, gauc

rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-4, 4), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=40
)


def by_definition(score: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float | None:
    """The share of (positive, negative) pairs in order, a tie counting half, over all pairs."""
    good, bad = y == 1, y == 0
    pairs = weight[good][:, None] * weight[bad]
    if not pairs.size:
        return None
    above = score[good][:, None] - score[bad]
    return float((pairs * ((above > 0) + (above == 0) / 2)).sum() / pairs.sum())


@given(data=rows)
@settings(max_examples=100, deadline=None)
def test_auc_and_gauc_equal_their_definitions(data: list[tuple[int, int, int, int]]) -> None:
    """Counting every pair gives the same number, whole and per group."""
    group, score, y, weight = (np.array(column, float) for column in zip(*data, strict=True))
    assert auc(score, y, weight) == pytest.approx(by_definition(score, y, weight), abs=1e-12)
    areas, weights = [], []
    for one in np.unique(group):
        inside = group == one
        area = by_definition(score[inside], y[inside], weight[inside])
        if area is not None:
            areas.append(area)
            weights.append(weight[inside].sum())
    expected = np.average(areas, weights=weights) if areas else None
    assert gauc(group.astype(np.uint64), score, y, weight) == pytest.approx(expected, abs=1e-12)


def test_hand_made_cases() -> None:
    """Perfect, reversed, all tied, infinite scores, and one label only."""
    ones, y = np.ones(4), np.array([0.0, 0.0, 1.0, 1.0])
    assert auc(np.array([1.0, 2.0, 3.0, 4.0]), y, ones) == 1.0
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), y, ones) == 0.0
    assert auc(np.zeros(4), y, ones) == 0.5
    assert auc(np.array([-np.inf, 0.0, 0.0, np.inf]), y, ones) == 0.875
    assert auc(np.arange(4.0), np.ones(4), ones) is None
    assert auc(np.empty(0), np.empty(0), np.empty(0)) is None
    assert gauc(np.arange(4).astype(np.uint64), np.arange(4.0), y, ones) is None
