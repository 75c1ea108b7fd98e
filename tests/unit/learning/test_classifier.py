"""Promises of FTRLClassifier: River's own checks, exact names, many as one by one, nothing refused is learned."""

import math
import pickle
import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import checks, compose, preprocessing
from scipy import sparse

from rtrec.learning import FTRLClassifier
from rtrec.learning.named import LARGEST

Example = tuple[list[tuple[int, float]], bool, float]


def learned(**parameters: Any) -> FTRLClassifier:
    """A model that knows a, b and c."""
    model = FTRLClassifier(**{"alpha": 0.5, "l1": 0.1, **parameters})
    rng = np.random.default_rng(4)
    for _ in range(200):
        a, b = rng.normal(0, 1, 2).tolist()
        model.learn_one({"a": a, "b": b, "c": 1.0}, a - b > 0)
    return model


def state(model: FTRLClassifier) -> tuple[Any, ...]:
    """Everything, name by name: the order in which names came does not count."""
    held = model.__getstate__()
    pairs = {name: pair.tobytes() for name, pair in zip(held["names"], held["pairs"], strict=True)}
    return pairs, held["intercept"].tobytes(), model.weights


CHECKED = [{}, {"l1": 0.1, "clip": 0.5, "intercept": False}, {"weights": {"empty_server_form_handler": 0.3}}]
CHECKS = [
    pytest.param(parameters, check, id=f"{i}-{check.__name__}-{n}")
    for i, parameters in enumerate(CHECKED)
    for n, check in enumerate(checks.yield_checks(FTRLClassifier(**parameters)))
]


@pytest.mark.parametrize(("parameters", "check"), CHECKS)
def test_passes_rivers_checks(parameters: dict[str, Any], check: Any) -> None:
    """All of them, none skipped."""
    model = FTRLClassifier(**parameters)
    assert not model._unit_test_skips()
    check(model)


def test_is_a_binary_classifier_that_takes_batches() -> None:
    assert not FTRLClassifier()._multiclass
    assert len(CHECKS) >= 3 * 40


@pytest.mark.parametrize("many", [False, True])
def test_works_at_the_end_of_a_pipeline(many: bool) -> None:
    """Scaler and model learn together, one by one or by batches, and tell a separable stream apart."""
    rng = np.random.default_rng(8)
    table = pd.DataFrame(rng.normal((5.0, -3.0), (2.0, 0.1), (600, 2)), columns=["a", "b"])
    y = (table["a"] - 5.0) / 2.0 > (table["b"] + 3.0) / 0.1
    pipeline = preprocessing.StandardScaler() | FTRLClassifier(alpha=1.0, l1=0.0)
    if many:
        for at in range(0, 600, 50):
            pipeline.learn_many(table[at : at + 50], y[at : at + 50])
    else:
        for x, label in zip(table.to_dict("records"), y.tolist(), strict=True):
            pipeline.learn_one(x, label)
    said = pipeline.predict_many(table)
    assert (said == y).mean() > 0.95
    assert said.index.equals(table.index)
    assert said.name == (y.name if many else None)
    assert [pipeline.predict_one(x) for x in table[:50].to_dict("records")] == said[:50].tolist()


def test_names_are_exact() -> None:
    """Any hashable, a column by its number, and no two collide; a weight of 0 is left out, the intercept is none."""
    model = FTRLClassifier(alpha=1.0, l1=0.0)
    names: list[Any] = ["a", ("user", 7), 3, *(f"f{i}" for i in range(5_000))]
    for name in names:
        model.learn_one({name: 1.0, "never": 0.0}, True)
    assert list(model.weights) == names
    before = model.weights[3]
    model.learn_many(sparse.csr_matrix(([1.0], [3], [0, 1]), shape=(1, 10)), [1])
    assert model.weights[3] > before
    assert set(model.weights) == set(names)
    assert model.bias > 0


