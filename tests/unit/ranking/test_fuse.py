import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.ranking.fuse import DEFAULT, HEAT_ONLY, fuse, sigmoid, variant_of
from rtrec.settings import Variants

HEADS = ["click", "long_view", "gift"]


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5),
       st.dictionaries(st.sampled_from([*HEADS, "share"]), st.floats(0, 5)))  # fmt: skip
def test_the_score_is_the_product_of_powers(p: list[list[float]], exponents: dict[str, float]) -> None:
    """∏ (1 + p_k)^a_k; a head without an exponent counts 0, an exponent without a head nothing."""
    expected = [
        math.prod((1 + one) ** exponents.get(head, 0.0) for one, head in zip(row, HEADS, strict=True)) for row in p
    ]
    assert fuse(np.array(p), HEADS, exponents).tolist() == pytest.approx(expected)


def test_sigmoid_is_exact_where_it_matters_and_never_overflows() -> None:
    assert sigmoid(np.array([-1e308, -800.0, 0.0, 800.0, 1e308])).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert sigmoid(np.array([math.log(3.0)])).tolist() == pytest.approx([0.75])


def test_a_users_variant_is_stable_and_shares_are_kept() -> None:
    """Of 20,000 users 5 % are heat_only, give or take half a percent; who is, stays so when the share grows."""
    few, more = Variants(heat_only=0.05), Variants(heat_only=0.2)
    users = [f"u{k}" for k in range(20_000)]
    chosen = {user for user in users if variant_of(user, few) == HEAT_ONLY}
    assert abs(len(chosen) / len(users) - 0.05) < 0.005
    assert all(variant_of(user, more) == HEAT_ONLY for user in chosen)
    assert {variant_of(user, Variants(heat_only=0.0)) for user in users} == {DEFAULT}
    assert {variant_of(user, Variants(heat_only=1.0)) for user in users} == {HEAT_ONLY}
    assert variant_of(None, Variants(heat_only=1.0)) == DEFAULT
