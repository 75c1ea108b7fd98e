"""What was predicted of every example: before it was learned, and by the weights that were published when it was shown.

Rules
-----
- Progressive: p from before the example itself is learned, by the stage itself (`stages.learn`).
- Served: of the weights a scorer held when the impression was shown: those of the last publication before, at position
  0, as `/v1/score` has them. Publications come every `publish_s` seconds of event time, and hold what was decided
  before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.learned.stream import Examples
from rtrec.features.vector import NO_POSITION, Rows, vectors
from rtrec.learning.progress import Progress
from rtrec.learning.weights import ScorerWeights
from rtrec.settings import Settings
from rtrec.stages import learn
from rtrec.stages.learn import CHUNK_FORMAT, ExampleChunk, LearnState

Floats = NDArray[np.float64]


class Recorder(Progress):
    """Figures that also keep every prediction they are given."""

    def __init__(self, heads: Sequence[str]) -> None:
        super().__init__(heads)
        self.predicted: list[Floats] = []

    def add(
        self, rows: Rows, head: ArrayLike, y: ArrayLike, weight: ArrayLike, fake: ArrayLike, p: Mapping[str, ArrayLike]
    ) -> None:
        """Judge, and keep what the online model said."""
        super().add(rows, head, y, weight, fake, p)
        self.predicted.append(np.array(p["online"], np.float64))


class Learner:
    """The stage LEARN over examples, in parts."""

    def __init__(self, given: Examples, settings: Settings) -> None:
        self.state = LearnState(settings.labels.heads, settings.learner)
        self.state.progress = self._recorder = Recorder(settings.labels.heads)
        self._given, self._next = given, 0

    def to(self, end: int) -> None:
        """Learn every example before a place."""
        if end > self._next:
            learn.learn(self.state, message(self._given, slice(self._next, end)))
            self._next = end

    def predicted(self) -> Floats:
        """What was predicted of each example so far."""
        return np.concatenate(self._recorder.predicted)


def message(given: Examples, part: slice) -> bytes:
    """Some examples as a message of `examples`."""
    return msgspec.msgpack.encode(
        ExampleChunk(
            CHUNK_FORMAT,
            given.rows[part].tobytes(),
            given.head[part].tobytes(),
            given.y[part].astype(np.uint8).tobytes(),
            given.weight[part].tobytes(),
            given.position[part].tobytes(),
            given.ts_ms[part].tobytes(),
            given.fake[part].tobytes(),
        )
    )


def progressive(given: Examples, settings: Settings, part: int = 20_000) -> Floats:
    """Each example's p from before it was learned."""
    learner = Learner(given, settings)
    for end in range(part, len(given) + part, part):
        learner.to(min(end, len(given)))
    return learner.predicted()


def served(given: Examples, settings: Settings, publish_s: int = 1) -> Floats:
    """Each example's p as it was served when it was shown."""
    learner, held = Learner(given, settings), ScorerWeights(len(settings.labels.heads), settings.learner.slots_log2)
    head = learner.state.head_of[given.head]
    shown_s = given.ts_ms // 1_000
    by_time = np.argsort(shown_s, kind="stable")
    p = np.empty(len(given))
    for second in range(int(shown_s.min()), int(shown_s.max()) + 1, publish_s):
        asked = by_time[slice(*np.searchsorted(shown_s, (second, second + publish_s), sorter=by_time))]
        index, value = vectors(given.rows[asked], None, settings.learner.slots_log2)
        p[asked] = 1.0 / (1.0 + np.exp(-held.logits(index, value)[np.arange(asked.size), head[asked]]))
        learner.to(int(np.searchsorted(given.decided_s, second + publish_s)))
        if (update := learner.state.publish(epoch=1)) is not None:
            held.apply(update)
    return p


def without_positions(given: Examples) -> Examples:
    """The same examples without the bias features: their one token says "unknown" of all."""
    return replace(given, position=np.full(len(given), NO_POSITION))


def without_attributes(given: Examples) -> Examples:
    """The same examples as where nothing is declared."""
    rows: Any = given.rows.copy()
    rows["attributes"] = 0
    return replace(given, rows=rows)