def test_strong_l1_leaves_no_weight_but_the_intercept() -> None:
    model = learned(l1=1e6)
    assert model.weights == {}
    assert model.bias != 0.0


def test_without_an_intercept_none_is_learned() -> None:
    model = learned(intercept=False)
    assert model.bias == 0.0
    assert model.predict_proba_one({}) == {False: 0.5, True: 0.5}


entries = st.lists(st.tuples(st.integers(0, 7), st.floats(-3, 3) | st.just(0.0)), max_size=9)
examples = st.lists(st.tuples(entries, st.booleans(), st.floats(0, 2)), min_size=1, max_size=30)
parameters = st.fixed_dictionaries(
    {
        "alpha": st.floats(0.01, 2), "beta": st.floats(0, 2), "l1": st.floats(0, 0.5), "l2": st.floats(0, 1),
        "intercept": st.booleans(), "clip": st.none() | st.floats(0.1, 1), "weights": st.none() | st.just({2: 0.5}),
    }
)  # fmt: skip


def matrix(rows: list[Example]) -> sparse.csr_matrix:
    """Entries as they stand, repeated columns among them, in no order."""
    starts = np.cumsum([0, *(len(row) for row, _, _ in rows)])
    flat = [entry for row, _, _ in rows for entry in row]
    return sparse.csr_matrix(([v for _, v in flat], [c for c, _ in flat], starts), shape=(len(rows), 8))


def summed(row: list[tuple[int, float]]) -> dict[int, float]:
    x: Counter[int] = Counter()
    for column, value in row:
        x[column] += value
    return dict(x)


@given(rows=examples, parameters=parameters, cut=st.integers(0, 30))
def test_many_sparse_rows_are_a_loop_of_ones(rows: list[Example], parameters: dict[str, Any], cut: int) -> None:
    """Bit for bit, wherever a batch ends: predictions before, state after."""
    one, many = FTRLClassifier(**parameters), FTRLClassifier(**parameters)
    for part in (rows[:cut], rows[cut:]):
        table = matrix(part)
        said = many.predict_proba_many(table)
        assert said[True].tolist() == [one.predict_proba_one(summed(row))[True] for row, _, _ in part]
        for row, y, w in part:
            one.learn_one(summed(row), y, w=w)
        many.learn_many(table, [y for _, y, _ in part], [w for _, _, w in part])
        assert state(one) == state(many)


@given(
    values=st.lists(st.tuples(*[st.floats(-3, 3)] * 4, st.booleans()), min_size=1, max_size=20),
    parameters=parameters,
    columns=st.permutations(["a", "b", "c", 2]),
)
def test_many_rows_of_a_frame_are_a_loop_of_ones(
    values: list[tuple[Any, ...]], parameters: dict[str, Any], columns: list[Any]
) -> None:
    """Bit for bit, in the order of the frame's columns; what is said has the frame's index."""
    one, many = FTRLClassifier(**parameters), FTRLClassifier(**parameters)
    table = pd.DataFrame([row[:4] for row in values], columns=columns, index=np.arange(len(values)) * 3)
    y = pd.Series([row[4] for row in values], name="clicked")
    rows = table.to_dict("records")
    for x, label in zip(rows, y.tolist(), strict=True):
        one.learn_one(x, label, w=0.7)
    many.learn_many(table, y, 0.7)
    assert state(one) == state(many)
    said = many.predict_proba_many(table)
    assert said[True].tolist() == [one.predict_proba_one(x)[True] for x in rows]
    assert said.index.equals(table.index)
    assert many.predict_many(table).tolist() == [one.predict_one(x) for x in rows]
    assert many.predict_many(table).name == "clicked"


