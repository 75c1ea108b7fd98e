"""FTRLClassifier is Algorithm 1: TensorFlow's own expectations, and a reference of fifteen lines."""

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rtrec.learning import FTRLClassifier

VECTORS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "conformance" / "tf_ftrl_vectors.json"


def vectors() -> list[dict]:
    return json.loads(VECTORS.read_text()) if VECTORS.exists() else []


@pytest.mark.skipif(not VECTORS.exists(), reason="conformance vectors (../shared/data/conformance) are not here")
@pytest.mark.parametrize("case", vectors(), ids=range(len(vectors())))
def test_equals_tensorflows_vectors(case: dict) -> None:
    """Every vector to 1e-5. A label of 0 and a weight of 1/p make the gradient the case's constant, x itself."""
    start = {"a": case["w0"][0], "b": case["w0"][1]} if any(case["w0"]) else None
    model = FTRLClassifier(
        case["lr"], case["beta"], case["l1"], 2 * case["l2_tf"], case["n0"], intercept=False, weights=start
    )
    x = dict(zip("ab", case["g"], strict=True))
    for _ in range(case["steps"]):
        model.learn_one(x, 0, w=1 / model.predict_proba_one(x)[True])
    assert [model.weights[name] for name in "ab"] == pytest.approx(case["expect"], rel=1e-5)


class Reference:
    """Algorithm 1 as the paper prints it, a dictionary each for z and n; "" is the intercept."""

    def __init__(self, alpha: float, beta: float, l1: float, l2: float) -> None:
        self.alpha, self.beta, self.l1, self.l2 = alpha, beta, l1, l2
        self.z, self.n = defaultdict(float), defaultdict(float)

    def weight(self, i: Any) -> float:
        z, n, l1 = self.z[i], self.n[i], self.l1 if i != "" else 0.0
        return (
            0.0 if abs(z) <= l1 else -(z - math.copysign(l1, z)) / ((self.beta + math.sqrt(n)) / self.alpha + self.l2)
        )

    def learn(self, x: dict[Any, float], y: float, w: float) -> float:
        weights = {i: self.weight(i) for i in x}
        p = 1 / (1 + math.exp(-math.fsum(weights[i] * x[i] for i in x)))
        for i, value in x.items():
            g = (p - y) * w * value
            self.z[i] += g - (math.sqrt(self.n[i] + g * g) - math.sqrt(self.n[i])) / self.alpha * weights[i]
            self.n[i] += g * g
        return p


@pytest.mark.parametrize("how", ["one", "many"])
@pytest.mark.parametrize("constants", [(0.1, 1.0, 1.0, 1.0), (0.5, 1.0, 0.0, 0.0), (0.3, 0.0, 0.2, 0.5)])
def test_equals_the_reference_on_dense_rows(how: str, constants: tuple[float, ...]) -> None:
    """Every prediction, weight and the intercept to 1e-12 over 2,000 rows of 8 features, one by one or as frames."""
    rng = np.random.default_rng(11)
    table = pd.DataFrame(rng.normal(0, 1, (2_000, 8)), columns=list("abcdefgh"))
    y = rng.random(2_000) < 1 / (1 + np.exp(-table @ rng.normal(0, 1, 8)))
    w = rng.random(2_000) + 0.5
    model, reference = FTRLClassifier(*constants), Reference(*constants)
    rows = table.to_dict("records")
    expected = [
        reference.learn(row | {"": 1.0}, float(label), weight) for row, label, weight in zip(rows, y, w, strict=True)
    ]
    if how == "one":
        p = []
        for row, label, weight in zip(rows, y.tolist(), w.tolist(), strict=True):
            p.append(model.predict_proba_one(row)[True])
            model.learn_one(row, label, w=weight)
        assert p == pytest.approx(expected, rel=1e-12, abs=1e-12)
    else:
        for at in range(0, 2_000, 300):
            part = slice(at, at + 300)
            assert model.predict_proba_many(table[at : at + 1])[True].item() == pytest.approx(expected[at], rel=1e-12)
            model.learn_many(table[part], y[part], w[part])
    weights = {name: reference.weight(name) for name in table if reference.weight(name) != 0.0}
    assert len(weights) >= 4
    assert model.weights == pytest.approx(weights, rel=1e-12, abs=1e-12)
    assert model.bias == pytest.approx(reference.weight(""), rel=1e-12)
