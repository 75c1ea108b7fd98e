"""Promises of River models in place of ours: chosen by name, told as weights, stored without pickle, learned alike."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.learning.river_model import RiverModel, as_dicts, p_of
from rtrec.learning.river_scorer import ModelUpdate, RiverScorer, scorer_of
from rtrec.learning.river_spec import build, faults, is_linear
from rtrec.learning.weights import ScorerWeights, WeightsUpdate
from rtrec.ranking.fuse import sigmoid
from rtrec.settings import Learner

LOGISTIC = "river.linear_model.LogisticRegression"
SCALED = f"river.preprocessing.StandardScaler | {LOGISTIC}"
TREE = "river.tree.HoeffdingTreeClassifier"
DENSE = frozenset({0, 1, 2})
LINEAR = [
    Learner(model=LOGISTIC, slots_log2=6),
    Learner(model=SCALED, slots_log2=6),
    Learner(model=f"river.preprocessing.MaxAbsScaler | {SCALED}", slots_log2=6),
    Learner(
        model=f"river.preprocessing.StandardScaler | river.preprocessing.FeatureHasher | {LOGISTIC}", slots_log2=6,
        parameters={"FeatureHasher": {"n_features": 32, "seed": 7}},
    ),
    Learner(model=SCALED, slots_log2=6, parameters={"LogisticRegression": {"l2": 0.01}}),
    Learner(model=SCALED, slots_log2=6, parameters={"LogisticRegression": {"l1": 0.01}}),
    *(
        Learner(
            model=SCALED, slots_log2=6,
            parameters={"LogisticRegression": {"optimizer": {"class": f"river.optim.{name}"}, "intercept_lr": 0.05}},
        )
        for name in ("Adam", "AdaGrad", "FTRLProximal", "Momentum")
    ),
]  # fmt: skip


def stream(seed: int, rows: int = 60) -> dict[str, np.ndarray]:
    """Rows of three dense numbers, sometimes 0, and three tokens, sometimes absent."""
    rng = np.random.default_rng(seed)
    tokens = np.array([rng.choice(np.arange(3, 64), 3, replace=False) for _ in range(rows)])
    index = np.hstack((np.tile(sorted(DENSE), (rows, 1)), tokens)).astype(np.int32)
    there = (rng.random((rows, 3)) < 0.8) * np.where(tokens % 5, 1.0, 0.25)
    value = np.hstack((rng.normal(1, 2, (rows, 3)) * (rng.random((rows, 3)) < 0.8), there))
    return {
        "index": index, "value": value.astype(np.float64), "head": rng.integers(0, 2, rows),
        "y": rng.integers(0, 2, rows), "weight": rng.choice([1.0, 0.5], rows), "fake": rng.random(rows) < 0.1,
    }  # fmt: skip


def own(model: RiverModel, data: dict[str, np.ndarray]) -> np.ndarray:
    """What River itself predicts for each head, [N, heads]."""
    rows = list(as_dicts(data["index"], data["value"], DENSE))
    return np.array([[p_of(pipeline, row) for pipeline in model.pipelines] for row in rows])


@pytest.mark.parametrize("policy", LINEAR, ids=range(len(LINEAR)))
def test_published_weights_score_as_river_predicts(policy: Learner) -> None:
    """Publication after publication, of what moved alone, a scorer's p is River's own."""
    model, scorer = RiverModel(2, policy, DENSE), scorer_of(2, policy)
    assert isinstance(scorer, ScorerWeights)
    for version in range(1, 5):
        data = stream(version)
        model.learn(**data)
        touched = model.take_touched()
        scorer.apply(WeightsUpdate(1, version, touched, model.weights_of(touched), model.bias()))
        known = np.isin(data["index"], model.slots())
        p = sigmoid(scorer.logits(data["index"], np.where(known, data["value"], 0.0)))
        np.testing.assert_allclose(p, own(model, data), rtol=1e-9, atol=1e-12)
    assert model.take_touched().size == 0, "nothing moved since"


@given(seed=st.integers(0, 2**32 - 1), split=st.integers(0, 60))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("policy", LINEAR, ids=range(len(LINEAR)))
def test_what_was_stored_learns_on_bit_for_bit(policy: Learner, seed: int, split: int) -> None:
    """A model put into another process ends where the uninterrupted one does."""
    data = stream(seed)
    first, rest = ({name: column[part] for name, column in data.items()} for part in (slice(split), slice(split, None)))
    whole, copy = RiverModel(2, policy, DENSE), RiverModel(2, policy, DENSE)
    whole.learn(**first)
    copy.decode(whole.encode())
    assert copy.encode() == whole.encode()
    assert (copy.learn(**rest) == whole.learn(**rest)).all()
    assert copy.encode() == whole.encode()


def test_the_model_is_rivers_own() -> None:
    """Predictions are those of the pipeline that River's users write, on the same dictionaries."""
    from river import linear_model, preprocessing  # noqa: PLC0415 - seconds

    model, theirs = RiverModel(1, Learner(model=SCALED), DENSE), preprocessing.StandardScaler()
    theirs |= linear_model.LogisticRegression()
    data = stream(3) | {"head": np.zeros(60, int), "fake": np.zeros(60, bool)}
    expected = []
    for row, y, w in zip(as_dicts(data["index"], data["value"], DENSE), data["y"], data["weight"], strict=True):
        expected.append(theirs.predict_proba_one(row)[True])
        theirs.learn_one(row, bool(y), w=float(w))
    assert model.learn(**data).tolist() == expected


