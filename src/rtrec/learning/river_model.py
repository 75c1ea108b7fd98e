"""River models in place of ours: one for each head, over the same features, learned in the same order.

Rules
-----
- A model meets a row as River has it, a dictionary slot → value: dense numbers always, also where they are 0 (a scaler
  must see them), tokens where they are there.
- A linear model (`river_spec`) is told to scorers as the weights that give the same logits. Behind a scaler a token's
  weight holds its offset too, for its value is always the same; the offsets of dense numbers are in the bias.
  (Two tokens of a row that collide in a slot, one row in 30,000 at 2^22 slots, have it twice.)
- Which weights moved is found by comparing all with those told last: some optimizers move more than they met.
- Admission and expiry of slots are our learner's; River keeps every feature it met.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtrec.learning.river_spec import HASHERS, build, is_linear
from rtrec.learning.river_state import put, taken
from rtrec.settings import Learner

FORMAT: Final = 1
UNKNOWN_P: Final = 0.5
"""What a model that has met nothing says."""
_NEAREST: Final = 1e-12


def as_dicts(index: NDArray[np.int32], value: NDArray[np.float64], dense: frozenset[int]) -> Iterator[dict[int, float]]:
    """Rows [N, K] as River meets them; equal slots add up."""
    for slots, values in zip(index.tolist(), value.tolist(), strict=True):
        row: dict[int, float] = {}
        for slot, one in zip(slots, values, strict=True):
            if one or slot in dense:
                row[slot] = row.get(slot, 0.0) + one
        yield row


def p_of(pipeline: Any, row: dict[int, float]) -> float:
    """What a classifier gives a positive."""
    p = pipeline.predict_proba_one(row)
    found = float(p.get(True, 0.0)) if p else UNKNOWN_P
    return UNKNOWN_P if math.isnan(found) else found


def logit(p: float) -> float:
    """Of a probability, bounded where it is 0 or 1."""
    p = min(max(p, _NEAREST), 1 - _NEAREST)
    return math.log(p / (1 - p))


class RiverModel:
    """What `OnlineModel` is, made of River's classifiers.

    dense: slots of dense numbers.
    """

    expired = 0

    def __init__(self, heads: int, policy: Learner, dense: frozenset[int]) -> None:
        self.heads, self.dense = heads, dense
        self.pipelines = [build(policy) for _ in range(heads)]
        self.linear = is_linear(self.pipelines[0])
        self._known: dict[int, float] = {}
        self._told: dict[int, tuple[float, ...]] = {}
        self._derived: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]] | None = None

    def learn(
        self, index: ArrayLike, value: ArrayLike, head: ArrayLike, y: ArrayLike, weight: ArrayLike, fake: ArrayLike
    ) -> NDArray[np.float64]:
        """As `OnlineModel.learn`."""
        index, value = np.asarray(index, np.int32), np.asarray(value, np.float64)
        p = np.empty(len(index))
        columns = (np.asarray(column).tolist() for column in (head, y, weight, fake))
        for k, (row, h, label, w, faked) in enumerate(zip(as_dicts(index, value, self.dense), *columns, strict=True)):
            self._known.update(row)
            p[k] = p_of(self.pipelines[h], row)
            self.pipelines[h].learn_one(row, bool(label), w=w * (1.0 - p[k]) if faked else w)
        self._derived = None
        return p

    def advance(self, day: int, expire_days: int) -> None:
        """River forgets nothing."""

    def page_in(self) -> None:
        """It has what it has."""

    def slots(self) -> NDArray[np.int64]:
        """Every slot met, sorted."""
        return self._weights()[0]

    def live_slots(self) -> int:
        """How many those are."""
        return len(self._known)

    def waiting_slots(self) -> int:
        """None is kept waiting."""
        return 0

    def take_touched(self) -> NDArray[np.int64]:
        """Slots whose published weight would be another than the last time."""
        slots, weights, _ = self._weights()
        now = dict(zip(slots.tolist(), map(tuple, weights.tolist()), strict=True))
        touched = [slot for slot, one in now.items() if self._told.get(slot) != one]
        self._told = now
        return np.array(touched, np.int64)

    def weights_of(self, slots: ArrayLike) -> NDArray[np.float64]:
        """Weights of met slots, float64 [n, heads]."""
        met, weights, _ = self._weights()
        found: NDArray[np.float64] = weights[np.searchsorted(met, np.asarray(slots, np.int64))]
        return found

    def finite(self, slots: ArrayLike) -> NDArray[np.bool_]:
        """Which heads' weights of these slots are numbers, [heads]; of none, and of a model without weights, all."""
        places = np.asarray(slots, np.int64)
        if not (places.size and self.linear):
            return np.ones(self.heads, np.bool_)
        return np.logical_and(np.isfinite(self.weights_of(places)).all(axis=0), np.isfinite(self.bias()))

    def bias(self) -> NDArray[np.float64]:
        """What is the same for every row, float64 [heads]."""
        return self._weights()[2]

    def encode(self) -> bytes:
        """All that was learned; TypeError for a model whose state cannot be stored."""
        states = [taken(pipeline) for pipeline in self.pipelines]
        return msgspec.msgpack.encode([FORMAT, list(self._known.items()), states])

    def decode(self, data: bytes) -> None:
        """Take what `encode` stored into a fresh model; ValueError for another format."""
        form, known, states = msgspec.msgpack.decode(data, strict=False)
        if form != FORMAT:
            raise ValueError(f"a River model written in format {form}, this rtrec reads {FORMAT}; use a newer rtrec")
        for pipeline, state in zip(self.pipelines, states, strict=True):
            put(pipeline, state)
        self._known, self._derived = dict(known), None

    def canonical(self) -> Iterator[bytes]:
        """The state for a digest."""
        yield self.encode() if self.linear else b""

    def _weights(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """(slots, weights [n, heads], bias [heads])."""
        if self._derived is None:
            slots = np.array(sorted(self._known), np.int64)
            values = {slot: 1.0 if slot in self.dense else self._known[slot] for slot in slots.tolist()}
            told = [_told(pipeline, values, self.dense) for pipeline in self.pipelines]
            weights = np.stack([one for one, _ in told], axis=1) if len(slots) else np.zeros((0, self.heads))
            self._derived = slots, weights, np.array([bias for _, bias in told])
        return self._derived


def _told(pipeline: Any, values: dict[int, float], dense: frozenset[int]) -> tuple[NDArray[np.float64], float]:
    """(weights, bias) that give the logits of a linear pipeline. values: of each slot, what it is when it is there.

    With every step straight a feature adds `a·x + c` where it is there: c is what it adds at 0.
    """
    *steps, last = pipeline.steps.values()
    hasher = steps.pop() if steps and type(steps[-1]).__name__ in HASHERS else None
    at = [dict.fromkeys(values, 0.0), values]
    for step in steps:
        at = [step.transform_one(row) for row in at]
    weights = last.weights
    if hasher is None:
        w = np.array([weights.get(slot, 0.0) for slot in values])
    else:
        hashed = (hasher.transform_one({slot: 1.0}) for slot in values)
        w = np.array([sum(sign * weights.get(key, 0.0) for key, sign in one.items()) for one in hashed])
    nothing, there = (w * np.array([row[slot] for slot in values]) for row in at)
    is_dense = np.array([slot in dense for slot in values], bool)
    added = np.where(is_dense, there - nothing, there) / np.array(list(values.values()))
    return added, float(last.intercept + nothing[is_dense].sum())
