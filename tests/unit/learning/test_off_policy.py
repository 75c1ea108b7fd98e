"""Off-policy estimates: the formulas counted out by hand, and the truth where the truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from rtrec.learning.off_policy import greedy, snips, softmax, wilson

ROWS = st.lists(st.tuples(st.floats(0, 50), st.integers(0, 1)), min_size=1, max_size=40)


@given(ROWS)
def test_the_estimate_is_what_a_loop_over_the_rows_gives(rows: list[tuple[float, int]]) -> None:
    """Ratio, variance and effective rows from their definitions; the interval holds the rate."""
    total = math.fsum(w for w, _ in rows)
    found = snips(np.array([w for w, _ in rows]), np.array([float(r) for _, r in rows]))
    if total == 0:
        assert found == (None, None, None, 0.0)
        return
    rate = math.fsum(w * r for w, r in rows) / total
    variance = math.fsum((w / total) ** 2 * (r - rate) ** 2 for w, r in rows)
    effective = 1 / math.fsum((w / total) ** 2 for w, _ in rows)
    assert found.rate == pytest.approx(rate, abs=1e-12)
    assert found.effective_rows == pytest.approx(effective)
    assert found.low is not None
    assert found.high is not None
    assert -1e-12 <= found.low <= rate + 1e-9
    assert rate - 1e-9 <= found.high <= 1 + 1e-12
    if variance > 1e-9:
        # Wilson's bounds p are those at which the normal test of the rate just fails: n (v − p)² = z² p (1 − p).
        n = min(rate * (1 - rate) / variance, effective)
        for bound in (found.low, found.high):
            assert n * (rate - bound) ** 2 == pytest.approx(1.959964**2 * bound * (1 - bound), rel=1e-5, abs=1e-6)


@given(st.integers(1, 5_000), st.data())
def test_with_equal_weights_it_is_the_plain_rate_with_wilsons_interval(rows: int, data: st.DataObject) -> None:
    """As SciPy has it; how large the weights are leaves no trace."""
    positives = data.draw(st.integers(0, rows))
    weight = data.draw(st.floats(0.001, 1_000))
    reward = np.repeat([1.0, 0.0], [positives, rows - positives])
    found = snips(np.full(rows, weight), reward)
    known = binomtest(positives, rows).proportion_ci(0.95, method="wilson")
    assert found.rate == pytest.approx(positives / rows)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-6)
    assert found.effective_rows == pytest.approx(rows)


def test_no_reward_at_all_still_has_an_upper_bound() -> None:
    """As much as the effective rows allow: not an interval of no width."""
    weight = np.array([4.0] * 10 + [0.1] * 990)
    found = snips(weight, np.zeros(1_000))
    assert (found.rate, found.low) == (0.0, 0.0)
    assert found.high == wilson(0.0, found.effective_rows)[1] > 0.03


# A world whose truth is known: contexts, each with its own best action, a logging policy that prefers some actions.

CONTEXTS, ACTIONS, LOGGED = 4, 6, 4_000
CLICKS = np.array([[0.02 + 0.1 * ((a + x) % ACTIONS == 0) + 0.01 * a for a in range(ACTIONS)] for x in range(CONTEXTS)])
LOGGING = np.array([softmax(np.arange(ACTIONS) * 0.3, 1.0)] * CONTEXTS)
TARGET = np.array([softmax(CLICKS[x] * 20, 1.0) for x in range(CONTEXTS)])
TRUTH = float((TARGET * CLICKS).sum(axis=1).mean())
OBSERVED = float((LOGGING * CLICKS).sum(axis=1).mean())


def logged(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A log of the logging policy: the target's weights, and rewards."""
    rng = np.random.default_rng(seed)
    context = rng.integers(0, CONTEXTS, LOGGED)
    action = (rng.random((LOGGED, 1)) > LOGGING.cumsum(axis=1)[context, :-1]).sum(axis=1)
    reward = (rng.random(LOGGED) < CLICKS[context, action]).astype(float)
    return TARGET[context, action] / LOGGING[context, action], reward


def test_where_the_truth_is_known_the_interval_holds_it() -> None:
    """In 95 of 100 logs or so; and it is the target's truth, not the logging policy's rate, that is estimated."""
    found = [snips(*logged(seed)) for seed in range(100)]
    covered = sum((one.low or 0) <= TRUTH <= (one.high or 0) for one in found)
    mean = sum(one.rate or 0 for one in found) / len(found)
    assert TRUTH > 1.2 * OBSERVED
    assert mean == pytest.approx(TRUTH, rel=0.03)
    assert covered >= 89, "a fair interval fails this once in a thousand times"
    assert sum((one.low or 0) <= OBSERVED for one in found) < 60


def test_a_log_of_rare_rewards_is_covered_too() -> None:
    """Half a percent of rewards, weights 40 times apart, and in most logs one rewarded heavy row, or none."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        weight = np.where(rng.random(2_000) < 0.1, 8.0, 0.2)
        found = snips(weight, (rng.random(2_000) < 0.005).astype(float))
        covered += (found.low or 0) <= 0.005 <= (found.high or 0)
    assert covered >= 180


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=20), st.floats(0.01, 10))
def test_policies_are_probabilities_that_follow_the_scores(scores: list[float], temperature: float) -> None:
    """They sum to 1, never prefer a lower score, and a cold softmax is greedy."""
    score = np.array(scores)
    for chance in (greedy(score), softmax(score, temperature)):
        assert chance.sum() == pytest.approx(1)
        assert (np.diff(chance[np.argsort(score, kind="stable")]) >= 0).all()
    assert greedy(score)[score < score.max()].sum() == 0
