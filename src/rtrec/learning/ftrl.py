"""FTRL-Proximal: McMahan et al. 2013, *Ad Click Prediction: a View from the Trenches*, Algorithm 1.

Rules
-----
- Exact and sequential: one example after the other, float64, per coordinate (slot, head). Where a batch
  begins or ends leaves no trace.
- A coordinate is a pair (z, n). `n` is stored without `init_n`, so that fresh memory, all zeros, is a fresh
  coordinate and pages in only where something was learned.
- A warm coordinate, one that was given a weight w0, has z = 0 in the algorithm until its first update, and
  w0 stands as w. It is stored as (w0, −n): n is a sum of squares, so its sign bit is free to say "not
  updated yet, the first place holds the weight" (−0.0 where n = 0). The first update clears it.
- A zero gradient is no update: it changes no pair, and a warm one stays warm.
- Equal slots in a row are one coordinate with the sum of their values, whether the row repeats a feature or
  two features collide. Entries with value 0 are skipped.
- The intercept of a head is a coordinate with value 1 and without L1.
- A *fake negative* (an impression told as negative before its action had time to come; `labels.policy`, `fast_slow`)
  counts 1 − p of itself, p as predicted just then and held constant.
- Indices are trusted here; `model` and `weights` check them.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtrec.settings import Learner

NUMBER: Final = 0
DRAINED: Final = 1
RECENT: Final = 2
LIVE: Final = 3


class FtrlPolicy(NamedTuple):
    """Algorithm 1's constants, all floats.

    alpha, beta: learning rate alpha / (beta + √n) of a coordinate.
    l1, l2: λ1 and λ2.
    init_n: what n begins with; above 0 it damps the first steps.
    clip: bound on each coordinate's |gradient|; infinite for none.
    """

    alpha: float = 0.1
    beta: float = 1.0
    l1: float = 0.1
    l2: float = 1.0
    init_n: float = 0.0
    clip: float = math.inf

    @classmethod
    def of(cls, settings: Learner) -> "FtrlPolicy":
        """The policy that a configuration names."""
        return cls(settings.alpha, settings.beta, settings.l1, settings.l2).checked()

    def checked(self) -> "FtrlPolicy":
        """The same as floats (the kernels are compiled once), or ValueError.

        >>> FtrlPolicy(alpha=1).checked().alpha
        1.0
        """
        policy = FtrlPolicy(*map(float, self))
        if not (all(0 <= one < math.inf for one in policy[:-1]) and policy.alpha > 0 and policy.clip > 0):
            raise ValueError(f"expected alpha > 0, clip > 0, and beta, l1, l2, init_n ≥ 0, finite but clip, got {self}")
        return policy


class FtrlState(NamedTuple):
    """What learning changes.

    pairs: float64 [slots, heads, 2], (z, n) side by side: one cache line a coordinate.
    intercept: float64 [heads, 2].
    met: int64 [slots], the number of the last example that met the slot; 0 = none ever did.
    recent: int32 [slots], the first `counts[RECENT]` are the slots met since the last drain, each once.
    counts: int64 [4]: NUMBER of the last example, its number at the last drain (DRAINED), how many slots are
        RECENT, how many were ever met (LIVE).
    """

    pairs: NDArray[np.float64]
    intercept: NDArray[np.float64]
    met: NDArray[np.int64]
    recent: NDArray[np.int32]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, slots: int, heads: int) -> "FtrlState":
        """Fresh state; its memory is paged in as it is touched."""
        return cls(
            np.zeros((slots, heads, 2)), np.zeros((heads, 2)), np.zeros(slots, np.int64),
            np.empty(slots, np.int32), np.zeros(4, np.int64),
        )  # fmt: skip


def warm(weights: NDArray[np.float64], n: float = 0.0) -> NDArray[np.float64]:
    """Pairs that hold given weights until their first update; see the module's rules.

    >>> warm(np.array([0.5])).tolist()
    [[0.5, -0.0]]
    """
    return np.stack((weights, np.full_like(weights, -float(n))), axis=-1)


@njit(cache=True, nogil=True)
def _weight(z: float, n: float, l1: float, policy: FtrlPolicy) -> float:
    """w of a stored pair. No step size at all (beta = l2 = 0 and g² underflowed) is a weight of 0."""
    if math.copysign(1.0, n) < 0.0:
        return z
    if abs(z) <= l1:
        return 0.0
    scale = (policy.beta + math.sqrt(n + policy.init_n)) / policy.alpha + policy.l2
    return -(z - math.copysign(l1, z)) / scale if scale > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _stepped(z: float, n: float, w: float, g: float, policy: FtrlPolicy) -> tuple[float, float]:
    """The stored pair (z, n), whose weight is `w`, after the gradient `g`."""
    if g == 0.0:
        return z, n
    if math.copysign(1.0, n) < 0.0:
        z, n = 0.0, -n
    grown = n + g * g
    sigma = (math.sqrt(grown + policy.init_n) - math.sqrt(n + policy.init_n)) / policy.alpha
    return z + g - sigma * w, grown


@njit(cache=True, nogil=True)
def _clipped(g: float, clip: float) -> float:
    return min(max(g, -clip), clip)


@njit(cache=True, nogil=True)
def _sigmoid(logit: float) -> float:
    if logit >= 0.0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(logit)
    return grown / (1.0 + grown)


@njit(cache=True, nogil=True)
def _gather(
    state: FtrlState,
    index: NDArray[np.int32],
    value: NDArray[np.float64],
    slots: NDArray[np.int32],
    x: NDArray[np.float64],
) -> int:
    """Write a row's coordinates and their summed values into `slots` and `x`, noting the slots as met; how many."""
    met, recent = state.met, state.recent
    number, drained = state.counts[NUMBER] + 1, state.counts[DRAINED]
    fresh, live = state.counts[RECENT], state.counts[LIVE]
    found = 0
    for k in range(index.size):
        if value[k] == 0.0:
            continue
        slot = index[k]
        last = met[slot]
        if last == number:
            place = 0
            while slots[place] != slot:
                place += 1
            x[place] += value[k]
            continue
        slots[found], x[found] = slot, value[k]
        found += 1
        met[slot] = number
        if last <= drained:
            recent[fresh] = slot
            fresh += 1
            live += last == 0
    state.counts[NUMBER], state.counts[RECENT], state.counts[LIVE] = number, fresh, live
    return found


