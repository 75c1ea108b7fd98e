"""FTRL-Proximal as a River classifier, on exact feature names.

Rules
-----
- `learn_many` and `predict_proba_many` are, bit for bit, a loop of `learn_one` and `predict_proba_one` over the rows,
  each a dictionary in the order of the row's columns, with values of a repeated column added up in that order.
- What is refused (no finite number, or beyond `named.LARGEST`; no label of 0 or 1) changes nothing, be it an example or
  one row of many, and the ValueError names the feature.
- State is (z, n) of every name ever learned; nothing else is remembered, and no order of batches shows.
"""

import math
import struct
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from itertools import repeat
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from river import base

from rtrec.learning.ftrl import FtrlPolicy, derive, warm
from rtrec.learning.matrices import Rows, labels_of, refuse, rows_of, series_like, table_like, weights_of
from rtrec.learning.named import LARGEST, learn_names, learn_sparse, predict_names, predict_sparse
from rtrec.learning.names import FeatureNames

ROOM: Final = 64
"""Slots, and places of a row, to begin with."""
_PARAMS: Final = ("alpha", "beta", "l1", "l2", "init_n", "intercept", "clip")
_NO_NUMBER: Final = (struct.error, TypeError, ValueError, OverflowError)
"""What comes of packing, or of `float`, where something is no number."""


