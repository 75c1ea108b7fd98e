"""Off-policy evaluation: the reward rate of a policy that was not in charge, from the log of one that was.

Rules
-----
- A row of the log is an action that was shown with probability `propensity`, and its reward, 0 or 1. Its weight is
  w = π(action | context) / propensity, where π is the target policy as it stood *before* it learned from the row.
- SNIPS, the self-normalized estimate (Swaminathan & Joachims 2015, *The Self-Normalized Estimator for Counterfactual
  Learning*): v = Σ w·r / Σ w. It stays between 0 and 1, and a constant factor in the weights leaves no trace.
- Its variance by the delta method: V = Σ w²(r − v)² / (Σ w)². Rewards are rare, so the 95 % interval is not
  v ± 1.96 √V, which reaches below 0, but Wilson's (1927) for a rate of v among n = v(1 − v) / V rows. With equal
  weights it is the interval of a plain rate.
- V is blind to heavy rows while none of them has been rewarded, and 0 without any reward: n is at most
  `effective_rows`. (Rewards of 0.5 % and weights 40 times apart: the truth was missed in 44 of 100 logs without this.)
- `effective_rows` (Kish 1965) = (Σ w)² / Σ w²: so many rows of equal weight are worth as much.
- The policy may learn while the log passes: each weight is fixed before its reward is known, so that w(r − v) are
  differences of a martingale and the same variance holds (what is estimated is the mean over all its states).
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Z: Final = 1.959964
"""The standard normal's 97.5 % quantile."""


class Estimate(NamedTuple):
    """A reward rate with its 95 % interval; None where no row has weight."""

    rate: float | None
    low: float | None
    high: float | None
    effective_rows: float


def snips(weight: NDArray[np.float64], reward: NDArray[np.float64]) -> Estimate:
    """The target policy's reward rate; with weights of 1 it is the logging policy's own, observed.

    weight: π(action | context) / propensity, ≥ 0, [n]. reward: 0 or 1, [n].

    >>> estimate = snips(np.array([2.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0]))
    >>> estimate.rate, round(estimate.effective_rows, 2)
    (0.5, 2.67)
    """
    total = float(weight.sum())
    if total <= 0.0:
        return Estimate(None, None, None, 0.0)
    share = weight / total
    rate = min(1.0, float((share * reward).sum()))  # shares may sum to a little more than 1
    effective_rows = 1.0 / float((share * share).sum())
    variance = float((share * share * (reward - rate) ** 2).sum())
    rows = rate * (1.0 - rate) / variance if variance > 0.0 else effective_rows
    return Estimate(rate, *wilson(rate, min(rows, effective_rows)), effective_rows)


def wilson(rate: float, rows: float) -> tuple[float, float]:
    """The 95 % interval of a rate that was observed among `rows` rows, which need be no whole number.

    >>> [round(bound, 3) for bound in wilson(0.0, 100)], [round(bound, 3) for bound in wilson(0.5, 100)]
    ([0.0, 0.037], [0.404, 0.596])
    """
    spread = Z * Z / rows
    middle = rate + spread / 2
    reach = math.sqrt(spread * rate * (1.0 - rate) + spread * spread / 4)
    return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))


def greedy(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """The policy that shows the highest score, each of those that tie alike often. score: [actions].

    >>> greedy(np.array([0.1, 0.7, 0.7])).tolist()
    [0.0, 0.5, 0.5]
    """
    best = score == score.max()
    chance: NDArray[np.float64] = best / best.sum()
    return chance


def softmax(score: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """The policy that shows an action with probability ∝ e^(score / temperature). score: [actions].

    >>> softmax(np.array([0.0, 0.0, -800.0]), 0.5).tolist()
    [0.5, 0.5, 0.0]
    """
    grown = np.exp((score - score.max()) / temperature)
    chance: NDArray[np.float64] = grown / grown.sum()
    return chance
