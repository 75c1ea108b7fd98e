"""From heads to one score, and from a user to a variant."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtrec.events.ids import hash_in
from rtrec.settings import Variants

DEFAULT, HEAT_ONLY = "default", "heat_only"
VARIANTS: Final = (DEFAULT, HEAT_ONLY)
_BUCKETS: Final = 10_000


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + e^-x), without overflow.

    >>> sigmoid(np.array([0.0, -800.0])).tolist()
    [0.5, 0.0]
    """
    with np.errstate(over="ignore"):
        result: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
    return result


def fuse(p: NDArray[np.float64], heads: Sequence[str], exponents: Mapping[str, float]) -> NDArray[np.float64]:
    """∏ (1 + p_k)^a_k over heads. p: [N, heads]; heads without an exponent count 0.

    >>> fuse(np.array([[1.0, 1.0]]), ["click", "gift"], {"click": 1.0, "gift": 2.0}).tolist()
    [8.0]
    """
    powers = np.array([exponents.get(head, 0.0) for head in heads])
    fused: NDArray[np.float64] = np.prod((1.0 + p) ** powers, axis=1)
    return fused


def variant_of(user_id: str | None, shares: Variants) -> str:
    """The variant of a user by stable hash; a guest has the default.

    >>> variant_of("u1", Variants(heat_only=1.0)), variant_of(None, Variants(heat_only=1.0))
    ('heat_only', 'default')
    """
    if user_id is None:
        return DEFAULT
    return HEAT_ONLY if hash_in("variant", user_id) % _BUCKETS < shares.heat_only * _BUCKETS else DEFAULT
