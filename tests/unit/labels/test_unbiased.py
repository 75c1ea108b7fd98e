"""What an online learner comes to believe, under delays: fast_slow's examples lead to the true rates, others do not."""

import random
from typing import NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace

from rtrec.events.schema import CLICK
from rtrec.labels.exposure import Example
from rtrec.learning.ftrl import FtrlPolicy
from rtrec.learning.model import OnlineModel
from rtrec.settings import Labels
from rtrec.stages.label import LabelState, label
from tests.unit.labels.label_streams import Input, action, impression

S = 1_000
FAST = Labels(policy="fast_slow", heads=("click",), fast_ms=10 * S)


class Kind(NamedTuple):
    """Impressions of one x: how often they are clicked, and how late on average."""

    rate: float
    delay_ms: int


KINDS = [Kind(0.08, 2 * S), Kind(0.4, 200 * S), Kind(0.1, 400 * S), Kind(0.3, 5 * S), Kind(0.2, 60 * S), Kind(0.15, 0)]
"""Delays are exponential and depend on x: most of some kinds come long after `click_wait_ms`, about 1 % of the slowest
after the horizon too, for good."""
EVERY_MS = 300


def crowd(impressions: int, seed: int) -> list[Input]:
    """Impressions of all kinds at an even pace, each to a user of its own, and their clicks."""
    drawn = random.Random(seed)
    inputs: list[Input] = []
    for place in range(impressions):
        x, at_ms, user_id = drawn.randrange(len(KINDS)), place * EVERY_MS, f"u{place}"
        inputs.append(impression(at_ms, row=bytes([x]), user_id=user_id))
        if drawn.random() < KINDS[x].rate:
            late_ms = int(drawn.expovariate(1) * KINDS[x].delay_ms)
            inputs.append(action(CLICK, at_ms + late_ms, user_id=user_id))
    last_ms = inputs[-1][0].ts_ms
    return sorted((one for one in inputs if one[0].ts_ms <= last_ms), key=lambda one: one[0].ts_ms)


IMPRESSIONS = 30_000
CROWD = crowd(IMPRESSIONS, seed=5)


class Believed(NamedTuple):
    """Mean prediction over mean true rate, in all and by kind."""

    all: float
    by_kind: list[float]


def told(policy: Labels, inputs: list[Input] = CROWD) -> list[Example]:
    """The examples of a policy, in order, up to the last event."""
    state = LabelState(policy)
    return [one for first in range(0, len(inputs), 500) for one in label(state, inputs[first : first + 500])[1]]


def believed(examples: list[Example], *, weighted: bool = True) -> Believed:
    """What predictions were for the negatives of the last third, each made before it was learned from.

    weighted: fake negatives are told to the learner as what they are.
    """
    model = OnlineModel(1, 4, FtrlPolicy(alpha=0.2, l1=0.0, l2=0.0))
    x, labels = np.array([one.row[0] for one in examples]), np.array([one.label for one in examples])
    weights, fakes = [one.weight for one in examples], [one.fake and weighted for one in examples]
    p = model.learn(x[:, None], np.ones((x.size, 1)), np.zeros(x.size, int), labels, weights, fakes)
    late = np.flatnonzero(labels == 0)[(labels == 0).sum() * 2 // 3 :]
    x, p, rates = x[late], p[late], np.array([kind.rate for kind in KINDS])
    by_kind = [p[x == one].mean() / rates[one] for one in range(len(KINDS))]
    return Believed(p.mean() / rates[x].mean(), by_kind)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_fast_slow_is_calibrated_whatever_the_delays(share: float) -> None:
    """Mean prediction over true rate within 0.95 to 1.05, each kind's within a fifth: all negatives, or a sample."""
    found = believed(told(replace(FAST, negative_share=share)))
    assert 0.95 < found.all < 1.05
    assert all(0.8 < one < 1.2 for one in found.by_kind)


def test_without_the_weighting_rates_are_too_low() -> None:
    """Fake negatives taken at face value lead to π / (1 + π)."""
    found = believed(told(FAST), weighted=False)
    assert found.all < 0.9
    wanted = [1 / (1 + kind.rate) for kind in KINDS]
    assert all(abs(one - expected) < 0.15 for one, expected in zip(found.by_kind, wanted, strict=True))


def test_a_short_wait_learns_delays_instead_of_rates() -> None:
    """exit_first is right where clicks are quick, and far off where they come after its wait."""
    found = believed(told(replace(FAST, policy="exit_first")))
    quick, slow = KINDS.index(Kind(0.3, 5 * S)), KINDS.index(Kind(0.1, 400 * S))
    assert 0.8 < found.by_kind[quick] < 1.2
    assert found.by_kind[slow] < 0.4
