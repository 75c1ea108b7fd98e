"""Progressive validation: every example is predicted before it is learned, and the prediction is judged here.

Rules
-----
- Several models' predictions of one example are judged side by side, beside ranking by heat alone. The first one is the
  model that is published; drift and the circuit breaker look at it.
- Cumulative figures (logloss, NE, calibration, base rate) are over all examples of a head, rolling ones (AUC, GAUC,
  `recent`, slices) over its last `window`. What each figure means: `figures`.
- Judging grows sums and remembers rows (`judging`); all else is computed when a report is asked for, slices only when
  they are.
- Drift and its position are since the start, all else is stored; a form of the last version can be read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtrec.features.vector import Rows
from rtrec.learning.drift import Drift
from rtrec.learning.figures import Window, of_sums, side_by_side
from rtrec.learning.judging import BLOCK, EXAMPLES, LABEL, LOGLOSS, NON_FINITE, ROW, SUMS, WEIGHT, Judged, judge
from rtrec.learning.recent import Recent, StoredRecent

FORMAT: Final = 2
ONLINE: Final = ("online",)


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """Progress as bytes: `Judged`'s arrays, rows and predictions a head, oldest first; `Recent`'s blocks a head."""

    format: int
    heads: tuple[str, ...]
    window: int
    models: tuple[str, ...]
    sums: bytes
    counts: bytes
    rows: tuple[bytes, ...]
    p: tuple[bytes, ...]
    sketch: bytes
    block: bytes
    recent: tuple[StoredRecent, ...]


class Stored1(msgspec.Struct, frozen=True, array_like=True):
    """Format 1: sums float64 [4, heads], examples int64 [heads], a head's `ROW1` rows oldest first."""

    format: int
    heads: tuple[str, ...]
    window: int
    sums: bytes
    examples: bytes
    rows: tuple[bytes, ...]


ROW1: Final = np.dtype([("p", "<f8"), ("y", "<f8"), ("weight", "<f8"), ("heat", "<f8"), ("user", "<u8")])


