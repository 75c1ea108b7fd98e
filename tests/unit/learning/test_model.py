"""Promises of the online model: batches leave no trace, takers see every touched slot, images are exact."""

import hashlib
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.learning.ftrl import FtrlPolicy
from rtrec.learning.model import Image, OnlineModel

HEADS, SLOTS_LOG2, ROWS = 2, 8, 120
POLICY = FtrlPolicy(l1=0.01)


def fresh() -> OnlineModel:
    return OnlineModel(HEADS, SLOTS_LOG2, POLICY)


def examples(seed: int = 1) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 1 << SLOTS_LOG2, (ROWS, 4))
    value = rng.normal(0, 1, (ROWS, 4)) * (rng.random((ROWS, 4)) < 0.8)
    return index, value, rng.integers(0, HEADS, ROWS), rng.integers(0, 2, ROWS), np.ones(ROWS)


def part(data: tuple[np.ndarray, ...], start: int, stop: int) -> tuple[np.ndarray, ...]:
    return tuple(column[start:stop] for column in data)


def digest(model: OnlineModel) -> str:
    return hashlib.sha256(b"".join(model.canonical())).hexdigest()


def learned(seed: int = 1) -> OnlineModel:
    model = fresh()
    model.learn(*examples(seed))
    return model


@given(cuts=st.lists(st.integers(0, ROWS), max_size=6))
@settings(max_examples=40, deadline=None)
def test_where_batches_end_leaves_no_trace(cuts: list[int]) -> None:
    """However a stream is cut, predictions and state are equal bit for bit."""
    whole, cut = fresh(), fresh()
    expected = whole.learn(*examples())
    edges = [0, *sorted(cuts), ROWS]
    p = [cut.learn(*part(examples(), start, stop)) for start, stop in pairwise(edges)]
    assert (np.concatenate(p) == expected).all()
    assert digest(cut) == digest(whole)


@given(split=st.integers(0, ROWS), warm=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_model_from_images_goes_on_bit_for_bit(split: int, warm: bool) -> None:
    """Stored at any commit and loaded elsewhere, it ends where the uninterrupted one does."""
    model, copy = fresh(), fresh()
    if warm:
        model.warm_start([1, 2], np.full((2, HEADS), 0.3))
    for start, stop in ((0, split), (split, ROWS)):
        model.learn(*part(examples(), start, stop))
        copy.load_slots(model.encode_slots(model.take_dirty()))
        assert digest(copy) == digest(model)
    resumed = fresh()
    resumed.load_slots(copy.encode_slots(copy.slots()))
    assert (resumed.learn(*examples(2)) == model.learn(*examples(2))).all()
    assert digest(resumed) == digest(model)
    assert resumed.live_slots() == model.live_slots()


def test_the_digest_tells_states_apart() -> None:
    """One more example, or another intercept alone, is another digest."""
    model, other = learned(), learned()
    other.learn([[0]], [[0.0]], [0], [1], [1.0])
    assert digest(model) == digest(learned()) != digest(other)


def test_each_taker_sees_every_touched_slot_once() -> None:
    """Publishing and persisting drain apart; slots with value 0 only are not touched."""
    model = fresh()
    model.learn([[9, 3, 7, 3]], [[1.0, 1.0, 0.0, 1.0]], [0], [1], [1.0])
    assert model.take_touched().tolist() == [3, 9]
    model.learn([[5, 3]], [[1.0, 1.0]], [1], [0], [1.0])
    assert model.take_touched().tolist() == [3, 5]
    assert model.take_dirty().tolist() == [3, 5, 9]
    assert model.take_touched().size == model.take_dirty().size == 0
    assert model.live_slots() == 3
    assert model.slots().tolist() == [3, 5, 9]


def test_loaded_slots_are_neither_touched_nor_dirty() -> None:
    """What came from the store need not go back, until it is learned on."""
    model = fresh()
    model.load_slots(learned().encode_slots([4, 8]))
    assert model.take_touched().size == model.take_dirty().size == 0
    assert model.live_slots() == 2
    model.learn([[8]], [[1.0]], [0], [1], [1.0])
    assert model.take_dirty().tolist() == [8]
    assert model.live_slots() == 2


def test_warm_slots_are_published_and_stored() -> None:
    """A given weight must reach scorers and the store like a learned one."""
    model = fresh()
    model.warm_start([6], np.array([[0.1, -0.2]]))
    assert model.take_touched().tolist() == model.take_dirty().tolist() == [6]
    assert model.weights_of([6]).tolist() == [[0.1, -0.2]]


def test_an_absent_taker_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody publishes in a replay: what waits is merged, and nothing is lost."""
    monkeypatch.setattr("rtrec.learning.model._MERGE_ABOVE", 100)
    model = fresh()
    for _ in range(50):
        model.learn(*examples())
        model.take_dirty()
    assert sum(part.size for part in model._touched._parts) < 100 + 3 * (1 << SLOTS_LOG2)
    assert (model.take_touched() == model.slots()).all()


@pytest.mark.parametrize(
    ("index", "head", "expected"),
    [([[256]], [0], "slots from 0 to 255"), ([[-1]], [0], "slots from 0 to 255"), ([[1]], [2], "heads from 0 to 1")],
)
def test_indices_out_of_range_are_refused(index: list[list[int]], head: list[int], expected: str) -> None:
    """A kernel would write outside its memory; nothing is learned instead."""
    model = fresh()
    with pytest.raises(ValueError, match=expected):
        model.learn(index, [[1.0]], head, [1], [1.0])
    assert model.live_slots() == 0


def test_lengths_that_differ_are_refused() -> None:
    """Every column has one entry per row."""
    with pytest.raises(ValueError, match="of shape"):
        fresh().learn([[1], [2]], [[1.0], [1.0]], [0], [1, 1], [1.0, 1.0])
    with pytest.raises(ValueError, match="one shape"):
        fresh().learn([[1, 2]], [[1.0]], [0], [1], [1.0])


def test_an_image_that_does_not_fit_is_refused() -> None:
    """Other bytes, another format, other heads or slots, lengths that differ: ValueError, and no change."""
    model = fresh()
    good = msgspec.msgpack.decode(learned().encode_slots([1, 2]), type=Image)
    faulty = [
        msgspec.structs.replace(good, format=3),
        msgspec.structs.replace(good, ages=b""),
        msgspec.structs.replace(good, heads=3),
        msgspec.structs.replace(good, slots_log2=9),
        msgspec.structs.replace(good, pairs=good.pairs[:-16]),
        msgspec.structs.replace(good, intercept=b""),
        msgspec.structs.replace(good, slots=np.array([1, 256], "<u4").tobytes()),
    ]
    for data in (b"", b"\x00", *(msgspec.msgpack.encode(one) for one in faulty)):
        with pytest.raises(ValueError, match=r"image|slots from 0 to 255"):
            model.load_slots(data)
    assert digest(model) == digest(fresh())


def test_a_model_must_have_heads_and_slots() -> None:
    """Heads are numbered by a byte, slots by 31 bits."""
    for heads, slots_log2 in ((0, 8), (257, 8), (1, 0), (1, 32)):
        with pytest.raises(ValueError, match="1 to 256 heads"):
            OnlineModel(heads, slots_log2, POLICY)
