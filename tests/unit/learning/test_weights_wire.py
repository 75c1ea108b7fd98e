"""Promises of weights on their way: a scorer has an update whole or not at all, whoever sends beside the learner."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.learning import weights_wire
from rtrec.learning.weights import ScorerWeights, WeightsUpdate
from rtrec.learning.weights_wire import FORMAT, Arriving

HEADS, SLOTS_LOG2 = 2, 6
A_PART = 4


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Iterator[None]:
    """Messages of four slots, so that small updates go in several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights_wire, "SLOTS_A_PART", A_PART)
        yield


def update(epoch: int, offset: int, slots: Sequence[int]) -> WeightsUpdate:
    """Weights that tell who wrote them, and when."""
    weights = np.array([[1_000.0 * epoch + offset, slot] for slot in slots]).reshape(len(slots), HEADS)
    return WeightsUpdate(epoch, offset, np.array(slots, np.int64), weights, np.array([epoch, offset], np.float64))


def content(one: WeightsUpdate) -> tuple[object, ...]:
    return one.epoch, one.offset, one.slots.tolist(), one.weights.tolist(), one.bias.tolist()


def arrived(messages: Sequence[bytes]) -> list[WeightsUpdate]:
    arriving = Arriving()
    return [found for message in messages if (found := arriving.add(message)) is not None]


def scored(updates: Sequence[WeightsUpdate]) -> list[object]:
    """Everything a scorer knows after these."""
    held = ScorerWeights(HEADS, SLOTS_LOG2)
    for one in updates:
        held.apply(one)
    every = np.arange(1 << SLOTS_LOG2)[:, None]
    return [held.version, held.logits(every, np.ones((1 << SLOTS_LOG2, 1))).tolist()]


SLOTS = st.sets(st.integers(0, (1 << SLOTS_LOG2) - 1), min_size=1, max_size=20).map(sorted)


@st.composite
def learner(draw: st.DrawFn, epoch: int) -> list[WeightsUpdate]:
    """A learner's updates, in order."""
    steps = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    return [update(epoch, offset, draw(SLOTS)) for offset in accumulate(steps)]


@st.composite
def interleaved(draw: st.DrawFn, flows: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Messages of several senders, each one's in order."""
    turns = draw(st.permutations([k for k, flow in enumerate(flows) for _ in flow]))
    flowing = [iter(flow) for flow in flows]
    return [next(flowing[k]) for k in turns]


@given(st.integers(0, 9), st.integers(0, 2**40), SLOTS)
def test_an_update_arrives_bit_for_bit(epoch: int, offset: int, slots: list[int]) -> None:
    """Complete with its last part, and not before."""
    sent = update(epoch, offset, slots)
    messages = weights_wire.encode(sent)
    assert len(messages) == -(-len(slots) // A_PART)
    assert arrived(messages[:-1]) == []
    (found,) = arrived(messages)
    assert content(found) == content(sent)
    assert (found.slots.dtype.str, found.weights.dtype.str) == ("<i8", "<f8")
    assert found.weights.shape == (len(slots), HEADS)


def test_an_update_of_intercepts_alone_is_one_message() -> None:
    (found,) = arrived(weights_wire.encode(update(1, 5, [])))
    assert content(found) == content(update(1, 5, []))


@given(st.data())
def test_a_zombie_in_between_breaks_up_no_update(data: st.DataObject) -> None:
    """Whatever a learner that was replaced still sends: every update of its successor arrives, whole and once."""
    newest, zombies = data.draw(learner(3)), [data.draw(learner(epoch)) for epoch in (1, 2)]
    flows = [[message for one in updates for message in weights_wire.encode(one)] for updates in (newest, *zombies)]
    found = arrived(data.draw(interleaved(flows)))
    assert [content(one) for one in found if one.epoch == 3] == list(map(content, newest))
    sent = [content(one) for updates in zombies for one in updates]
    assert all(content(one) in sent for one in found if one.epoch < 3)


@given(st.data())
def test_a_scorer_ends_at_the_newest_learners_weights(data: st.DataObject) -> None:
    """What a zombie sends after its successor's first update leaves no trace."""
    newest, zombie = data.draw(learner(2)), data.draw(learner(1))
    first = weights_wire.encode(newest[0])
    flows = [[message for one in updates for message in weights_wire.encode(one)] for updates in (newest[1:], zombie)]
    found = arrived([*first, *data.draw(interleaved(flows))])
    assert scored(found) == scored(newest)


@given(learner(1), learner(2), st.data())
def test_what_a_dead_learner_left_incomplete_is_passed_over(
    dead: list[WeightsUpdate], newest: list[WeightsUpdate], data: st.DataObject
) -> None:
    """It died in the middle of an update; its successor's arrive, and the same ones sent twice do no harm."""
    messages = [message for one in dead for message in weights_wire.encode(one)]
    left = messages[: data.draw(st.integers(0, len(messages)))]
    again = [message for one in newest for message in weights_wire.encode(one)]
    found = arrived([*left, *again])
    assert [content(one) for one in found if one.epoch == 2] == list(map(content, newest))
    assert scored(arrived([*left, *again, *again])) == scored(found)


@given(learner(1), st.data())
def test_a_scorer_that_begins_in_the_middle_waits_for_a_whole_update(
    sent: list[WeightsUpdate], data: st.DataObject
) -> None:
    messages = [message for one in sent for message in weights_wire.encode(one)]
    found = arrived(messages[data.draw(st.integers(0, len(messages))) :])
    assert list(map(content, found)) == list(map(content, sent[len(sent) - len(found) :]))


def test_a_newer_format_is_refused_with_what_to_do() -> None:
    (message,) = weights_wire.encode(update(1, 5, [3]))
    stored = msgspec.msgpack.decode(message)
    with pytest.raises(ValueError, match=rf"format 2, this rtrec reads up to {FORMAT}; use a newer rtrec"):
        Arriving().add(msgspec.msgpack.encode([FORMAT + 1, *stored[1:]]))
