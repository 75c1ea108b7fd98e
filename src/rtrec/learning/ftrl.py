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
- A slot is *admitted* at its `admit`-th example and learned from then on; until then it is only counted, and its weight
  is 0. Its *age* is that count and the day of the newest example that met it, for `expire`.
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
WAITING: Final = 4
DAY: Final = 5
_COUNTS: Final = 6
SEEN_BITS: Final = 8
SEEN_MOST: Final = (1 << SEEN_BITS) - 1
"""More sightings are not counted."""
AGE_BITS: Final = 24
AGE: Final = (1 << AGE_BITS) - 1
FIRST_DAY: Final = 1
"""Where nobody tells the day."""


class FtrlPolicy(NamedTuple):
    """Algorithm 1's constants, all floats.

    alpha, beta: learning rate alpha / (beta + √n) of a coordinate.
    l1, l2: λ1 and λ2.
    init_n: what n begins with; above 0 it damps the first steps.
    clip: bound on each coordinate's |gradient|; infinite for none.
    admit: examples that must have met a slot before it is learned, that one included; 1 for none.
    """

    alpha: float = 0.1
    beta: float = 1.0
    l1: float = 0.1
    l2: float = 1.0
    init_n: float = 0.0
    clip: float = math.inf
    admit: float = 1.0

    @classmethod
    def of(cls, settings: Learner) -> "FtrlPolicy":
        """The policy that a configuration names."""
        return cls(settings.alpha, settings.beta, settings.l1, settings.l2, admit=settings.admit_examples).checked()

    def checked(self) -> "FtrlPolicy":
        """The same as floats (the kernels are compiled once), or ValueError.

        >>> FtrlPolicy(alpha=1).checked().alpha
        1.0
        """
        policy = FtrlPolicy(*map(float, self))
        if not (all(0 <= one < math.inf for one in policy[:5]) and policy.alpha > 0 and policy.clip > 0):
            raise ValueError(f"expected alpha > 0, clip > 0, and beta, l1, l2, init_n ≥ 0, finite but clip, got {self}")
        if not 1 <= policy.admit <= SEEN_MOST:
            raise ValueError(f"expected admit from 1 to {SEEN_MOST}, got {self.admit}")
        return policy


