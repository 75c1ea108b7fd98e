"""The online model: FTRL state over hashed slots, what moved in it, and its stored form.

Rules
-----
- Touched = met by a learned example with a value that is not 0. Two takers see every touched slot, each at
  its own pace: `take_touched` publishes to scorers, `take_dirty` persists in a commit.
- The stored form holds (z, n), never weights, and each slot's age: learning goes on from it bit for bit.
- Time is told (`advance`), in days. On the first of a new day, before anything of it is learned, slots that no example
  has met for so many days are forgotten: touched and dirty, with weight 0. What was met before any day was told counts
  as met on the first.
- An image holds absolute values of some slots, and the intercepts: loading images in the order they were
  made ends where the model stood, however its slots were spread over them.
"""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtrec.learning.ftrl import (
    AGE,
    AGE_BITS,
    DAY,
    DRAINED,
    FIRST_DAY,
    LIVE,
    NUMBER,
    RECENT,
    SEEN_BITS,
    SEEN_MOST,
    WAITING,
    FtrlPolicy,
    FtrlState,
    derive,
    expire,
    learn,
    warm,
)
from rtrec.learning.rows import checked_rows, checked_slots, page_in

FORMAT = 2
CANONICAL_SLOTS = 65_536
_MERGE_ABOVE = 1_000_000


class Image(msgspec.Struct, frozen=True, array_like=True):
    """Stored slots: uint32 numbers, float64 pairs [n, heads, 2] and intercept [heads, 2], little endian.

    ages: uint32 [n], 0 for a slot that was forgotten; day: the present. Format 1 knew neither.
    """

    format: int
    heads: int
    slots_log2: int
    slots: bytes
    pairs: bytes
    intercept: bytes
    ages: bytes = b""
    day: int = FIRST_DAY


