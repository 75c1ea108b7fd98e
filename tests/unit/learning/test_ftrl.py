"""Promises of the learning rule: McMahan's Algorithm 1, exact, in order, also where slots repeat or start warm."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.learning.ftrl import FtrlPolicy
from rtrec.learning.model import OnlineModel
from rtrec.settings import Learner

VECTORS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "conformance" / "tf_ftrl_vectors.json"
PLAIN = FtrlPolicy(alpha=0.3, beta=1.0, l1=0.05, l2=0.5, init_n=0.2)


class Reference:
    """Algorithm 1 for one head, in plain Python: coordinates in a dictionary, None is the intercept."""

    def __init__(self, policy: FtrlPolicy) -> None:
        self.policy, self.z, self.n = policy, Counter(), Counter()

    def weight(self, i: int | None) -> float:
        alpha, beta, l1, l2, init_n, _, _ = self.policy
        z, l1 = self.z[i], 0.0 if i is None else l1
        if abs(z) <= l1:
            return 0.0
        return -(z - math.copysign(l1, z)) / ((beta + math.sqrt(self.n[i] + init_n)) / alpha + l2)

    def learn(self, x: dict[int | None, float], y: float, weight: float) -> float:
        w = {i: self.weight(i) for i in x}
        p = 1 / (1 + math.exp(-sum(w[i] * x[i] for i in x)))
        for i, value in x.items():
            g, before = (p - y) * weight * value, self.n[i] + self.policy.init_n
            self.z[i] += g - (math.sqrt(before + g * g) - math.sqrt(before)) / self.policy.alpha * w[i]
            self.n[i] += g * g
        return p


def stream(rows: int, width: int, slots: int, heads: int, seed: int) -> tuple[np.ndarray, ...]:
    """Random sparse rows in which slots repeat and a third of the values is 0."""
    rng = np.random.default_rng(seed)
    value = rng.normal(0, 1, (rows, width)) * (rng.random((rows, width)) < 0.67)
    head = rng.integers(0, heads, rows).astype(np.uint8)
    return rng.integers(0, slots, (rows, width)), value, head, rng.integers(0, 2, rows), rng.random(rows) + 0.5


@pytest.mark.parametrize("policy", [PLAIN, FtrlPolicy(l1=0.0), FtrlPolicy(beta=0.0, l2=0.0), FtrlPolicy(l1=2.0)])
def test_equals_the_plain_algorithm_on_random_streams(policy: FtrlPolicy) -> None:
    """Every p and every weight equals the reference to 1e-12, with repeated slots as one summed coordinate."""
    index, value, head, y, weight = stream(rows=3_000, width=9, slots=64, heads=3, seed=5)
    model = OnlineModel(3, 6, policy)
    p = model.learn(index, value, head, y, weight)
    references = [Reference(policy) for _ in range(3)]
    for i in range(3_000):
        x: Counter[int | None] = Counter({None: 1.0})
        for slot, one in zip(index[i].tolist(), value[i].tolist(), strict=True):
            x[slot] += one
        expected = references[head[i]].learn(x, float(y[i]), float(weight[i]))
        assert p[i] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    for h, reference in enumerate(references):
        expected_weights = [reference.weight(slot) for slot in range(64)]
        assert model.weights_of(range(64))[:, h] == pytest.approx(expected_weights, rel=1e-12, abs=1e-12)
        assert model.bias()[h] == pytest.approx(reference.weight(None), rel=1e-12, abs=1e-12)


def vectors() -> list[dict]:
    return json.loads(VECTORS.read_text()) if VECTORS.exists() else []


@pytest.mark.skipif(not VECTORS.exists(), reason="conformance vectors (../shared/data/conformance) are not here")
@pytest.mark.parametrize("case", vectors(), ids=range(len(vectors())))
def test_equals_tensorflows_vectors(case: dict) -> None:
    """TensorFlow's expectations to 1e-5, warm starts among them: z = 0 though the weight is not.

    The kernel makes its own gradient (p − y)·weight·x: with y = 0 and weight = 1/p it is x, the case's constant.
    """
    policy = FtrlPolicy(case["lr"], case["beta"], case["l1"], 2 * case["l2_tf"], case["n0"])
    model = OnlineModel(1, 4, policy)
    if any(case["w0"]):
        model.warm_start([0, 1], case["w0"])
    for _ in range(case["steps"]):
        logit = model.bias()[0] + model.weights_of([0, 1])[:, 0] @ np.array(case["g"])
        model.learn([[0, 1]], [case["g"]], [0], [0], [1 + math.exp(-logit)])
    assert model.weights_of([0, 1])[:, 0] == pytest.approx(case["expect"], rel=1e-5)


def test_the_vectors_are_all_there() -> None:
    """Eight cases, when the file is there."""
    assert not VECTORS.exists() or len(vectors()) == 8


def test_a_warm_weight_stands_until_its_first_update() -> None:
    """Zero values, zero weights and cancelled values are no update; then the weight follows from z alone."""
    model = OnlineModel(1, 4, PLAIN)
    model.warm_start([3], [[0.7]])
    model.learn([[3], [3]], [[0.0], [1.0]], [0, 0], [1, 1], [1.0, 0.0])
    model.learn([[3, 3]], [[2.0, -2.0]], [0], [1], [1.0])
    assert model.weights_of([3])[0, 0] == 0.7
    p = model.learn([[3]], [[1.0]], [0], [1], [1.0])[0]
    assert p > 1 / (1 + math.exp(-0.7)), "the warm weight and the learned intercept are in the prediction"
    g, n = p - 1, PLAIN.init_n
    z = g - (math.sqrt(n + g * g) - math.sqrt(n)) / PLAIN.alpha * 0.7
    scale = (PLAIN.beta + math.sqrt(n + g * g)) / PLAIN.alpha + PLAIN.l2
    assert model.weights_of([3])[0, 0] == pytest.approx(-(z - math.copysign(PLAIN.l1, z)) / scale, rel=1e-12)


@pytest.mark.parametrize("n", [0, 0.0, 4.0])
def test_a_warm_start_keeps_its_n(n: float) -> None:
    """The next step is as small as n says, also n = 0 given as an integer."""
    model = OnlineModel(1, 4, FtrlPolicy(alpha=1.0, beta=0.0, l1=0.0, l2=0.0))
    model.warm_start([0], [[0.5]], n)
    g = 2.0 * model.learn([[0]], [[2.0]], [0], [0], [1.0])[0]
    root = math.sqrt(n + g * g)
    z = g - (root - math.sqrt(n)) * 0.5
    assert model.weights_of([0])[0, 0] == pytest.approx(-z / root, rel=1e-12)


@given(
    values=st.lists(st.floats(-3, 3, width=16), min_size=1, max_size=12),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_equal_slots_are_one_coordinate(values: list[float], seed: int) -> None:
    """A row with a slot repeated learns bit for bit as one with the values summed (exact in half precision)."""
    apart, summed = OnlineModel(1, 4, PLAIN), OnlineModel(1, 4, PLAIN)
    for y in np.random.default_rng(seed).integers(0, 2, 4):
        p = apart.learn([[5] * len(values)], [values], [0], [y], [1.0])
        assert p == summed.learn([[5]], [[sum(values)]], [0], [y], [1.0])
    assert (apart.weights_of([5]) == summed.weights_of([5])).all()


def test_strong_l1_keeps_weights_at_zero_but_not_the_intercept() -> None:
    """Under an L1 that nothing overcomes every weight is exactly 0; the intercept learns the base rate."""
    index, value, head, _, weight = stream(rows=4_000, width=5, slots=64, heads=1, seed=2)
    y = np.random.default_rng(9).random(4_000) < 0.2
    model = OnlineModel(1, 6, FtrlPolicy(l1=1e6))
    model.learn(index, value, head, y, weight)
    assert (model.weights_of(range(64)) == 0.0).all()
    assert 1 / (1 + math.exp(-model.bias()[0])) == pytest.approx(0.2, abs=0.04)


def test_extreme_logits_stay_numbers() -> None:
    """Values of ±10^6 give p of 0 or 1, no overflow and no NaN."""
    model = OnlineModel(1, 4, FtrlPolicy(l1=0.0))
    p = model.learn([[0]] * 6, [[1e6], [-1e6]] * 3, [0] * 6, [1, 0, 0, 1, 1, 0], [1.0] * 6)
    assert np.isfinite(p).all()
    assert np.isfinite(model.weights_of([0])).all()
    assert ((p >= 0) & (p <= 1)).all()


@pytest.mark.parametrize("fault", [{"alpha": 0.0}, {"l1": -1.0}, {"l2": math.inf}, {"beta": math.nan}])
def test_an_impossible_policy_is_refused(fault: dict[str, float]) -> None:
    """A ValueError names what is expected."""
    with pytest.raises(ValueError, match="alpha > 0"):
        FtrlPolicy(**fault).checked()


def test_the_policy_comes_from_the_settings() -> None:
    """Each constant is the configuration's."""
    assert FtrlPolicy.of(Learner(alpha=0.2, beta=2.0, l1=0.3, l2=0.4)) == (0.2, 2.0, 0.3, 0.4, 0.0, math.inf, 1.0)


def test_a_fake_negative_counts_what_is_left_of_its_own_prediction() -> None:
    """As an example whose weight is 1 − p, p as predicted just then."""
    fake, told = (OnlineModel(1, 4, PLAIN) for _ in range(2))
    for model in (fake, told):
        model.learn([[1, 2]], [[1.0, 0.5]], [0], [1], [1.0])
    p = fake.learn([[1, 2]], [[1.0, 0.5]], [0], [0], [3.0], fake=[True])[0]
    told.learn([[1, 2]], [[1.0, 0.5]], [0], [0], [3.0 * (1 - p)])
    np.testing.assert_allclose(fake.weights_of([1, 2]), told.weights_of([1, 2]), rtol=1e-14)


def test_no_coordinate_steps_by_more_than_the_bound() -> None:
    """With `clip` a gradient of 40 moves z as one of 0.25 does."""
    policy = PLAIN._replace(clip=0.25)
    large, small = OnlineModel(1, 4, policy), OnlineModel(1, 4, policy)
    large.learn([[1]], [[80.0]], [0], [1], [1.0])
    small.learn([[1]], [[0.5]], [0], [1], [1.0])
    assert large.weights_of([1]) == small.weights_of([1])
