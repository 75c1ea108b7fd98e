"""Progressive validation: every example is predicted before it is learned, and the prediction is judged here.

Rules
-----
- Cumulative figures (logloss, NE, calibration, base rate) are over all examples of a head, rolling ones (AUC,
  GAUC, `recent`) over its last `window`. AUC is exact, with ties.
- Sums grow example by example in order: where a batch ends leaves no trace in them.
- Every figure is weighted by the examples' weights; `examples` is their number.
- NE (normalized entropy, He et al. 2014) = logloss / entropy of the base rate: below 1 beats predicting it.
- Calibration = Σp / positives: 1 is unbiased.
- What is not defined (no positives, one label only) is None, never 0.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtrec.learning.auc import auc, gauc

FORMAT: Final = 1
WEIGHT, POSITIVES, LOGLOSS, P = range(4)
_SUMS: Final = 4
_ROW: Final = np.dtype([("p", "<f8"), ("y", "<f8"), ("weight", "<f8"), ("heat", "<f8"), ("user", "<u8")])
_TINY: Final = 1e-15


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """Progress as bytes: sums float64 [4, heads], examples int64 [heads], a head's window rows oldest first."""

    format: int
    heads: tuple[str, ...]
    window: int
    sums: bytes
    examples: bytes
    rows: tuple[bytes, ...]


def logloss(p: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """−ln of the probability given to what happened, at most 34.5, in nats, [n].

    >>> logloss(np.array([0.5]), np.array([1.0])).round(3).tolist()
    [0.693]
    """
    given = np.where(y > 0.5, p, 1.0 - p)
    loss: NDArray[np.float64] = -np.log(np.maximum(given, _TINY))
    return loss


class Progress:
    """How well the online model predicts each head, beside ranking by heat alone.

    heads: names in the order of the head numbers given to `add`. window: examples per head of rolling figures.

    >>> progress = Progress(["click"])
    >>> progress.add(head=[0, 0], p=[0.2, 0.6], y=[0, 1], weight=[1, 1], heat=[5.0, 5.0], user_hash=[1, 2])
    >>> click = progress.report()["heads"]["click"]
    >>> click["examples"], click["base_rate"], click["online"]["auc"], click["heat_only"]["auc"]
    (2, 0.5, 1.0, 0.5)
    """

    def __init__(self, heads: Sequence[str], window: int = 10_000) -> None:
        self.heads = tuple(heads)
        self.window = window
        self._sums = np.zeros((_SUMS, len(self.heads)))
        self._examples = np.zeros(len(self.heads), np.int64)
        self._rows = np.zeros((len(self.heads), window), _ROW)

    def add(
        self, head: ArrayLike, p: ArrayLike, y: ArrayLike, weight: ArrayLike, heat: ArrayLike, user_hash: ArrayLike
    ) -> None:
        """Judge examples in order.

        head: place in `heads`, [n]. p: predicted before learning, [n]. y: 0 or 1, [n]. weight: [n].
        heat: what ranking by heat would score, any real number, [n]. user_hash: 64 bits, [n].
        """
        heads = np.asarray(head, np.intp)
        rows = np.empty(heads.size, _ROW)
        for name, column in zip(("p", "y", "weight", "heat", "user"), (p, y, weight, heat, user_hash), strict=True):
            rows[name] = column
        p, y, weight = rows["p"], rows["y"], rows["weight"]
        amounts = {WEIGHT: weight, POSITIVES: weight * y, LOGLOSS: weight * logloss(p, y), P: weight * p}
        for sum_of, amount in amounts.items():
            np.add.at(self._sums[sum_of], heads, amount)
        for place in range(len(self.heads)):
            self._remember(place, rows[heads == place])

    def report(self) -> dict[str, Any]:
        """Figures per head, in the shape of `rtrec evaluate`."""
        return {"heads": {name: self._report(place) for place, name in enumerate(self.heads)}}

    def encode(self) -> bytes:
        """Everything, as versioned bytes."""
        windows = tuple(self._window(place).tobytes() for place in range(len(self.heads)))
        sums, examples = self._sums.astype("<f8", copy=False), self._examples.astype("<i8", copy=False)
        return msgspec.msgpack.encode(
            Stored(FORMAT, self.heads, self.window, sums.tobytes(), examples.tobytes(), windows)
        )

    @classmethod
    def decode(cls, data: bytes) -> "Progress":
        """What `encode` stored; ValueError for anything else."""
        try:
            stored = msgspec.msgpack.decode(data, type=Stored)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a stored progress: {error}") from error
        if stored.format != FORMAT:
            raise ValueError(f"expected progress of format {FORMAT}, got {stored.format}")
        progress = cls(stored.heads, stored.window)
        progress._sums[:] = np.frombuffer(stored.sums, "<f8").reshape(_SUMS, -1)
        progress._examples[:] = np.frombuffer(stored.examples, "<i8")
        for place, rows in enumerate(stored.rows):
            progress._write(place, np.frombuffer(rows, _ROW))
        return progress

    def _remember(self, place: int, rows: NDArray[np.void]) -> None:
        self._examples[place] += rows.size
        self._write(place, rows[-self.window :])

    def _write(self, place: int, rows: NDArray[np.void]) -> None:
        """Put a head's newest rows where their numbers say, over its oldest ones."""
        self._rows[place, self._places(place, rows.size)] = rows

    def _window(self, place: int) -> NDArray[np.void]:
        """A head's last examples, oldest first."""
        rows: NDArray[np.void] = self._rows[place, self._places(place, self.window)]
        return rows

    def _places(self, place: int, newest: int) -> NDArray[np.int64]:
        total = int(self._examples[place])
        return np.arange(max(0, total - newest), total) % self.window

    def _report(self, place: int) -> dict[str, Any]:
        rows = self._window(place)
        weight, y = rows["weight"], rows["y"]
        base_rate = _ratio(self._sums[POSITIVES, place], self._sums[WEIGHT, place])
        loss = _ratio(self._sums[LOGLOSS, place], self._sums[WEIGHT, place])
        return {
            "examples": int(self._examples[place]),
            "base_rate": base_rate,
            "online": {
                "logloss": loss,
                "ne": _normalized(loss, base_rate),
                "auc": auc(rows["p"], y, weight),
                "gauc": gauc(rows["user"], rows["p"], y, weight),
                "calibration": _ratio(self._sums[P, place], self._sums[POSITIVES, place]),
                "recent": {
                    "examples": rows.size,
                    "logloss": _ratio(np.sum(weight * logloss(rows["p"], y)), np.sum(weight)),
                    "calibration": _ratio(np.sum(weight * rows["p"]), np.sum(weight * y)),
                },
            },
            "heat_only": {"auc": auc(rows["heat"], y, weight)},
        }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None


def _normalized(loss: float | None, base_rate: float | None) -> float | None:
    """NE; None where the base rate has no entropy."""
    if loss is None or base_rate is None or not 0 < base_rate < 1:
        return None
    return loss / -(base_rate * math.log(base_rate) + (1 - base_rate) * math.log1p(-base_rate))
