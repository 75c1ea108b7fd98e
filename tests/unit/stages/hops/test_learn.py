"""Promises of LEARN as a hop: each message once, from any snapshot to the same weights."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rtrec.learning import snapshot
from rtrec.stages import learn
from rtrec.stages.hops.label import Number
from rtrec.stages.hops.learn import LearnHop
from rtrec.stages.messages import Record
from tests.unit.stages.hops.scripts import settings
from tests.unit.stages.test_learn import example

POLICY = settings(1)
VALUES = [learn.encode_examples([example(3 * k + j) for j in range(3)]) for k in range(12)]


def topic(numbers: list[tuple[int, int]]) -> list[Record]:
    """Messages of (owner, number); what they hold follows from both."""
    return [
        Record(
            offset, 0, None, VALUES[(5 * owner + number) % len(VALUES)], msgspec.msgpack.encode(Number(owner, number))
        )
        for offset, (owner, number) in enumerate(numbers)
    ]


def bits(hop: LearnHop) -> bytes:
    return b"".join(learn.canonical(hop.state))


def learned(numbers: list[tuple[int, int]]) -> LearnHop:
    hop = LearnHop(POLICY)
    hop.take(topic(numbers))
    return hop


def test_the_next_number_of_an_owner_is_learned_and_no_other() -> None:
    """What is behind came before; what is ahead comes again, after what is missing."""
    numbers = [(0, 0), (1, 0), (0, 0), (0, 2), (0, 1), (1, 1), (0, 2), (0, 1)]
    hop = LearnHop(POLICY)
    turn = hop.take(topic(numbers))
    assert (turn.events, turn.counts["repeated"]) == (5, 3)
    assert hop.sequences.following == {"0": 3, "1": 2}
    assert hop.next_offset == len(numbers)
    assert bits(hop) == bits(learned([(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]))
    assert hop.state.examples == 15


@given(st.integers(0, 99), st.data())
def test_from_any_snapshot_learning_comes_to_the_same_bits(seed: int, data: st.DataObject) -> None:
    """However often the learner died, wherever its newest durable snapshot stood, and however it read on."""
    rng, following, numbers = random.Random(seed), [0, 0, 0], []
    for _ in range(20):
        owner = rng.randrange(3)
        again = rng.random() < 0.3
        numbers.append((owner, rng.randrange(following[owner] + 1) if again else following[owner]))
        following[owner] = max(following[owner], numbers[-1][1] + 1)
    records, kept = topic(numbers), [snapshot.encode(LearnHop(POLICY).snapshot(0, 0))]
    hop = LearnHop(POLICY)
    for _ in range(data.draw(st.integers(0, 6))):
        hop = LearnHop(POLICY)
        hop.restore(snapshot.decode(data.draw(st.sampled_from(kept))))
        for _ in range(data.draw(st.integers(0, 4))):
            hop.take(records[hop.next_offset :][: data.draw(st.integers(0, 6))])
            kept.append(snapshot.encode(hop.snapshot(1, 0)))
    hop.take(records[hop.next_offset :])
    whole = learned(numbers)
    assert bits(hop) == bits(whole)
    assert (hop.state.examples, hop.next_offset) == (whole.state.examples, whole.next_offset)
    assert hop.sequences.following == whole.sequences.following
    assert hop.state.progress.encode() == whole.state.progress.encode()


def test_a_snapshot_says_where_it_stands() -> None:
    kept = learned([(0, 0), (2, 0), (0, 1), (0, 1)]).snapshot(7, 44)
    assert (kept.epoch, kept.next_offset, kept.examples, kept.weights_offset) == (7, 4, 9, 44)
    assert kept.following == {"0": 2, "2": 1}


def test_only_what_moved_since_a_snapshot_is_published_by_who_starts_there() -> None:
    """So everything must be published before the snapshot is durable: nobody would publish it again."""
    hop = learned([(0, 0), (0, 1)])
    hop.publish(1)
    again = LearnHop(POLICY)
    again.restore(hop.snapshot(1, 0))
    assert again.publish(2) is None
    for one in (hop, again):
        one.take([record._replace(offset=record.offset + 2) for record in topic([(0, 2)])])
    updates = hop.publish(1), again.publish(2)
    assert updates[0] is not None
    assert updates[1] is not None
    assert updates[0].slots.tolist() == updates[1].slots.tolist()
    assert (updates[1].epoch, updates[1].offset) == (2, 9)
    assert updates[0].weights.tolist() == updates[1].weights.tolist()


def test_a_learner_without_the_logs_beginning_takes_each_owners_first_number_as_it_comes() -> None:
    """And from then on the next alone, as any other."""
    records = topic([(0, 4), (1, 0), (0, 4), (0, 6), (0, 5), (2, 9)])
    adopting, strict = LearnHop(POLICY, adopt=True), LearnHop(POLICY)
    assert (adopting.take(records).events, strict.take(records).events) == (4, 1)
    assert adopting.sequences.following == {"0": 6, "1": 1, "2": 10}


def test_a_snapshot_learned_otherwise_is_refused_with_what_to_do() -> None:
    kept = learned([(0, 0)]).snapshot(1, 0)
    other = LearnHop(replace(POLICY, learner=replace(POLICY.learner, alpha=0.2)))
    with pytest.raises(ValueError, match=r"these weights were learned with .*another registry\.url"):
        other.restore(kept)