class Progress:
    """How well models predict each head, beside ranking by heat alone.

    heads: names in the order of the head numbers given to `add`. window: examples per head of rolling figures.
    models: of `figures.MODELS`, those that predict.

    >>> from rtrec.features.vector import ROW as LOGGED
    >>> progress, rows = Progress(["click"]), np.zeros(2, LOGGED)
    >>> progress.add(rows, head=[0, 0], y=[0, 1], weight=[1, 1], fake=[False, False], p={"online": [0.2, 0.6]})
    >>> click = progress.report()["heads"]["click"]
    >>> click["examples"], click["base_rate"], click["online"]["auc"], click["batch"], click["heat_only"]["auc"]
    (2, 0.5, 1.0, None, 0.5)
    """

    def __init__(self, heads: Sequence[str], window: int = 10_000, models: Sequence[str] = ONLINE) -> None:
        self.heads, self.window, self.models = tuple(heads), window, tuple(models)
        self._judged = Judged.empty(len(self.heads), len(self.models), window)
        self.recent = [Recent() for _ in self.heads]
        self.drift = [Drift() for _ in self.heads]

    def add(
        self, rows: Rows, head: ArrayLike, y: ArrayLike, weight: ArrayLike, fake: ArrayLike, p: Mapping[str, ArrayLike]
    ) -> None:
        """Judge examples in order.

        rows: `features.vector.ROW`, the logged ones, [n]. head: place in `heads`, [n]. y: 0 or 1, [n]. weight: [n].
        fake: which are fake negatives, [n]. p: every model's predictions from before learning, [n] each.
        """
        predicted = np.stack([np.asarray(p[name], np.float64) for name in self.models], axis=-1)
        blocks = judge(
            self._judged, np.asarray(head, np.int64), rows, predicted, np.asarray(y, np.float64),
            np.asarray(weight, np.float64), np.asarray(fake, np.bool_),
        )  # fmt: skip
        done = [0] * len(self.heads)
        places = blocks[:, 0].astype(np.int64).tolist()
        for place in places:
            done[place] += 1
        for place, sums in zip(places, blocks[:, 1:], strict=True):
            done[place] -= 1
            self._block(place, sums, done[place])

    def _block(self, place: int, sums: NDArray[np.float64], followed_by: int) -> None:
        self.recent[place].add(sums)
        if sums[WEIGHT] > 0:
            number = int(self._judged.counts[place, EXAMPLES]) // BLOCK - followed_by
            self.drift[place].add(float(sums[LOGLOSS] / sums[WEIGHT]), number * BLOCK)

    def examples(self, place: int) -> int:
        """How many examples of a head were judged."""
        return int(self._judged.counts[place, EXAMPLES])

    @property
    def non_finite(self) -> NDArray[np.int64]:
        """How many predictions of each head were no number, [heads]."""
        return self._judged.counts[:, NON_FINITE].copy()

    def taken(self) -> "Taken":
        """A copy of all that a report needs, for another thread to make one."""
        places = range(len(self.heads))
        return Taken(
            self.heads, self.models, self._judged.sums.copy(), self._judged.counts.copy(),
            [self._newest(place) for place in places], [self.drift[place].report() for place in places],
        )  # fmt: skip

    def report(self, *, slices: bool = False) -> dict[str, Any]:
        """Figures per head, in the shape of `rtrec evaluate`; with `slices` those of every slice of the window."""
        return self.taken().report(slices=slices)

    def encode(self) -> bytes:
        """Everything but drift, as versioned bytes."""
        judged, windows = self._judged, [self._newest(place) for place in range(len(self.heads))]
        return msgspec.msgpack.encode(
            Stored(
                FORMAT, self.heads, self.window, self.models, _bytes(judged.sums),
                judged.counts.astype("<i8").tobytes(),
                tuple(rows.tobytes() for rows, _ in windows), tuple(_bytes(p) for _, p in windows),
                judged.sketch.tobytes(), _bytes(judged.block), tuple(one.stored() for one in self.recent),
            )
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> "Progress":
        """What `encode` stored, or did one version ago; ValueError for anything else."""
        try:
            form = msgspec.msgpack.decode(data, type=tuple[Any, ...])[:1]
            if form == (1,):
                return cls._of_format_1(msgspec.msgpack.decode(data, type=Stored1))
            if form != (FORMAT,):
                raise ValueError(f"expected progress of format {FORMAT}, got {form}")
            return cls._of(msgspec.msgpack.decode(data, type=Stored))
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a stored progress: {error}") from error

    @classmethod
    def _of(cls, stored: Stored) -> "Progress":
        progress = cls(stored.heads, stored.window, stored.models)
        judged = progress._judged
        for into, data, form in (
            (judged.sums, stored.sums, "<f8"), (judged.counts, stored.counts, "<i8"),
            (judged.sketch, stored.sketch, "u1"), (judged.block, stored.block, "<f8"),
        ):  # fmt: skip
            into[:] = np.frombuffer(data, form).reshape(into.shape)
        for place, (rows, p) in enumerate(zip(stored.rows, stored.p, strict=True)):
            progress._remember(place, np.frombuffer(rows, ROW), np.frombuffer(p, "<f8").reshape(-1, len(stored.models)))
        progress.recent = [Recent.of(one) for one in stored.recent]
        return progress

    @classmethod
    def _of_format_1(cls, stored: Stored1) -> "Progress":
        """Its rows are in no slice."""
        progress = cls(stored.heads, stored.window)
        progress._judged.sums[:, 0] = np.frombuffer(stored.sums, "<f8").reshape(SUMS, -1).T
        progress._judged.counts[:, EXAMPLES] = np.frombuffer(stored.examples, "<i8")
        for place, one in enumerate(stored.rows):
            old = np.frombuffer(one, ROW1)
            rows = np.zeros(old.size, ROW)
            for name in ("weight", "heat", "user"):
                rows[name] = old[name]
            rows["flags"] = LABEL * (old["y"] > 0.5)
            progress._remember(place, rows, old["p"][:, None])
        return progress

    def _remember(self, place: int, rows: NDArray[np.void], p: NDArray[np.float64]) -> None:
        """Put a head's newest rows where their numbers say."""
        places = self._places(place, len(rows))
        self._judged.rows[place, places], self._judged.p[place, places] = rows, p

    def _newest(self, place: int) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        """A copy of the rows and predictions of a head's last examples, oldest first."""
        places = self._places(place, self.window)
        return self._judged.rows[place, places], self._judged.p[place, places]

    def _places(self, place: int, newest: int) -> NDArray[np.int64]:
        total = self.examples(place)
        return np.arange(max(0, total - newest), total) % self.window


@dataclass(frozen=True, slots=True)
class Taken:
    """Progress at one moment. sums, counts: as `Judged`; windows, drift: by head."""

    heads: tuple[str, ...]
    models: tuple[str, ...]
    sums: NDArray[np.float64]
    counts: NDArray[np.int64]
    windows: list[tuple[NDArray[np.void], NDArray[np.float64]]]
    drift: list[dict[str, Any]]

    def report(self, *, slices: bool = False) -> dict[str, Any]:
        """See `Progress.report`."""
        return {"heads": {name: self._report(place, slices=slices) for place, name in enumerate(self.heads)}}

    def _report(self, place: int, *, slices: bool) -> dict[str, Any]:
        window = Window(self.models, *self.windows[place])
        by_model = {}
        for model, recent in window.rolling().items():
            whole = of_sums(self.sums[place, self.models.index(model)])
            by_model[model] = {**whole, "auc": recent["auc"], "gauc": recent["gauc"], "recent": recent}
        return {
            "examples": int(self.counts[place, EXAMPLES]),
            "non_finite": int(self.counts[place, NON_FINITE]),
            **side_by_side(by_model),
            "heat_only": window.heat_only(),
            "drift": self.drift[place],
            **({"slices": window.slices()} if slices else {}),
        }


def _bytes(numbers: NDArray[np.float64]) -> bytes:
    return numbers.astype("<f8", copy=False).tobytes()