def test_a_column_beyond_the_table_is_found_all_the_same() -> None:
    """Wide matrices, of hashed columns, take the way through the dictionary."""
    high = 2**30
    table = sparse.csr_matrix(([1.0, 2.0, 1.0], [high, 5, high], [0, 2, 3]), shape=(2, high + 1))
    one, many = FTRLClassifier(l1=0.0), FTRLClassifier(l1=0.0)
    many.learn_many(table, [1, 0])
    one.learn_one({high: 1.0, 5: 2.0}, 1)
    one.learn_one({high: 1.0}, 0)
    assert many.weights == one.weights
    assert set(many.weights) == {high, 5}


BAD = [math.nan, math.inf, -math.inf, 1e300, None, "1", 10**400]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_refused_example_changes_nothing(bad: Any) -> None:
    """The feature is named; names, z and n are the same bytes, and a name that came with it is not known."""
    model = learned()
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="feature 'b': expected"):
        model.learn_one({"a": 1.0, "new": 2.0, "b": bad}, True)
    with pytest.raises(ValueError, match="feature 'b': expected"):
        model.predict_proba_one({"a": 1.0, "new": 2.0, "b": bad})
    with pytest.raises(ValueError, match="y: expected a bool, 0 or 1"):
        model.learn_one({"a": 1.0, "new": 2.0}, bad if bad != "1" else "yes")
    with pytest.raises(ValueError, match="w: expected a"):
        model.learn_one({"a": 1.0, "new": 2.0}, True, w=bad if bad != "1" else "yes")
    assert pickle.dumps(model) == before
    model.learn_one({"new": 1.0, "other": 2.0}, True)
    assert {"new", "other"} <= set(model.__getstate__()["names"])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("form", ["csr", "frame"])
def test_a_refused_row_refuses_all_of_them(bad: float, form: str) -> None:
    """Rows before it, too; feature and row are named."""
    model = learned()
    values = np.array([[1.0, 2.0, 0.5], [1.0, bad, 3.0]])
    table = sparse.csr_matrix(values) if form == "csr" else pd.DataFrame(values, columns=["a", "new", "c"])
    sound = sparse.csr_matrix(values[:1]) if form == "csr" else table[:1]
    before = pickle.dumps(model)
    name = "1" if form == "csr" else "'new'"
    with pytest.raises(ValueError, match=f"row 1, feature {name}: expected"):
        model.learn_many(table, [1, 0])
    with pytest.raises(ValueError, match=f"row 1, feature {name}: expected"):
        model.predict_proba_many(table)
    with pytest.raises(ValueError, match="row 0, y: expected a bool, 0 or 1"):
        model.learn_many(sound, [bad])
    with pytest.raises(ValueError, match="row 0, w: expected"):
        model.learn_many(sound, [1], [bad])
    with pytest.raises(ValueError, match=r"y: expected 1 of them"):
        model.learn_many(sound, [1, 0])
    assert pickle.dumps(model) == before


def test_text_in_a_frame_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="feature 'city': expected numbers"):
        FTRLClassifier().learn_many(pd.DataFrame({"age": [3], "city": ["Beijing"]}), [1])


def test_a_damaged_matrix_is_refused() -> None:
    """Kernels trust their indices: one that lies outside would write anywhere."""
    table = sparse.csr_matrix(([1.0], [3], [0, 1]), shape=(1, 10))
    table.indices[0] = -4
    with pytest.raises(ValueError, match="damaged"):
        FTRLClassifier().learn_many(table, [1])


def test_the_largest_values_leave_numbers() -> None:
    """What is let in, however large and by whatever labels, keeps every weight and prediction a number."""
    model = FTRLClassifier(alpha=1.0, l1=0.0, beta=0.0, l2=0.0)
    for y in (1, 0, 0, 1, 1):
        for x in ({"a": LARGEST, "b": -LARGEST}, {"a": 1e-60, "b": LARGEST}, {"a": -LARGEST}):
            model.learn_one(x, y, w=LARGEST)
            assert 0.0 <= model.predict_proba_one(x)[True] <= 1.0
    assert all(map(math.isfinite, model.weights.values()))


