"""River models that have no weights to publish, as a scorer beside the learner holds them: a copy, made anew each time.

Rules
-----
- Embedded only: models go from the learner to the scorer in one process, and nothing is stored or sent.
- A copy is not learned from. Versions are as of weights: a lower or equal one changes nothing.
"""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtrec.learning.river_model import RiverModel, as_dicts, logit, p_of
from rtrec.learning.river_spec import build, is_linear
from rtrec.learning.weights import ScorerWeights
from rtrec.settings import FTRL, Learner


class ModelUpdate(NamedTuple):
    """What is published of such models: a classifier a head. epoch, offset: the version. dense: see `RiverModel`."""

    epoch: int
    offset: int
    pipelines: list[Any]
    dense: frozenset[int]

    @classmethod
    def of(cls, model: RiverModel, epoch: int, offset: int) -> "ModelUpdate":
        """A copy of how models stand."""
        return cls(epoch, offset, copy.deepcopy(model.pipelines), model.dense)


def scorer_of(heads: int, policy: Learner) -> "ScorerWeights | RiverScorer":
    """What a scorer holds of the configured model."""
    linear = policy.model == FTRL or is_linear(build(policy))
    return ScorerWeights(heads, policy.slots_log2) if linear else RiverScorer(heads)


class RiverScorer:
    """What `ScorerWeights` is, for models without weights."""

    def __init__(self, heads: int) -> None:
        self.version: tuple[int, int] | None = None
        self._heads, self._update = heads, ModelUpdate(0, 0, [], frozenset())

    def steps(self, update: ModelUpdate) -> Iterator[None]:
        """Take an update's models, in one step; in none unless its version is above the one held."""
        version = (update.epoch, update.offset)
        if self.version is None or version > self.version:
            self._update, self.version = update, version
            yield

    def page_in(self) -> None:
        """There is nothing to lay out."""

    def logits(self, index: NDArray[np.int32], value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits [N, heads] of rows [N, K]; 0 before the first update."""
        found = np.zeros((len(index), self._heads))
        for k, row in enumerate(as_dicts(index, value, self._update.dense)):
            found[k] = [logit(p_of(pipeline, row)) for pipeline in self._update.pipelines] or 0.0
        return found
