"""Tokens: 64-bit hashes of features, and the slots of the weight vector they fall into.

Rules
-----
- A token is stored (logged features, weights' slots), so `mix` never changes; fixed vectors test that.
- `mix` chains splitmix64's finalizer, whose every input bit moves every output bit with probability
  close to 1/2, over salt, a and b: it is no commutative sum, (a, b) and (b, a) differ.
- A slot is the token's top bits: growing the vector splits slots and never shuffles them.
- Made to be called from kernels. From Python, values from 2^63 on must come as np.uint64: Numba takes a plain
  int as 64 signed bits, and says OverflowError.
"""

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@njit(cache=True, nogil=True)
def scramble(x: np.uint64) -> np.uint64:
    """splitmix64's finalizer (Steele, Lea, Flood 2014, variant 13 of Stafford)."""
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True)
def mix(salt: int | np.uint64, a: int | np.uint64, b: int | np.uint64) -> np.uint64:
    """The token of values `a` and `b` under a feature's `salt`; integers count modulo 2^64.

    >>> mix(1, 2, 3) == mix(1, 2, 3), mix(1, 2, 3) == mix(1, 3, 2), mix(1, 2, 3) == mix(2, 2, 3)
    (True, False, False)
    """
    x = scramble(np.uint64(salt) + _GOLDEN)
    x = scramble((x ^ np.uint64(a)) + _GOLDEN)
    return scramble((x ^ np.uint64(b)) + _GOLDEN)


@njit(cache=True, nogil=True)
def slot_of(token: np.uint64, slots_log2: int) -> int:
    """The slot of a token among 2^slots_log2.

    >>> slot_of(np.uint64(2**63), 22) == 2**21, slot_of(np.uint64(0), 22)
    (True, 0)
    """
    return int(np.uint64(token) >> np.uint64(64 - slots_log2))