@njit(cache=True, nogil=True)
def learn(
    state: FtrlState,
    policy: FtrlPolicy,
    index: NDArray[np.int32],
    value: NDArray[np.float64],
    head: NDArray[np.uint8],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    fake: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Learn examples in order; each one's p from before its own update (progressive validation).

    index, value: [N, K], a row per example. head, y (0 … 1), weight (of the gradient), fake (a fake negative): [N].
    """
    pairs, intercept = state.pairs, state.intercept
    rows, width = index.shape
    p = np.empty(rows)
    slots, x, w = np.empty(width, np.int32), np.empty(width), np.empty(width)
    for i in range(rows):
        h = head[i]
        found = _gather(state, index[i], value[i], slots, x)
        bias = _weight(intercept[h, 0], intercept[h, 1], 0.0, policy)
        logit = bias
        for k in range(found):
            j = slots[k]
            w[k] = _weight(pairs[j, h, 0], pairs[j, h, 1], policy.l1, policy)
            logit += w[k] * x[k]
        p[i] = _sigmoid(logit)
        slope = (p[i] - y[i]) * weight[i]
        if fake[i]:
            slope *= 1.0 - p[i]
        step = _clipped(slope, policy.clip)
        intercept[h, 0], intercept[h, 1] = _stepped(intercept[h, 0], intercept[h, 1], bias, step, policy)
        for k in range(found):
            j, step = slots[k], _clipped(slope * x[k], policy.clip)
            pairs[j, h, 0], pairs[j, h, 1] = _stepped(pairs[j, h, 0], pairs[j, h, 1], w[k], step, policy)
    return p


@njit(cache=True, nogil=True)
def derive(pairs: NDArray[np.float64], slots: NDArray[np.int64], l1: float, policy: FtrlPolicy) -> NDArray[np.float64]:
    """Weights [n, heads] of slots, from pairs [slots, heads, 2]."""
    heads = pairs.shape[1]
    w = np.empty((slots.size, heads))
    for i in range(slots.size):
        for h in range(heads):
            w[i, h] = _weight(pairs[slots[i], h, 0], pairs[slots[i], h, 1], l1, policy)
    return w


@njit(cache=True, nogil=True)
def predict_weights(
    w: NDArray[np.float64], bias: NDArray[np.float64], index: NDArray[np.int32], value: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logits [N, heads] of rows (index, value: [N, K]) under weights [slots, heads] and biases [heads]."""
    rows, width = index.shape
    heads = bias.size
    logits = np.empty((rows, heads))
    for i in range(rows):
        for h in range(heads):  # a slice assignment would cost 3 s of compiling NumPy's error message
            logits[i, h] = bias[h]
        for k in range(width):
            if value[i, k] != 0.0:
                for h in range(heads):
                    logits[i, h] += w[index[i, k], h] * value[i, k]
    return logits