class FtrlState(NamedTuple):
    """What learning changes.

    pairs: float64 [slots, heads, 2], (z, n) side by side: one cache line a coordinate.
    intercept: float64 [heads, 2].
    met: int64 [slots], 0 where no example met the slot; else the number of the last one, above AGE_BITS, and the age:
        that one's day (from FIRST_DAY), above SEEN_BITS, and how many there were. One number is one cache line.
    recent: int32 [slots], the first `counts[RECENT]` are the slots met since the last drain, each once.
    counts: int64 [6]: NUMBER of the last example, its number at the last drain (DRAINED), how many slots are
        RECENT, how many are known (LIVE), how many of those are not admitted yet (WAITING), the present DAY.
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
            np.empty(slots, np.int32), np.array([0, 0, 0, 0, 0, FIRST_DAY], np.int64),
        )  # fmt: skip


def warm(weights: NDArray[np.float64], n: float = 0.0) -> NDArray[np.float64]:
    """Pairs that hold given weights until their first update; see the module's rules.

    >>> warm(np.array([0.5])).tolist()
    [[0.5, -0.0]]
    """
    return np.stack((weights, np.full_like(weights, -float(n))), axis=-1)


@njit(cache=True, nogil=True)
def weight_of(z: float, n: float, l1: float, policy: FtrlPolicy) -> float:
    """w of a stored pair. No step size at all (beta = l2 = 0 and g² underflowed) is a weight of 0."""
    if math.copysign(1.0, n) < 0.0:
        return z
    if abs(z) <= l1:
        return 0.0
    scale = (policy.beta + math.sqrt(n + policy.init_n)) / policy.alpha + policy.l2
    return -(z - math.copysign(l1, z)) / scale if scale > 0.0 else 0.0


@njit(cache=True, nogil=True)
def stepped(z: float, n: float, w: float, g: float, policy: FtrlPolicy) -> tuple[float, float]:
    """The stored pair (z, n), whose weight is `w`, after the gradient `g`."""
    if g == 0.0:
        return z, n
    if math.copysign(1.0, n) < 0.0:
        z, n = 0.0, -n
    grown = n + g * g
    sigma = (math.sqrt(grown + policy.init_n) - math.sqrt(n + policy.init_n)) / policy.alpha
    return z + g - sigma * w, grown


@njit(cache=True, nogil=True)
def clipped(g: float, clip: float) -> float:
    """A gradient within the bound."""
    return min(max(g, -clip), clip)


@njit(cache=True, nogil=True)
def sigmoid(logit: float) -> float:
    """p, without overflow."""
    if logit >= 0.0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(logit)
    return grown / (1.0 + grown)


@njit(cache=True, nogil=True)
def _gather(
    state: FtrlState,
    policy: FtrlPolicy,
    index: NDArray[np.int32],
    value: NDArray[np.float64],
    slots: NDArray[np.int32],
    x: NDArray[np.float64],
) -> int:
    """Write a row's admitted coordinates and their summed values into `slots` and `x`; how many. Notes who was met."""
    met, recent, counts, admit = state.met, state.recent, state.counts, int(policy.admit)
    number, drained = counts[NUMBER] + 1, counts[DRAINED]
    now = number << AGE_BITS | counts[DAY] << SEEN_BITS
    fresh, live, waiting = counts[RECENT], counts[LIVE], counts[WAITING]
    found = 0
    for k in range(index.size):
        if value[k] == 0.0:
            continue
        slot = index[k]
        last = met[slot] >> AGE_BITS
        if last == number:
            place = 0
            while place < found and slots[place] != slot:
                place += 1
            if place < found:
                x[place] += value[k]
            continue
        seen = met[slot] & SEEN_MOST
        grown = min(seen + 1, SEEN_MOST)
        met[slot] = now | grown
        if last <= drained:
            recent[fresh] = slot
            fresh += 1
            live += seen == 0
        if grown < admit:
            waiting += seen == 0
            continue
        waiting -= 0 < seen < admit
        slots[found], x[found] = slot, value[k]
        found += 1
    counts[NUMBER], counts[RECENT], counts[LIVE], counts[WAITING] = number, fresh, live, waiting
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def learn_row(
    pairs: NDArray[np.float64], h: int, policy: FtrlPolicy, slots: NDArray[np.integer], x: NDArray[np.float64],
    room: NDArray[np.float64], found: int, bias: float, y: float, weight: float, fake: bool,  # noqa: FBT001
) -> tuple[float, float]:  # fmt: skip
    """Learn one example, of `found` different slots; its p from before, and the gradient of its intercept.

    bias: the intercept, which the caller steps. room: [4, found or more] to work in; the arithmetic of `weight_of` and
    `stepped`, without branches, so that several coordinates go through one instruction.
    """
    alpha, beta, l1, l2, init_n, clip = policy[:6]
    z, n, root, w = room[0], room[1], room[2], room[3]
    for k in range(found):
        z[k], n[k] = pairs[slots[k], h, 0], pairs[slots[k], h, 1]
    for k in range(found):
        root[k] = math.sqrt(abs(n[k]) + init_n)
        scale = (beta + root[k]) / alpha + l2
        beyond = 0.0 if abs(z[k]) <= l1 else math.copysign(l1, z[k]) - z[k]
        cold = beyond / scale if scale > 0.0 else 0.0
        w[k] = z[k] if math.copysign(1.0, n[k]) < 0.0 else cold
    logit = bias
    for k in range(found):
        logit += w[k] * x[k]
    p = sigmoid(logit)
    slope = (p - y) * weight
    if fake:
        slope *= 1.0 - p
    for k in range(found):
        g = min(max(slope * x[k], -clip), clip)
        grown = abs(n[k]) + g * g
        sigma = (math.sqrt(grown + init_n) - root[k]) / alpha
        moved = (0.0 if math.copysign(1.0, n[k]) < 0.0 else z[k]) + g - sigma * w[k]
        z[k] = z[k] if g == 0.0 else moved
        n[k] = n[k] if g == 0.0 else grown
    for k in range(found):
        pairs[slots[k], h, 0], pairs[slots[k], h, 1] = z[k], n[k]
    return p, clipped(slope, clip)


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
    slots, x, room = np.empty(width, np.int32), np.empty(width), np.empty((4, width))
    for i in range(rows):
        h = head[i]
        found = _gather(state, policy, index[i], value[i], slots, x)
        bias = weight_of(intercept[h, 0], intercept[h, 1], 0.0, policy)
        p[i], slope = learn_row(pairs, h, policy, slots, x, room, found, bias, y[i], weight[i], fake[i])
        intercept[h, 0], intercept[h, 1] = stepped(intercept[h, 0], intercept[h, 1], bias, slope, policy)
    return p


@njit(cache=True, nogil=True)
def expire(state: FtrlState, policy: FtrlPolicy, before_day: int) -> NDArray[np.int64]:
    """Forget the slots that no example has met since a day; they are as if never met. Which they were, in order."""
    pairs, met, counts = state.pairs, state.met, state.counts
    gone, found = np.empty(counts[LIVE], np.int64), 0
    for slot in range(met.size):
        if met[slot] != 0 and (met[slot] & AGE) >> SEEN_BITS < before_day:
            counts[WAITING] -= (met[slot] & SEEN_MOST) < policy.admit
            met[slot] = 0
            for h in range(pairs.shape[1]):
                pairs[slot, h, 0] = pairs[slot, h, 1] = 0.0
            gone[found] = slot
            found += 1
    counts[LIVE] -= found
    return gone[:found]


@njit(cache=True, nogil=True)
def derive(pairs: NDArray[np.float64], slots: NDArray[np.int64], l1: float, policy: FtrlPolicy) -> NDArray[np.float64]:
    """Weights [n, heads] of slots, from pairs [slots, heads, 2]."""
    heads = pairs.shape[1]
    w = np.empty((slots.size, heads))
    for i in range(slots.size):
        for h in range(heads):
            w[i, h] = weight_of(pairs[slots[i], h, 0], pairs[slots[i], h, 1], l1, policy)
    return w
