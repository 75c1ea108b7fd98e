"""Drift in the loss is found soon after it began, and not without it."""

import numpy as np
import pytest

from rtrec.learning.drift import Drift
from rtrec.learning.judging import BLOCK


def found(rates: list[float], blocks: int, seed: int) -> list[int]:
    """Where drifts are found in losses of a constant prediction of 0.1; positives come at each rate in turn."""
    rng, drift, at = np.random.default_rng(seed), Drift(), []
    for k, positives in enumerate(rng.binomial(BLOCK, np.repeat(rates, blocks)).tolist()):
        before = drift.drifts
        drift.add((-positives * np.log(0.1) - (BLOCK - positives) * np.log(0.9)) / BLOCK, BLOCK * (k + 1))
        if drift.drifts > before:
            assert drift.at is not None
            at.append(drift.at)
    assert drift.report() == {"drifts": len(at), "last_example": at[-1] if at else None}
    return at


@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_the_rate_is_found_within_3_000_examples(seed: int) -> None:
    first = found([0.1, 0.3], 1_000, seed)[0]
    assert 50_000 < first < 53_000


def test_without_a_change_nothing_is_found() -> None:
    assert found([0.1], 4_000, 7) == []