def test_a_warm_weight_stands_until_its_first_update() -> None:
    """z = 0: the weight is in predictions, weights of 0 and gradients of 0 leave it, then it follows from z alone."""
    model = FTRLClassifier(alpha=0.3, l1=0.05, l2=0.5, intercept=False, weights={"a": 0.7, "b": -0.2, "c": 0.0})
    assert model.weights == {"a": 0.7, "b": -0.2}
    assert model.predict_proba_one({"a": 1.0})[True] == 1 / (1 + math.exp(-0.7))
    model.learn_one({"a": 0.0}, True)
    model.learn_one({"a": 1.0}, True, w=0.0)
    assert model.weights["a"] == 0.7
    g = model.predict_proba_one({"a": 1.0})[True] - 1.0
    model.learn_one({"a": 1.0}, True)
    z = g - abs(g) / 0.3 * 0.7
    assert model.weights["a"] == pytest.approx(-(z - math.copysign(0.05, z)) / ((1 + abs(g)) / 0.3 + 0.5), rel=1e-12)
    assert model.weights["b"] == -0.2


@pytest.mark.parametrize("bad", [math.nan, math.inf, "0.5", None])
def test_a_warm_weight_that_is_no_number_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="weight of feature 'a'"):
        FTRLClassifier(weights={"a": bad})


def test_no_coordinate_steps_by_more_than_the_bound() -> None:
    """With `clip` a gradient of 40 moves a weight, and the intercept, as one of the bound does."""
    large, small = FTRLClassifier(l1=0.0, clip=0.25), FTRLClassifier(l1=0.0)
    large.learn_one({"a": 80.0}, True)
    small.learn_one({"a": 1.0}, True, w=0.5)
    assert (large.weights, large.bias) == (small.weights, small.bias)


@pytest.mark.parametrize("bad", [{"alpha": 0.0}, {"l1": -1.0}, {"l2": math.nan}, {"clip": 0.0}])
def test_impossible_constants_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected alpha > 0"):
        FTRLClassifier(**bad)


def test_a_clone_is_fresh_and_a_copy_goes_on() -> None:
    """A clone has the constants and the given weights, none of the learned; a pickled one learns on bit for bit."""
    model = learned(weights={"a": 0.3})
    fresh = model.clone()
    assert fresh.weights == {"a": 0.3}
    assert repr(fresh) == repr(model)
    assert model.clone({"alpha": 0.25}).alpha == 0.25
    for other in (pickle.loads(pickle.dumps(model)), model.clone(include_attributes=True)):  # noqa: S301 - our own
        again = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own
        for one in (other, again):
            one.learn_one({"a": 1.0, "z": 2.0}, False, w=3.0)
        assert state(other) == state(again)
        assert state(other) != state(model)
    assert compose.Pipeline(model).clone()["FTRLClassifier"].weights == {"a": 0.3}


@settings(max_examples=20)
@given(rows=examples)
def test_the_order_of_features_counts_for_nothing_but_rounding(rows: list[Example]) -> None:
    """Dictionaries in reverse learn the same to 1e-9."""
    one, other = FTRLClassifier(l1=0.0), FTRLClassifier(l1=0.0)
    for row, y, w in rows:
        one.learn_one(summed(row), y, w=w)
        other.learn_one(dict(reversed(summed(row).items())), y, w=w)
    assert other.weights == pytest.approx(one.weights, abs=1e-9)


def test_it_costs_nothing_until_it_is_asked_for() -> None:
    """`import rtrec.learning` loads no River; the classifier loads River's interface alone, and no pandas."""
    code = (
        "import sys, rtrec.learning\n"
        "assert 'river' not in sys.modules\n"
        "from rtrec.learning import FTRLClassifier\n"
        "FTRLClassifier().learn_one({'a': 1.0}, True)\n"
        "print('river.base' in sys.modules, 'river.linear_model' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.split() == ["True", "False", "False"]
