"""Promises of scorers' weights: they predict what the learner would, and only ever move forward."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.learning.ftrl import FtrlPolicy
from rtrec.learning.model import OnlineModel
from rtrec.learning.weights import ScorerWeights, WeightsUpdate


def update(epoch: int, offset: int, weight: float) -> WeightsUpdate:
    return WeightsUpdate(epoch, offset, np.array([3]), np.array([[weight]]), np.array([0.0]))


def test_a_scorer_predicts_what_the_learner_predicts() -> None:
    """After updates of touched slots only, a scorer's p is the progressive p of the next examples."""
    rng = np.random.default_rng(4)
    model, scorer = OnlineModel(2, 8, FtrlPolicy(l1=0.01)), ScorerWeights(2, 8)
    for offset in range(1, 20):
        index, value = rng.integers(0, 256, (5, 6)), rng.normal(0, 1, (5, 6))
        head, y = rng.integers(0, 2, 5), rng.integers(0, 2, 5)
        logits = scorer.logits(index, value)
        first_p = model.learn(index, value, head, y, np.ones(5))[0]
        assert first_p == pytest.approx(1 / (1 + math.exp(-logits[0, head[0]])), rel=1e-12)
        slots = model.take_touched()
        assert scorer.apply(WeightsUpdate(1, offset, slots, model.weights_of(slots), model.bias()))


@pytest.mark.parametrize("version", [(2, 50), (2, 49), (1, 99)])
def test_an_equal_or_lower_version_is_refused(version: tuple[int, int]) -> None:
    """A repeat, an older one and a zombie's higher offset change nothing."""
    scorer = ScorerWeights(1, 8)
    assert scorer.apply(update(2, 50, 1.5))
    assert not scorer.apply(update(*version, 9.0))
    assert scorer.logits([[3]], [[1.0]]).tolist() == [[1.5]]
    assert scorer.version == (2, 50)


@pytest.mark.parametrize("version", [(2, 51), (3, 0)])
def test_a_higher_version_is_applied(version: tuple[int, int]) -> None:
    """The next offset, or a new epoch from any offset."""
    scorer = ScorerWeights(1, 8)
    scorer.apply(update(2, 50, 1.5))
    assert scorer.apply(update(*version, 9.0))
    assert scorer.logits([[3]], [[1.0]]).tolist() == [[9.0]]


def test_a_scorer_without_updates_predicts_even_odds() -> None:
    """Logit 0 for every head, version None."""
    scorer = ScorerWeights(3, 8)
    assert scorer.version is None
    assert scorer.logits([[1, 2]], [[1.0, 5.0]]).tolist() == [[0.0, 0.0, 0.0]]


def test_padding_counts_nothing_and_equal_slots_add_up() -> None:
    """Value 0 pads a row, whatever its slot."""
    scorer = ScorerWeights(1, 8)
    scorer.apply(update(1, 1, 1.5))
    assert scorer.logits([[3, 3, 3]], [[1.0, 2.0, 0.0]]).tolist() == [[4.5]]


def test_slots_out_of_range_are_refused() -> None:
    """A ValueError, not someone else's memory."""
    with pytest.raises(ValueError, match="slots from 0 to 255"):
        ScorerWeights(1, 8).logits([[256]], [[1.0]])


VERSIONS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=12)


@given(VERSIONS)
def test_in_whatever_order_images_come_the_newest_stands(versions: list[tuple[int, int]]) -> None:
    """Of whole images, zombies' and repeated ones among them: (epoch, offset) decides, never who came last."""
    scorer, highest = ScorerWeights(1, 8), (-1, -1)
    for epoch, offset in versions:
        assert scorer.apply(update(epoch, offset, 100.0 * epoch + offset)) == ((epoch, offset) > highest)
        highest = max(highest, (epoch, offset))
        assert scorer.version == highest
        assert scorer.logits([[3]], [[1.0]]).tolist() == [[100.0 * highest[0] + highest[1]]]


@given(st.lists(st.tuples(st.integers(1, 3), st.sets(st.integers(0, 7), min_size=1)), max_size=15))
def test_a_replaced_learner_changes_nothing_once_its_successor_has_spoken(sent: list[tuple[int, set[int]]]) -> None:
    """Updates of parts: each slot ends at the newest that was told while its learner was the newest heard of."""
    scorer, expected, heard = ScorerWeights(1, 3), [0.0] * 8, 0
    for offset, (epoch, slots) in enumerate(sent):
        places = np.array(sorted(slots))
        weights = np.full((len(places), 1), float(offset + 1))
        assert scorer.apply(WeightsUpdate(epoch, offset, places, weights, np.zeros(1))) == (epoch >= heard)
        if epoch >= heard:
            heard = epoch
            for slot in slots:
                expected[slot] = offset + 1.0
    assert scorer.logits([[slot] for slot in range(8)], [[1.0]] * 8)[:, 0].tolist() == expected