class FTRLClassifier(base.MiniBatchClassifier):
    """Logistic regression learned by FTRL-Proximal: McMahan et al. 2013, *Ad Click Prediction*, Algorithm 1.

    Per coordinate, sequential, float64. Features have their own names: a dictionary's keys, a DataFrame's columns, the
    column numbers of a CSR matrix. The intercept is learned by the same rule without L1.

    Parameters
    ----------
    alpha, beta
        A coordinate's learning rate is alpha / (beta + √n), n the sum of its squared gradients.
    l1, l2
        λ1 and λ2: l1 keeps weights at exactly 0, l2 shrinks them.
    init_n
        What n begins with; above 0 it damps the first steps.
    intercept
        Whether one is learned.
    clip
        Bound on the absolute gradient of each coordinate; None for none.
    weights
        A warm start: feature name → weight. Each stands until its coordinate's first update, from z = 0.

    Examples
    --------
    >>> model = FTRLClassifier(alpha=0.5, l1=0.0)
    >>> for _ in range(20):
    ...     model.learn_one({"dance": 1.0}, True)
    ...     model.learn_one({"chess": 1.0}, False)
    >>> model.predict_one({"dance": 1.0}), model.predict_one({"chess": 1.0, "new": 3.0})
    (True, False)
    >>> sorted(model.weights)
    ['chess', 'dance']
    >>> model.learn_one({"dance": float("nan")}, True)
    Traceback (most recent call last):
    ValueError: feature 'dance': expected a finite number, got nan
    """

    def __init__(
        self, alpha: float = 0.1, beta: float = 1.0, l1: float = 1.0, l2: float = 1.0, init_n: float = 0.0,
        intercept: bool = True, clip: float | None = None, weights: Mapping[Hashable, float] | None = None,  # noqa: FBT001, FBT002 - River's way
    ) -> None:  # fmt: skip
        self.alpha = alpha
        self.beta = beta
        self.l1 = l1
        self.l2 = l2
        self.init_n = init_n
        self.intercept = intercept
        self.clip = clip
        self._given = None if weights is None else dict(weights)
        self._policy = FtrlPolicy(alpha, beta, l1, l2, init_n, math.inf if clip is None else clip).checked()
        self._fixed = np.array([*self._policy, intercept], np.float64)
        self._names = FeatureNames()
        self._pairs = np.zeros((ROOM, 1, 2))
        self._intercept = np.zeros((1, 2))
        self._slots, self._x = np.zeros(ROOM, np.int64), np.zeros(ROOM)  # of the row at hand
        self._y_name: Hashable = None
        if self._given:
            self._warm_start(self._given)

    def learn_one(self, x: dict[Hashable, Any], y: Any, w: float = 1.0) -> None:
        """Learn an example: features `x` by name, label `y` (a bool, 0 or 1), `w` a factor of its gradient."""
        names, width = self._names, len(x)
        known = len(names)
        if width > self._x.size:
            self._slots, self._x = np.zeros(2 * width, np.int64), np.zeros(2 * width)
        pack_slots, pack_values = _packers(width)
        try:
            pack_values(self._x, 0, *x.values())
            pack_slots(self._slots, 0, *map(names.__getitem__, x))
            if len(names) > len(self._pairs):
                self._make_room()
            if learn_names(self._pairs, self._intercept, self._fixed, self._slots, self._x, width, float(y), float(w)):
                return
        except _NO_NUMBER:
            pass  # which one it was is found out below
        names.forget_since(known)
        _refuse_example(x, y, w)

    def predict_proba_one(self, x: dict[Hashable, Any], **_: Any) -> dict[base.typing.ClfTarget, float]:
        """P(label | x) by label, False and True. A feature that was never learned counts nothing."""
        width = len(x)
        slots, values = np.empty(width, np.int64), np.empty(width)
        pack_slots, pack_values = _packers(width)
        try:
            pack_values(values, 0, *x.values())
            pack_slots(slots, 0, *map(self._names.get, x, repeat(-1)))
            p = predict_names(self._pairs, self._intercept, self._fixed, slots, values, width)
        except _NO_NUMBER:
            p = math.nan
        if math.isnan(p):
            _refuse_example(x, 0, 1)
        return {False: 1.0 - p, True: p}

    def learn_many(self, X: Any, y: ArrayLike, w: ArrayLike | None = None) -> None:  # noqa: N803 - River's name
        """Learn rows of a DataFrame or a CSR matrix in order; `y` their labels, `w` their weights, or one for all."""
        rows = rows_of(X)
        labels, weights = labels_of(y, len(rows)), weights_of(w, len(rows))
        slots = self._slots_of(rows, add=True)
        learn_sparse(self._pairs, self._intercept, self._fixed, rows.starts, slots, rows.value, labels, weights)
        self._y_name = getattr(y, "name", None)

    def predict_proba_many(self, X: Any) -> Any:  # noqa: N803 - River's name
        """P(label | row), a column for False and one for True, in a frame of the kind of `X` and with its index."""
        p = self._p_many(X)
        return table_like(X, {False: 1.0 - p, True: p})

    def predict_many(self, X: Any) -> Any:  # noqa: N803 - River's name
        """The likelier label of each row, in a series of the kind of `X`, named as the labels last learned."""
        return series_like(X, self._p_many(X) > 0.5, self._y_name)

    @property
    def weights(self) -> dict[Hashable, float]:
        """Feature name → weight, those of 0 left out."""
        weights = derive(self._pairs, np.arange(len(self._names)), self._policy.l1, self._policy)[:, 0].tolist()
        return {name: weight for name, weight in zip(self._names, weights, strict=True) if weight != 0.0}

    @property
    def bias(self) -> float:
        """The learned intercept."""
        return float(derive(self._intercept[None], np.zeros(1, np.int64), 0.0, self._policy)[0, 0])

    def _p_many(self, given: Any) -> NDArray[np.float64]:
        rows = rows_of(given)
        slots = self._slots_of(rows, add=False)
        p: NDArray[np.float64] = predict_sparse(
            self._pairs, self._intercept, self._fixed, rows.starts, slots, rows.value
        )
        return p

    def _slots_of(self, rows: Rows, *, add: bool) -> NDArray[np.int32]:
        """The slot of every entry."""
        if isinstance(rows.columns, np.ndarray):
            slots = self._names.of_columns(rows.columns, add=add)
        else:
            slots = np.tile(self._names.of(rows.columns, add=add), len(rows))
        self._make_room()
        return slots

    def _make_room(self) -> None:
        """Have a pair for every name."""
        if len(self._names) > len(self._pairs):
            pairs = np.zeros((2 * len(self._names), 1, 2))
            pairs[: len(self._pairs)] = self._pairs
            self._pairs = pairs

    def _warm_start(self, weights: Mapping[Hashable, float]) -> None:
        for name, weight in weights.items():
            if not _is_number(weight):
                refuse(f"weight of feature {name!r}", weight)
        slots = self._names.of(list(weights), add=True)
        self._make_room()
        self._pairs[slots, 0] = warm(np.array([float(weight) for weight in weights.values()]))

    def _get_params(self) -> dict[str, Any]:
        """What River clones: the weights that were given, not those learned."""
        return {name: getattr(self, name) for name in _PARAMS} | {"weights": self._given}

    def __repr__(self) -> str:
        """River's own would print every learned weight."""
        given = self._get_params() | {"weights": f"{len(self._given)} given" if self._given else None}
        return "\n".join(("FTRLClassifier (", *(f"  {name}={value}" for name, value in given.items()), ")"))

    def __getstate__(self) -> dict[str, Any]:
        """Only what counts: the same learned twice is the same bytes."""
        return {
            "params": self._get_params(), "names": list(self._names), "pairs": self._pairs[: len(self._names)].copy(),
            "intercept": self._intercept, "y_name": self._y_name,
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["params"])  # type: ignore[misc]
        slots = self._names.of(state["names"], add=True)
        self._make_room()
        self._pairs[slots] = state["pairs"]
        self._intercept[:] = state["intercept"]
        self._y_name = state["y_name"]


@lru_cache(maxsize=1_024)
def _packers(width: int) -> tuple[Callable[..., None], Callable[..., None]]:
    """What writes `width` integers, and floats, into an array: faster than NumPy takes them from a dictionary."""
    return struct.Struct(f"{width}q").pack_into, struct.Struct(f"{width}d").pack_into


def _refuse_example(x: Mapping[Hashable, Any], y: Any, w: Any) -> NoReturn:
    """Say what of an example is no finite number or no label."""
    for what, value in ({f"feature {name!r}": value for name, value in x.items()} | {"w": w}).items():
        if not _is_number(value):
            refuse(what, value)
    refuse("y", y, "a bool, 0 or 1")


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and abs(float(value)) <= LARGEST
    except _NO_NUMBER:
        return False
