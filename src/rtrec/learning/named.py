"""The kernels of `FTRLClassifier`: the rule of `ftrl` for one head, on rows whose features were named, not hashed.

Rules
-----
- A row of names comes from a dictionary: no slot twice. Sparse rows may repeat a slot, which is then one coordinate
  with the sum of its values, at the place of its first. So both orders of adding up are one, bit for bit.
- A slot below 0 is a feature that was never learned: its weight is 0.
- `fixed` is the policy's constants and whether there is an intercept to learn (1 or 0): float64 [len(FtrlPolicy) + 1].
- Slots are trusted; the values of one row are looked at here, before anything changes.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtrec.learning.ftrl import FtrlPolicy, learn_row, sigmoid, stepped, weight_of

LARGEST: Final = 1e70
"""Of a value or an importance: what is below leaves every square and every product of this module finite."""


@njit(cache=True, nogil=True)
def _policy(fixed: NDArray[np.float64]) -> FtrlPolicy:
    return FtrlPolicy(fixed[0], fixed[1], fixed[2], fixed[3], fixed[4], fixed[5], fixed[6])


@njit(cache=True, nogil=True)
def _are_numbers(x: NDArray[np.float64], width: int) -> bool:
    sound = True
    for k in range(width):
        sound &= abs(x[k]) <= LARGEST  # not so for NaN
    return sound


@njit(cache=True, nogil=True)
def _step(
    pairs: NDArray[np.float64],
    intercept: NDArray[np.float64],
    fixed: NDArray[np.float64],
    policy: FtrlPolicy,
    slots: NDArray[np.integer],
    x: NDArray[np.float64],
    room: NDArray[np.float64],
    found: int,
    y: float,
    weight: float,
) -> None:
    bias = weight_of(intercept[0, 0], intercept[0, 1], 0.0, policy)
    _, g = learn_row(pairs, 0, policy, slots, x, room, found, bias, y, weight, False)
    if fixed[-1] != 0.0:
        intercept[0, 0], intercept[0, 1] = stepped(intercept[0, 0], intercept[0, 1], bias, g, policy)


@njit(cache=True, nogil=True)
def learn_names(
    pairs: NDArray[np.float64],
    intercept: NDArray[np.float64],
    fixed: NDArray[np.float64],
    slots: NDArray[np.int64],
    x: NDArray[np.float64],
    width: int,
    y: float,
    weight: float,
) -> bool:
    """Learn one example, the first `width` of `slots` and `x`; False, and no change, for what is no number or label."""
    if not (y * (1.0 - y) == 0.0 and abs(weight) <= LARGEST and _are_numbers(x, width)):
        return False
    _step(pairs, intercept, fixed, _policy(fixed), slots, x, np.empty((4, width)), width, y, weight)
    return True


@njit(cache=True, nogil=True)
def _p(
    pairs: NDArray[np.float64],
    intercept: NDArray[np.float64],
    policy: FtrlPolicy,
    slots: NDArray[np.integer],
    x: NDArray[np.float64],
    width: int,
) -> float:
    logit = weight_of(intercept[0, 0], intercept[0, 1], 0.0, policy)
    for k in range(width):
        if slots[k] >= 0:
            logit += weight_of(pairs[slots[k], 0, 0], pairs[slots[k], 0, 1], policy.l1, policy) * x[k]
    return sigmoid(logit)


@njit(cache=True, nogil=True)
def predict_names(
    pairs: NDArray[np.float64],
    intercept: NDArray[np.float64],
    fixed: NDArray[np.float64],
    slots: NDArray[np.int64],
    x: NDArray[np.float64],
    width: int,
) -> float:
    """p of one row; NaN for values that are no numbers."""
    if not _are_numbers(x, width):
        return np.nan
    return _p(pairs, intercept, _policy(fixed), slots, x, width)


@njit(cache=True, nogil=True)
def look_up(table: NDArray[np.int32], columns: NDArray[np.integer], slots: NDArray[np.int32]) -> int:
    """Write the slot of every column, one below what the table holds; how many are unknown, −1."""
    unknown = 0
    for k in range(columns.size):
        slots[k] = table[columns[k]] - 1
        unknown += slots[k] < 0
    return unknown


@njit(cache=True, nogil=True)
def _summed(
    index: NDArray[np.int32],
    value: NDArray[np.float64],
    row: tuple[int, int],
    slots: NDArray[np.int32],
    x: NDArray[np.float64],
    places: NDArray[np.int64],
) -> int:
    """Write entries row[0] … row[1] − 1 into `slots` and `x`, each slot once; how many.

    `places` is a table of open addressing, twice as long as a row and of a power of 2: where a slot's place in this
    row stands as number·2^32 + place, the number being above that of every row before.
    """
    mask, first = places.size - 1, (row[0] + 1) << 32
    found = 0
    for k in range(row[0], row[1]):
        at = index[k] & mask
        while places[at] >= first and slots[places[at] - first] != index[k]:
            at = (at + 1) & mask
        if places[at] >= first:
            x[places[at] - first] += value[k]
            continue
        places[at] = first + found
        slots[found], x[found] = index[k], value[k]
        found += 1
    return found


@njit(cache=True, nogil=True)
def _table(starts: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """The longest row, and an empty table for `_summed`."""
    longest, size = 0, 2
    for i in range(starts.size - 1):
        longest = max(longest, starts[i + 1] - starts[i])
    while size < 2 * longest:
        size *= 2
    return longest, np.zeros(size, np.int64)


@njit(cache=True, nogil=True)
def learn_sparse(
    pairs: NDArray[np.float64],
    intercept: NDArray[np.float64],
    fixed: NDArray[np.float64],
    starts: NDArray[np.int64],
    index: NDArray[np.int32],
    value: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> None:
    """Learn rows in order; row i is the entries starts[i] … starts[i + 1] − 1 of `index` and `value`."""
    policy = _policy(fixed)
    longest, places = _table(starts)
    slots, x, room = np.empty(longest, np.int32), np.empty(longest), np.empty((4, longest))
    for i in range(starts.size - 1):
        found = _summed(index, value, (starts[i], starts[i + 1]), slots, x, places)
        _step(pairs, intercept, fixed, policy, slots, x, room, found, y[i], weight[i])


@njit(cache=True, nogil=True)
def predict_sparse(
    pairs: NDArray[np.float64],
    intercept: NDArray[np.float64],
    fixed: NDArray[np.float64],
    starts: NDArray[np.int64],
    index: NDArray[np.int32],
    value: NDArray[np.float64],
) -> NDArray[np.float64]:
    """p of rows, as they are learned by `learn_sparse`."""
    policy = _policy(fixed)
    longest, places = _table(starts)
    slots, x = np.empty(longest, np.int32), np.empty(longest)
    p = np.empty(starts.size - 1)
    for i in range(p.size):
        found = _summed(index, value, (starts[i], starts[i + 1]), slots, x, places)
        p[i] = _p(pairs, intercept, policy, slots, x, found)
    return p
