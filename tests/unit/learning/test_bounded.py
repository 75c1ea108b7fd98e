"""Promises of bounded memory: slots are learned once they were seen often enough, and forgotten when nobody comes."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.learning.ftrl import SEEN_MOST, FtrlPolicy
from rtrec.learning.model import OnlineModel
from rtrec.learning.weights import ScorerWeights, WeightsUpdate

SLOTS_LOG2, WIDTH = 5, 3
POLICY = FtrlPolicy(l1=0.0, admit=3)

Step = tuple[int, list[int], int]
"""(day, slots, label)"""
steps = st.lists(
    st.tuples(
        st.integers(20_000, 20_012),
        st.lists(st.integers(0, (1 << SLOTS_LOG2) - 1), min_size=WIDTH, max_size=WIDTH),
        st.integers(0, 1),
    ),
    max_size=60,
)


@dataclass
class Oracle:
    """What is known of each slot, in plain dictionaries; weights are a model's that never meets what waits here."""

    admit: int
    expire_days: int
    seen: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    today: int = 0
    expired: int = 0

    def day(self, day: int) -> set[int]:
        """Slots that are forgotten as a day begins."""
        self.today = max(self.today, day)
        gone = {slot for slot, last in self.last.items() if self.expire_days and last < self.today - self.expire_days}
        for slot in gone:
            del self.seen[slot], self.last[slot]
        self.expired += len(gone)
        return gone

    def meet(self, slots: list[int]) -> list[bool]:
        """Which of a row's slots are learned from."""
        for slot in set(slots):
            self.seen[slot] = self.seen.get(slot, 0) + 1
            self.last[slot] = self.today
        return [self.seen[slot] >= self.admit for slot in slots]


def digest(model: OnlineModel) -> str:
    return hashlib.sha256(b"".join(model.canonical())).hexdigest()


def follow(model: OnlineModel, stream: list[Step], expire_days: int) -> None:
    for day, slots, label in stream:
        model.advance(day, expire_days)
        model.learn([slots], [[1.0] * WIDTH], [0], [label], [1.0])


@given(stream=steps, expire_days=st.sampled_from([0, 1, 4]))
@settings(max_examples=60, deadline=None)
def test_slots_wait_and_go_as_a_plain_count_says(stream: list[Step], expire_days: int) -> None:
    """Known, waiting and forgotten slots are an oracle's; what waits has no weight, and what is admitted learns."""
    model, oracle = OnlineModel(1, SLOTS_LOG2, POLICY), Oracle(3, expire_days)
    plain = OnlineModel(1, SLOTS_LOG2, POLICY._replace(admit=1.0))
    for step in stream:
        day, slots, label = step
        for slot in oracle.day(day):
            plain.load_slots(_forgotten(plain, slot))
        learned = oracle.meet(slots)
        plain.learn([slots], [[float(one) for one in learned]], [0], [label], [1.0])
        follow(model, [step], expire_days)
    assert model.slots().tolist() == sorted(oracle.seen)
    assert model.live_slots() == len(oracle.seen)
    assert model.waiting_slots() == sum(seen < 3 for seen in oracle.seen.values())
    assert model.expired == oracle.expired
    every = np.arange(1 << SLOTS_LOG2)
    assert (model.weights_of(every) == plain.weights_of(every)).all()
    assert (model.bias() == plain.bias()).all()


def _forgotten(model: OnlineModel, slot: int) -> bytes:
    """An image in which a slot is as if never met."""
    fresh = OnlineModel(1, SLOTS_LOG2, model.policy)
    fresh._state.intercept[:] = model._state.intercept
    return fresh.encode_slots([slot])


@given(stream=steps, split=st.integers(0, 60), expire_days=st.sampled_from([0, 2]))
@settings(max_examples=60, deadline=None)
def test_a_model_from_images_waits_and_forgets_alike(stream: list[Step], split: int, expire_days: int) -> None:
    """Images of what was dirty, loaded in order, go on bit for bit: also where a slot was forgotten in between."""
    whole, copy = OnlineModel(1, SLOTS_LOG2, POLICY), OnlineModel(1, SLOTS_LOG2, POLICY)
    for part in (stream[: split // 2], stream[split // 2 : split]):
        follow(whole, part, expire_days)
        copy.load_slots(whole.encode_slots(whole.take_dirty()))
    assert digest(copy) == digest(whole)
    for model in (whole, copy):
        follow(model, stream[split:], expire_days)
    assert digest(copy) == digest(whole)
    assert (copy.live_slots(), copy.waiting_slots()) == (whole.live_slots(), whole.waiting_slots())


def test_scorers_hear_of_what_was_forgotten() -> None:
    """A forgotten slot is published with weight 0."""
    model, scorer = OnlineModel(1, SLOTS_LOG2, FtrlPolicy(l1=0.0)), ScorerWeights(1, SLOTS_LOG2)

    def publish(version: int) -> float:
        touched = model.take_touched()
        scorer.apply(WeightsUpdate(1, version, touched, model.weights_of(touched), model.bias()))
        return float(scorer.contributions(np.array([[7]], np.int32), np.ones((1, 1)), 0)[0, 0])

    follow(model, [(20_000, [7, 7, 7], 1)], 2)
    assert publish(1) > 0
    follow(model, [(20_003, [1, 1, 1], 1)], 2)
    assert publish(2) == 0
    assert model.slots().tolist() == [1]


def test_what_was_met_before_any_day_counts_as_met_on_the_first() -> None:
    """Weights of an older image, which knew no days, are not forgotten at the first example."""
    model = OnlineModel(1, SLOTS_LOG2, FtrlPolicy(l1=0.0))
    model.learn([[5]], [[1.0]], [0], [1], [1.0])
    model.advance(20_000, 10)
    assert model.slots().tolist() == [5]
    model.advance(20_010, 10)
    assert model.slots().tolist() == [5]
    model.advance(20_011, 10)
    assert model.slots().size == 0


def test_a_slot_counts_once_an_example_and_no_further_than_a_byte() -> None:
    """Repeats in a row are one sighting; the 300th is no overflow."""
    model = OnlineModel(1, SLOTS_LOG2, FtrlPolicy(admit=float(SEEN_MOST)))
    for number in range(300):
        model.learn([[9, 9, 9]], [[1.0, 1.0, 1.0]], [0], [1], [1.0])
        assert model.waiting_slots() == (number + 1 < SEEN_MOST)
    assert model.weights_of([9])[0, 0] > 0


@pytest.mark.parametrize("admit", [0, 256, -1])
def test_an_impossible_admission_is_refused(admit: float) -> None:
    """It is counted in a byte."""
    with pytest.raises(ValueError, match="admit from 1 to 255"):
        FtrlPolicy(admit=admit).checked()