class _Slots:
    """Slots gathered for one taker, merged when they are many, so that an absent taker costs no memory."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []
        self._size = 0
        self._merge_above = _MERGE_ABOVE

    def add(self, slots: NDArray[np.int64]) -> None:
        self._parts.append(slots)
        self._size += slots.size
        if self._size > self._merge_above:
            merged = self.take()
            self._parts, self._size = [merged], merged.size
            self._merge_above = 2 * merged.size + _MERGE_ABOVE

    def take(self) -> NDArray[np.int64]:
        """Everything added since the last take, sorted, each slot once."""
        taken = _distinct(np.concatenate(self._parts)) if self._parts else np.empty(0, np.int64)
        self._parts, self._size, self._merge_above = [], 0, _MERGE_ABOVE
        return taken


class OnlineModel:
    """One weight vector per head over the same 2^slots_log2 slots, learned by FTRL-Proximal.

    >>> model = OnlineModel(heads=1, slots_log2=10, policy=FtrlPolicy(l1=0.0))
    >>> model.learn([[3], [3]], [[1.0], [1.0]], head=[0, 0], y=[1, 1], weight=[1, 1])[0]
    np.float64(0.5)
    >>> model.take_touched().tolist(), model.take_touched().tolist(), model.live_slots()
    ([3], [], 1)
    """

    def __init__(self, heads: int, slots_log2: int, policy: FtrlPolicy) -> None:
        if not (1 <= heads <= 256 and 1 <= slots_log2 <= 31):
            raise ValueError(f"expected 1 to 256 heads and slots_log2 from 1 to 31, got {heads} and {slots_log2}")
        self.heads = heads
        self.slots_log2 = slots_log2
        self.policy = policy.checked()
        self._state = FtrlState.empty(1 << slots_log2, heads)
        self._state.counts[[NUMBER, DRAINED]] = 1  # what is loaded counts as met by example 1
        self._touched = _Slots()
        self._dirty = _Slots()
        self.expired = 0

    def learn(
        self, index: ArrayLike, value: ArrayLike, head: ArrayLike, y: ArrayLike, weight: ArrayLike,
        fake: ArrayLike | None = None,
    ) -> NDArray[np.float64]:  # fmt: skip
        """Learn examples in order and return each one's p from before its own update, float64 [N].

        index, value: slots and values [N, K]; value 0 pads a row; equal slots in a row add up.
        head: [N], below `heads`. y: label [N], 0 or 1. weight: importance [N], a factor of the gradient.
        fake: which are fake negatives, [N]; None for none (see `ftrl`).
        """
        rows = checked_rows(index, value, 1 << self.slots_log2)
        heads = np.asarray(head)
        if heads.size and not (heads.min() >= 0 and heads.max() < self.heads):
            raise ValueError(f"expected heads from 0 to {self.heads - 1}, got {heads.min()} to {heads.max()}")
        targets, weights = np.ascontiguousarray(y, np.float64), np.ascontiguousarray(weight, np.float64)
        fakes = np.zeros(heads.shape, bool) if fake is None else np.ascontiguousarray(fake, bool)
        if not heads.shape == targets.shape == weights.shape == fakes.shape == rows[0].shape[:1]:
            raise ValueError(f"expected head, y, weight and fake of shape {rows[0].shape[:1]}")
        p: NDArray[np.float64] = learn(
            self._state, self.policy, *rows, np.ascontiguousarray(heads, np.uint8), targets, weights, fakes
        )
        return p

    def warm_start(self, slots: ArrayLike, weights: ArrayLike, n: float = 0.0) -> None:
        """Give slots weights [n, heads] that stand until their first update, with z = 0 and this `n`."""
        places = self._checked(slots)
        self._set(
            places,
            warm(np.asarray(weights, np.float64).reshape(places.size, self.heads), n),
            self._admitted(places.size),
        )
        self._touched.add(places)
        self._dirty.add(places)

    def advance(self, day: int, expire_days: int) -> None:
        """Let a day begin, never an earlier one; forget what nothing has met for `expire_days` before it (0: never)."""
        counts, met = self._state.counts, self._state.met
        if day <= counts[DAY]:
            return
        if counts[DAY] == FIRST_DAY:
            known = self.slots()
            met[known] += (day - FIRST_DAY) << SEEN_BITS
        counts[DAY] = day
        if expire_days:
            self._drain()
            gone = expire(self._state, self.policy, day - expire_days)
            self.expired += gone.size
            self._touched.add(gone)
            self._dirty.add(gone)

    def page_in(self) -> None:
        """Take all memory now, not while events wait."""
        page_in(self._state.pairs)
        page_in(self._state.met)

    def take_touched(self) -> NDArray[np.int64]:
        """Slots touched since this was last called, sorted, each once: what scorers must hear of."""
        self._drain()
        return self._touched.take()

    def take_dirty(self) -> NDArray[np.int64]:
        """Slots touched since this was last called, sorted, each once: what a commit must store."""
        self._drain()
        return self._dirty.take()

    def slots(self) -> NDArray[np.int64]:
        """Every slot that was touched or loaded and not forgotten, sorted."""
        return np.flatnonzero(self._state.met)

    def live_slots(self) -> int:
        """How many slots those are."""
        return int(self._state.counts[LIVE])

    def waiting_slots(self) -> int:
        """How many of them are not admitted yet."""
        return int(self._state.counts[WAITING])

    def weights_of(self, slots: ArrayLike) -> NDArray[np.float64]:
        """Weights of slots, float64 [n, heads]."""
        weights: NDArray[np.float64] = derive(self._state.pairs, self._checked(slots), self.policy.l1, self.policy)
        return weights

    def bias(self) -> NDArray[np.float64]:
        """The intercept of each head, float64 [heads]."""
        bias: NDArray[np.float64] = derive(self._state.intercept[None], np.zeros(1, np.int64), 0.0, self.policy)[0]
        return bias

    def finite(self, slots: ArrayLike) -> NDArray[np.bool_]:
        """Which heads' intercepts and state of these slots are numbers, [heads]; weights do not tell: NaN reads 0."""
        pairs = np.isfinite(self._state.pairs[self._checked(slots)]).all(axis=(0, 2))
        return np.logical_and(pairs, np.isfinite(self._state.intercept).all(axis=1))

    def encode_slots(self, slots: ArrayLike) -> bytes:
        """The image of some slots and the intercepts."""
        places = self._checked(slots)
        numbers = places.astype("<u4").tobytes()
        pairs = self._state.pairs[places].astype("<f8", copy=False).tobytes()
        intercept = self._state.intercept.astype("<f8", copy=False).tobytes()
        ages = self._ages(places).tobytes()
        day = int(self._state.counts[DAY])
        return msgspec.msgpack.encode(Image(FORMAT, self.heads, self.slots_log2, numbers, pairs, intercept, ages, day))

    def load_slots(self, data: bytes) -> NDArray[np.int64]:
        """Set the slots of an image, and the intercepts, to its values; ValueError for one that does not fit.

        Loaded slots are neither touched nor dirty. Returns them.
        """
        image = _decoded(data)
        if not 1 <= image.format <= FORMAT or (image.heads, image.slots_log2) != (self.heads, self.slots_log2):
            raise ValueError(
                f"expected an image of format 1 to {FORMAT}, {self.heads} heads, 2^{self.slots_log2} slots, "
                f"got format {image.format}, {image.heads} heads, 2^{image.slots_log2} slots"
            )
        places = self._checked(np.frombuffer(image.slots, "<u4"))
        pairs, intercept = np.frombuffer(image.pairs, "<f8"), np.frombuffer(image.intercept, "<f8")
        ages = np.frombuffer(image.ages, "<u4") if image.format > 1 else self._admitted(places.size)
        if (pairs.size, intercept.size, ages.size) != (places.size * self.heads * 2, self.heads * 2, places.size):
            raise ValueError("a damaged image: its parts differ in length")
        self._set(places, pairs.reshape(-1, self.heads, 2), ages)
        self._state.counts[DAY] = max(self._state.counts[DAY], image.day)
        self._state.intercept[:] = intercept.reshape(self.heads, 2)
        return places

    def canonical(self) -> Iterator[bytes]:
        """The whole state in one agreed order, for a digest: heads, slots, their pairs, the intercepts."""
        yield np.array([FORMAT, self.heads, self.slots_log2], "<i8").tobytes()
        slots = self.slots()
        for start in range(0, slots.size, CANONICAL_SLOTS):
            part = slots[start : start + CANONICAL_SLOTS]
            yield part.astype("<u4").tobytes()
            yield self._state.pairs[part].astype("<f8", copy=False).tobytes()
            yield self._ages(part).tobytes()
        yield self._state.intercept.astype("<f8", copy=False).tobytes()

    def _drain(self) -> None:
        """Hand the slots met since the last drain to both takers."""
        counts = self._state.counts
        fresh = self._state.recent[: counts[RECENT]].astype(np.int64)
        counts[RECENT], counts[DRAINED] = 0, counts[NUMBER]
        self._touched.add(fresh)
        self._dirty.add(fresh)

    def _admitted(self, n: int) -> NDArray[np.uint32]:
        """Ages of slots that are met now and need not wait."""
        return np.full(n, int(self._state.counts[DAY]) << SEEN_BITS | int(self.policy.admit), np.uint32)

    def _ages(self, slots: NDArray[np.int64]) -> NDArray[np.uint32]:
        return (self._state.met[slots] & AGE).astype("<u4")

    def _set(self, slots: NDArray[np.int64], pairs: NDArray[np.float64], ages: NDArray[np.uint32]) -> None:
        """Set slots to what was stored; one given twice ends as its last."""
        self._drain()
        state, distinct = self._state, _distinct(slots)
        before = self._known(distinct)
        state.pairs[slots] = pairs
        state.met[slots] = np.where(ages == 0, 0, 1 << AGE_BITS | ages.astype(np.int64))
        state.counts[[LIVE, WAITING]] += self._known(distinct) - before

    def _known(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many of these slots are known, and how many of them wait."""
        met = self._state.met[slots]
        known = met[met != 0] & SEEN_MOST
        return np.array([known.size, np.count_nonzero(known < self.policy.admit)])

    def _checked(self, slots: ArrayLike) -> NDArray[np.int64]:
        return checked_slots(slots, 1 << self.slots_log2)


def _distinct(slots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorted, each once. By sorting: NumPy's own `unique` hashes integers, 20 times slower at a million."""
    ordered = np.sort(slots)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if ordered.size else ordered


def _decoded(data: bytes) -> Image:
    try:
        return msgspec.msgpack.decode(data, type=Image)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not an image of weights: {error}") from error
