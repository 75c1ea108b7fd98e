"""LEARN: examples, in the order of their one partition, become weights and honest figures.

Rules
-----
- Every example is predicted before it is learned from (progressive validation), online beside heat alone.
- Weights are committed with everything else, as *images* under `w/{number}`: absolute (z, n) of the slots a
  turn touched. Two neighbouring images are merged while the older holds less than twice the newer's slots, so
  there are at most log2(slots) of them; loading them in order ends where the model stood.
- The newest example's day is the model's: slots are forgotten by event time, wherever a message begins or ends.
- A River model (`learner.model`) is stored as a *checkpoint* with the number of the message after it; what came after
  that is learned again when it is loaded (`behind`). One that cannot be stored learns everything that the log has.
- The weights' version is (epoch, offset in `examples`): it only grows.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtrec.features.table import FEATURE_SET
from rtrec.features.vector import NO_POSITION, ROW, dense_slots, vectors
from rtrec.labels.exposure import Example
from rtrec.learning.ftrl import FtrlPolicy
from rtrec.learning.model import OnlineModel
from rtrec.learning.progress import Progress
from rtrec.learning.river_model import RiverModel
from rtrec.learning.river_scorer import ModelUpdate
from rtrec.learning.weights import WeightsUpdate
from rtrec.settings import FTRL, HEADS, Learner
from rtrec.stages.effects import Effects, Writes

CHUNK_FORMAT: Final = 1
FIGURES_EVERY: Final = 1_000
"""Examples between two stored states of the figures: they hold 10,000 rows a head, a megabyte. And of a River model."""
CHECKPOINT: Final = "river"
DAY_MS: Final = 86_400_000
Update = WeightsUpdate | ModelUpdate
"""What is published: weights, or models that have none."""


class ExampleChunk(msgspec.Struct, frozen=True, array_like=True):
    """A message of `examples`, in columns.

    rows (`features.vector.ROW`) · heads (place in `settings.HEADS`) · labels (uint8) · weights (float64) ·
    positions (int64, -1 unknown) · ts_ms (int64, the impression's) · fakes (uint8, 1: a fake negative; absent: none).
    """

    format: int
    rows: bytes
    heads: bytes
    labels: bytes
    weights: bytes
    positions: bytes
    ts_ms: bytes
    fakes: bytes = b""

    def fake(self) -> NDArray[np.bool_]:
        """Which examples are fake negatives, [n]."""
        return np.frombuffer(self.fakes, np.bool_) if self.fakes else np.zeros(len(self.heads), np.bool_)


def encode_examples(examples: Sequence[Example]) -> bytes:
    """The message that holds these examples."""
    n = len(examples)
    return msgspec.msgpack.encode(
        ExampleChunk(
            CHUNK_FORMAT,
            b"".join([e.row for e in examples]),
            bytes([e.head for e in examples]),
            bytes([e.label for e in examples]),
            np.fromiter((e.weight for e in examples), np.float64, n).tobytes(),
            np.fromiter((NO_POSITION if e.position is None else e.position for e in examples), np.int64, n).tobytes(),
            np.fromiter((e.ts_ms for e in examples), np.int64, n).tobytes(),
            bytes([e.fake for e in examples]),
        )
    )


class LearnState:
    """The model, its figures, and where its images stand.

    heads: the configured targets, the model's order. messages: number of the next message of `examples`.
    """

    def __init__(self, heads: Sequence[str], policy: Learner) -> None:
        self.heads = tuple(heads)
        self.model = _model(len(heads), policy)
        self.messages = 0
        self.progress = Progress(heads)
        self._non_finite, self.spoiled = self.progress.non_finite, np.zeros(len(heads), np.bool_)
        self.examples = self._figures_at = self._published = 0
        self.policy = policy
        self.head_of = np.full(len(HEADS), -1, np.int64)
        self.head_of[[HEADS.index(name) for name in heads]] = np.arange(len(heads))
        self._images: list[tuple[int, NDArray[np.int64]]] = []
        self._next = 0

    def load(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Take what was stored; ValueError when the learner is configured otherwise than the stored weights."""
        listed = dict(items)
        if "policy" in listed:
            self._check(msgspec.msgpack.decode(listed["policy"]))
            self.examples = self._figures_at = msgspec.msgpack.decode(listed["examples"], type=int)
        if "progress" in listed:
            self._take_progress(listed["progress"])
        if isinstance(self.model, RiverModel):
            if CHECKPOINT in listed:
                self.messages, state = msgspec.msgpack.decode(listed[CHECKPOINT], type=tuple[int, bytes])
                self.model.decode(state)
            return
        for key in sorted(key for key in listed if key.startswith("w/")):
            number, slots = int(key.removeprefix("w/"), base=16), self.model.load_slots(listed[key])
            self._images.append((number, slots))
            self._next = number + 1

    @property
    def behind(self) -> bool:
        """Whether messages from `messages` on must be learned again: what was loaded may be of before them."""
        return isinstance(self.model, RiverModel)

    def stored(self) -> tuple[dict[str, Any], bytes, bytes]:
        """(policy, image of every slot, figures): all that learning goes on from, as one snapshot holds it."""
        model = self.model
        image = model.encode() if isinstance(model, RiverModel) else model.encode_slots(model.slots())
        return self._fingerprint(), image, self.progress.encode()

    def restore(self, policy: dict[str, Any], image: bytes, progress: bytes, examples: int) -> None:
        """Take what `stored` gave into a new state; ValueError when the learner is configured otherwise."""
        self._check(policy)
        if isinstance(self.model, RiverModel):
            self.model.decode(image)
        else:
            self.model.load_slots(image)
        self._take_progress(progress)
        self.examples = examples

    def _take_progress(self, data: bytes) -> None:
        self.progress = Progress.decode(data)
        self._non_finite = self.progress.non_finite

    def _check(self, kept: dict[str, Any]) -> None:
        if {"feature_set": 1, **(kept if "model" in kept else {"admit_examples": 1, **kept})} != self._fingerprint():
            raise ValueError(
                f"learner: these weights were learned with {kept}, not {self._fingerprint()}; "
                "set it back, or use a new folder (on a cluster: another registry.url)"
            )

    def _fingerprint(self) -> dict[str, Any]:
        policy = self.policy
        common = {"feature_set": FEATURE_SET, "heads": list(self.heads), "slots_log2": policy.slots_log2}
        if policy.model != FTRL:
            return {**common, "model": policy.model, "parameters": policy.parameters}
        return {
            **common, "alpha": policy.alpha, "beta": policy.beta, "l1": policy.l1, "l2": policy.l2,
            "admit_examples": policy.admit_examples,
        }  # fmt: skip

    def write(self, writes: Writes, *, figures: bool = False) -> None:
        """Note the weights that changed since the last call; figures every few thousand examples, or when asked.

        Figures are not state: a kill may take the newest few thousand examples out of them, never out of weights.
        Weights that are no numbers are not stored: a restart goes on from the last that were, without what came since.
        """
        dirty = np.empty(0, np.int64) if isinstance(self.model, RiverModel) else self.model.take_dirty()
        if not self.sound(dirty):
            return
        now = figures or self.examples - self._figures_at >= FIGURES_EVERY
        if now:
            self._figures_at = self.examples
            writes.puts["progress"] = self.progress.encode()
        if isinstance(self.model, RiverModel):
            if now and self.model.linear and self.sound(self.model.slots()):
                writes.puts[CHECKPOINT] = msgspec.msgpack.encode((self.messages, self.model.encode()))
                self._write_policy(writes)
            return
        if not dirty.size:
            return
        while self._images and self._images[-1][1].size < 2 * dirty.size:
            number, slots = self._images.pop()
            writes.puts[f"w/{number:016x}"] = None
            dirty = np.union1d(slots, dirty)
        self._images.append((self._next, dirty))
        writes.puts[f"w/{self._next:016x}"] = self.model.encode_slots(dirty)
        self._next += 1
        self._write_policy(writes)

    def _write_policy(self, writes: Writes) -> None:
        writes.puts["examples"] = msgspec.msgpack.encode(self.examples)
        writes.puts["policy"] = msgspec.msgpack.encode(self._fingerprint())

    def publish(self, epoch: int) -> Update | None:
        """What moved since the last publication, or None."""
        if isinstance(self.model, RiverModel) and not self.model.linear:
            moved, self._published = self.examples > self._published, self.examples
            return self.image(epoch) if moved else None
        slots = self.model.take_touched()
        return self._update(epoch, slots) if slots.size else None

    def image(self, epoch: int) -> Update:
        """Every weight, for a scorer that starts."""
        if isinstance(self.model, RiverModel) and not self.model.linear:
            return ModelUpdate.of(self.model, epoch, self.examples)
        return self._update(epoch, self.model.slots())

    def everything(self, epoch: int, also: NDArray[np.int64]) -> Update:
        """Every weight, and those (0) of slots forgotten since the last publication, for scorers that go on.

        also: slots that were taken for a publication and not sent.
        """
        if isinstance(self.model, RiverModel) and not self.model.linear:
            return self.image(epoch)
        touched = np.union1d(also, self.model.take_touched())
        return self._update(epoch, np.union1d(touched, self.model.slots()))

    def slots(self) -> dict[str, int]:
        """How many slots are known, how many of them wait to be admitted, and how many this process has forgotten."""
        model = self.model
        return {"known": model.live_slots(), "waiting": model.waiting_slots(), "expired": model.expired}

    def sound(self, slots: ArrayLike = ()) -> bool:
        """Whether learning came of numbers alone so far, these slots looked at anew; else it is not to be stored.

        `spoiled` says of which heads it did not; that stays, until weights are taken from where they were stored.
        """
        finite = self.model.finite(np.asarray(slots, np.int64)) & (self.progress.non_finite == self._non_finite)
        self.spoiled |= ~finite
        return not self.spoiled.any()

    def _update(self, epoch: int, slots: NDArray[np.int64]) -> WeightsUpdate:
        return WeightsUpdate(epoch, self.examples, slots, self.model.weights_of(slots), self.model.bias())


def _model(heads: int, policy: Learner) -> OnlineModel | RiverModel:
    if policy.model != FTRL:
        return RiverModel(heads, policy, dense_slots(policy.slots_log2))
    return OnlineModel(heads, policy.slots_log2, FtrlPolicy.of(policy))


def learn(state: LearnState, chunk: bytes) -> Effects:
    """Learn one message of `examples`; examples of heads that are not configured are counted `masked`."""
    stored, effects = msgspec.msgpack.decode(chunk, type=ExampleChunk), Effects()
    if stored.format != CHUNK_FORMAT:
        msg = f"examples: written in format {stored.format}, this rtrec reads {CHUNK_FORMAT}; use a newer rtrec"
        raise ValueError(msg)
    head = state.head_of[np.frombuffer(stored.heads, np.uint8)]
    known = head >= 0
    rows = np.frombuffer(stored.rows, ROW)[known]
    label = np.frombuffer(stored.labels, np.uint8)[known].astype(np.float64)
    weight = np.frombuffer(stored.weights, np.float64)[known]
    index, value = vectors(rows, np.frombuffer(stored.positions, np.int64)[known], state.policy.slots_log2)
    fake = stored.fake()[known]
    columns = index, value, head[known], label, weight, fake
    p = np.empty(len(rows))
    for some, day in _days(np.frombuffer(stored.ts_ms, np.int64)[known]):
        state.model.advance(day, state.policy.expire_days)
        p[some] = state.model.learn(*(column[some] for column in columns))
    state.progress.add(rows, head[known], label, weight, fake, {"online": p})
    state.examples += len(rows)
    state.messages += 1
    for place, name in enumerate(state.heads):
        effects.counts[name] = int((head == place).sum())
    effects.counts["masked"] = int((~known).sum())
    return effects


def _days(ts_ms: NDArray[np.int64]) -> Iterator[tuple[slice, int]]:
    """Stretches of examples before which a day may begin, with the newest day by then.

    >>> [(some.start, some.stop, day) for some, day in _days(86_400_000 * np.array([3, 2, 5, 5]))]
    [(0, 2, 3), (2, 4, 5)]
    """
    newest = np.maximum.accumulate(ts_ms // DAY_MS)
    begins = np.flatnonzero(np.diff(newest, prepend=-1)).tolist()
    for first, end in pairwise([*begins, len(newest)]):
        yield slice(first, end), int(newest[first])


def canonical(state: LearnState) -> Iterator[bytes]:
    """The weights as one byte sequence, for a digest."""
    yield from state.model.canonical()