def test_a_scaler_sees_dense_zeros_and_no_absent_tokens() -> None:
    """A dense number that is 0 is a number; a token that is not there is nothing."""
    (row,) = as_dicts(np.array([[0, 1, 2, 9, 9, 8]], np.int32), np.array([[0.0, 2.0, 0.0, 1.0, 1.0, 0.0]]), DENSE)
    assert row == {0: 0.0, 1: 2.0, 2: 0.0, 9: 2.0}


def test_a_model_without_weights_scores_through_a_copy() -> None:
    """What is learned after a publication is not served before the next; older ones are refused."""
    policy = Learner(model=TREE)
    model, scorer = RiverModel(2, policy, DENSE), scorer_of(2, policy)
    assert isinstance(scorer, RiverScorer)
    data = stream(1)
    assert (scorer.logits(data["index"], data["value"]) == 0).all()
    model.learn(**data)
    assert list(scorer.steps(ModelUpdate.of(model, 1, 5)))
    served = scorer.logits(data["index"], data["value"])
    np.testing.assert_allclose(sigmoid(served), np.clip(own(model, data), 1e-12, 1 - 1e-12), atol=1e-9)
    model.learn(**stream(2))
    assert (scorer.logits(data["index"], data["value"]) == served).all()
    assert not list(scorer.steps(ModelUpdate.of(model, 1, 5)))
    with pytest.raises(TypeError, match="cannot be stored"):
        model.encode()


LR: dict[str, Any] = {"class": "river.optim.SGD"}
FAULTY = [
    ("os.system", {}, "os.system is not a class of"),
    ("river.linear_model.base.GLM", {}, "is not a class of"),
    ("river.linear_model.__import__", {}, "is not a class of"),
    ("river.preprocessing.StandardScaler", {}, "no classifier"),
    (f"{LOGISTIC} | {LOGISTIC}", {}, "no transformer"),
    ("__import__('os').system('true')", {}, "is not a class of"),
    (LOGISTIC, {"Nobody": {}}, "no such step, it has LogisticRegression"),
    (LOGISTIC, {"LogisticRegression": {"l3": 1}}, "l3: unknown; LogisticRegression has optimizer"),
    (LOGISTIC, {"LogisticRegression": {"optimizer": {"lr": 1}}}, "needs its `class`"),
    (LOGISTIC, {"LogisticRegression": {"optimizer": {"class": "os.system"}}}, "os.system is not a class of"),
    (LOGISTIC, {"LogisticRegression": {"optimizer": LR | {"speed": 1}}}, "speed: unknown"),
    (LOGISTIC, {"LogisticRegression": {"l1": 0.1, "l2": 0.1}}, "refuses them"),
    (f"river.preprocessing.FeatureHasher | {LOGISTIC}", {}, "seed"),
]


@pytest.mark.parametrize(("model", "parameters", "says"), FAULTY, ids=range(len(FAULTY)))
def test_what_is_not_allowed_is_refused_with_a_word(model: str, parameters: dict[str, Any], says: str) -> None:
    """No text is evaluated, and nothing outside the allow-list is made."""
    (fault,) = faults(Learner(model=model, parameters=parameters), on_cluster=False, weighted=False)
    assert says in fault
    assert fault.startswith("learner.")


def test_what_cannot_be_published_is_refused_on_a_cluster() -> None:
    """The check says where such a model works, and what would do."""
    for model, linear in ((TREE, False), (SCALED, True), ("river.naive_bayes.GaussianNB", False)):
        policy = Learner(model=model)
        assert is_linear(build(policy)) is linear
        assert not list(faults(policy, on_cluster=False, weighted=False))
        found = list(faults(policy, on_cluster=True, weighted=False))
        assert bool(found) is not linear
        assert linear or "works embedded" in found[0]
    (fault,) = faults(Learner(model="river.naive_bayes.GaussianNB"), on_cluster=False, weighted=True)
    assert "takes no weights" in fault
    assert not list(faults(Learner(model=SCALED), on_cluster=True, weighted=True))


def test_a_hasher_before_a_scaler_is_not_told_as_weights() -> None:
    """There two features can share one offset, and a sum of weights would count it twice."""
    model = f"river.preprocessing.FeatureHasher | {SCALED}"
    assert not is_linear(build(Learner(model=model, parameters={"FeatureHasher": {"seed": 1}})))


def test_a_newer_format_is_refused() -> None:
    """Never guessed."""
    model = RiverModel(1, Learner(model=LOGISTIC), DENSE)
    form, *rest = msgspec.msgpack.decode(model.encode())
    with pytest.raises(ValueError, match="use a newer rtrec"):
        model.decode(msgspec.msgpack.encode([form + 1, *rest]))
