import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.features.vector import N_DENSE, WIDTH, column_names, make_rows, vectors
from rtrec.learning.weights import ScorerWeights, WeightsUpdate
from rtrec.ranking.explain import explain
from rtrec.settings import Features

SLOTS_LOG2 = 10


@given(st.integers(0, 2**32))
def test_contributions_sum_to_the_logit(seed: int) -> None:
    """Of real weights on a real row, collisions included; largest first; nothing that adds nothing."""
    random = np.random.default_rng(seed)
    weights = ScorerWeights(2, SLOTS_LOG2)
    slots = np.flatnonzero(random.random(1 << SLOTS_LOG2) < 0.5)
    weights.apply(WeightsUpdate(1, 1, slots, random.normal(size=(slots.size, 2)), random.normal(size=2)))
    dense = random.uniform(0, 3, (1, N_DENSE)).astype(np.float32)
    rows = make_rows(Features(), 1_712_345_678_901, "u", ["a"], ["dance"], "feed", dense, [[7, 2**63 + 5]])
    index, value = vectors(rows, None, SLOTS_LOG2)
    for head in (0, 1):
        added = weights.contributions(index, value, head)[0]
        terms = explain(added, weights.bias(head), dense[0], {})
        assert sum(term["contribution"] for term in terms) == pytest.approx(
            weights.logits(index, value)[0, head], abs=1e-12
        )
        sizes = [abs(term["contribution"]) for term in terms]
        assert sizes == sorted(sizes, reverse=True)
        assert len(terms) == 1 + np.count_nonzero(added)


def test_numbers_are_shown_with_their_value_and_tokens_with_their_word() -> None:
    added, dense = np.zeros(WIDTH), np.zeros(N_DENSE, np.float32)
    names = column_names()
    dense[0] = 2.5
    for name, value in [(names[0], 0.5), ("category", 0.25), ("user", -0.125)]:
        added[names.index(name)] = value
    assert explain(added, 1.0, dense, {"category": "dance"}) == [
        {"feature": "bias", "contribution": 1.0},
        {"feature": f"{names[0]}=2.5", "contribution": 0.5},
        {"feature": "category=dance", "contribution": 0.25},
        {"feature": "user", "contribution": -0.125},
    ]
