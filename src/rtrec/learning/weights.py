"""Weights as scorers hold them: every head's vector in memory, moved forward by updates.

Rules
-----
- A version is (epoch, offset): the learner's epoch and where its input stood. Only a higher one is applied,
  so a zombie's or a repeated update changes nothing.
- An update holds absolute weights of the slots that moved: applying those in between or not, in the end,
  comes to the same as long as each slot's newest value arrives.
- `steps` applies in slices, so that whoever holds a lock for each keeps no reader waiting for a full image. Between
  two slices weights of both versions serve, a second apart; the version held is the older one until the last.
- One thread applies and reads at a time: a slice is not atomic beside a running `logits`.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from rtrec.learning.rows import checked_rows, page_in

SLICE: Final = 8_192
"""Slots applied at once: a third of a millisecond with three heads."""


class WeightsUpdate(NamedTuple):
    """What the learner publishes: new weights of the slots it touched.

    epoch, offset: the version. slots: int64 [n], sorted. weights: float64 [n, heads]. bias: float64 [heads].
    """

    epoch: int
    offset: int
    slots: NDArray[np.int64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


class ScorerWeights:
    """The newest weights that arrived, for `heads` heads over 2^slots_log2 slots.

    >>> held = ScorerWeights(heads=1, slots_log2=10)
    >>> held.apply(WeightsUpdate(1, 50, np.array([3]), np.array([[0.5]]), np.array([-1.0])))
    True
    >>> held.logits([[3, 9]], [[2.0, 1.0]]).tolist()
    [[0.0]]
    >>> held.apply(WeightsUpdate(1, 50, np.array([3]), np.array([[9.0]]), np.array([9.0])))
    False
    """

    def __init__(self, heads: int, slots_log2: int) -> None:
        self.version: tuple[int, int] | None = None
        self._weights = np.zeros((1 << slots_log2, heads))
        self._bias = np.zeros(heads)

    def apply(self, update: WeightsUpdate) -> bool:
        """Take an update's weights; False, and no change, unless its version is above the one held."""
        version = self.version
        for _ in self.steps(update):
            pass
        return self.version != version

    def steps(self, update: WeightsUpdate) -> Iterator[None]:
        """The same in slices of `SLICE` slots: each step of the iterator applies one. None for a version not above."""
        version = (update.epoch, update.offset)
        if self.version is not None and version <= self.version:
            return
        for first in range(0, max(len(update.slots), 1), SLICE):
            some = slice(first, first + SLICE)
            self._weights[update.slots[some]] = update.weights[some]
            if some.stop >= len(update.slots):
                self._bias[:] = update.bias
                self.version = version
            yield

    def of(self, slots: NDArray[np.int64]) -> WeightsUpdate | None:
        """What is held of some slots, as the update that brings it; None before the first one."""
        if self.version is None:
            return None
        return WeightsUpdate(*self.version, slots, self._weights[slots], self._bias.copy())

    def page_in(self) -> None:
        """Take all memory now, not while requests wait."""
        page_in(self._weights)

    def logits(self, index: ArrayLike, value: ArrayLike) -> NDArray[np.float64]:
        """Logits [N, heads] of sparse rows (index, value: [N, K]); entries with value 0 count nothing."""
        rows = checked_rows(index, value, len(self._weights))
        logits: NDArray[np.float64] = _logits(self._weights, self._bias, *rows)
        return logits

    def contributions(self, index: NDArray[np.int32], value: NDArray[np.float64], head: int) -> NDArray[np.float64]:
        """What each entry of rows adds to a head's logit, [N, K]; the bias is `bias`."""
        added: NDArray[np.float64] = self._weights[index, head] * value
        return added

    def bias(self, head: int) -> float:
        """A head's intercept."""
        return float(self._bias[head])


@njit(cache=True, nogil=True)
def _logits(
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
