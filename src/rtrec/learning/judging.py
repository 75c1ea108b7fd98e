"""Judging predictions in one pass: sums, the window's rows, blocks, and how often an anchor was met before.

Rules
-----
- One example after the other, in order: where a batch ends leaves no trace in any sum.
- A fake negative (`learning.ftrl`) weighs 1 − p of its weight, p each model's own: then Σw·p = Σw·y where p is right.
- A prediction that is no number is counted and judged no further: it would spoil every sum after it.
- An anchor is *known* from its `KNOWN_EXAMPLES`-th judged example on, of whatever head. A count-min sketch with
  conservative update counts (Cormode and Muthukrishnan 2005; Estan and Varghese 2002): 256 KB, never below the truth,
  so errors make an anchor known too early: 1 in 200 new ones beside 20,000 known anchors, 1 in 12 beside 50,000.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtrec.features.table import DENSE_INDEX
from rtrec.features.vector import Rows

WEIGHT, POSITIVES, LOGLOSS, P = range(4)
SUMS: Final = 4
EXAMPLES, NON_FINITE = range(2)
BLOCK: Final = 50
"""Examples of a head in a block: what drift detection and the circuit breaker look at."""
KNOWN_EXAMPLES: Final = 100
LABEL, FAKE, NEW_ANCHOR, NEW_USER, SLICED = 1, 2, 4, 8, 16
"""Flags of a window's row. SLICED: its slices are known; rows of format 1 had none."""
TINY: Final = 1e-15
_SKETCH_ROWS: Final = 4
_SKETCH_CELLS: Final = 1 << 16
_HEAT, _USER_KNOWN = DENSE_INDEX["heat_log"], DENSE_INDEX["user_known"]

ROW: Final = np.dtype(
    [("weight", "<f8"), ("user", "<u8"), ("category", "<u8"), ("surface", "<u8"), ("heat", "<f4"), ("flags", "u1")]
)


class Judged(NamedTuple):
    """What judging changes.

    sums: float64 [heads, models, SUMS]. counts: int64 [heads, 2]: EXAMPLES judged, NON_FINITE predictions.
    rows: `ROW` [heads, window], p: float64 [heads, window, models]: example k of a head stands at k mod window.
    sketch: uint8 [4, 65536]. block: float64 [heads, SUMS] of the block begun, of the first model.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]
    rows: NDArray[np.void]
    p: NDArray[np.float64]
    sketch: NDArray[np.uint8]
    block: NDArray[np.float64]

    @classmethod
    def empty(cls, heads: int, models: int, window: int) -> "Judged":
        """Nothing judged yet."""
        return cls(
            np.zeros((heads, models, SUMS)), np.zeros((heads, 2), np.int64), np.zeros((heads, window), ROW),
            np.zeros((heads, window, models)), np.zeros((_SKETCH_ROWS, _SKETCH_CELLS), np.uint8),
            np.zeros((heads, SUMS)),
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _is_new(sketch: NDArray[np.uint8], anchor: np.uint64) -> bool:
    """Whether fewer than KNOWN_EXAMPLES of an anchor were met; notes one more. Cells are the hash's four quarters."""
    least = KNOWN_EXAMPLES
    for row in range(_SKETCH_ROWS):
        least = min(least, sketch[row, (anchor >> np.uint64(16 * row)) & np.uint64(_SKETCH_CELLS - 1)])
    if least >= KNOWN_EXAMPLES:
        return False
    for row in range(_SKETCH_ROWS):
        cell = (anchor >> np.uint64(16 * row)) & np.uint64(_SKETCH_CELLS - 1)
        sketch[row, cell] = max(sketch[row, cell], least + 1)
    return True


@njit(cache=True, nogil=True)
def judge(
    judged: Judged,
    head: NDArray[np.int64],
    rows: Rows,
    p: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    fake: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Judge examples in order; the blocks that were completed, float64 [blocks, 1 + SUMS]: (head, sums).

    rows: `features.vector.ROW` [n]. p: [n, models], from before learning. head, y (0 or 1), weight, fake: [n].
    """
    n, models = p.shape
    window = judged.rows.shape[1]
    blocks = np.empty((judged.counts.shape[0] + n // BLOCK, 1 + SUMS))
    found = 0
    for i in range(n):
        h, finite = head[i], True
        for m in range(models):
            finite &= math.isfinite(p[i, m])
        if not finite:
            judged.counts[h, NON_FINITE] += 1
            continue
        at = judged.counts[h, EXAMPLES] % window
        judged.counts[h, EXAMPLES] += 1
        for m in range(models):
            w = weight[i] * (1.0 - p[i, m]) if fake[i] else weight[i]
            loss = -w * math.log(max(p[i, m] if y[i] > 0.5 else 1.0 - p[i, m], TINY))
            for k, amount in enumerate((w, w * y[i], loss, w * p[i, m])):
                judged.sums[h, m, k] += amount
                if m == 0:
                    judged.block[h, k] += amount
            judged.p[h, at, m] = p[i, m]
        into, row = judged.rows[h, at], rows[i]
        into.weight, into.user, into.heat = weight[i], row.user, row.dense[_HEAT]
        into.category, into.surface = row.category, row.surface
        flags = SLICED | (LABEL if y[i] > 0.5 else 0) | (FAKE if fake[i] else 0)
        flags |= NEW_ANCHOR if _is_new(judged.sketch, row.anchor) else 0
        into.flags = flags | (0 if row.dense[_USER_KNOWN] > 0.5 else NEW_USER)
        if judged.counts[h, EXAMPLES] % BLOCK == 0:
            blocks[found, 0] = h
            for k in range(SUMS):
                blocks[found, 1 + k] = judged.block[h, k]
                judged.block[h, k] = 0.0
            found += 1
    return blocks[:found]
