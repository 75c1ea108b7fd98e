"""Decayed counters on a landmark: S = Σ v · 2^((ts - L) / h), read as S · 2^(-(t - L) / h).

Rules
-----
- L is a multiple of 64 · h, the same for all whose newest event falls between two of them; it is derived
  from the newest event time, never stored. Moving on by 64 half-lives multiplies S by 2^-64 exactly.
- A power 2^(x) is taken as 2^(whole) · 2^(rest), the rest counted in whole milliseconds from a multiple of
  h: so the same event weighs the same bits whatever L is, and identical histories rank identically.
- Metrics that can be reversed are summed in two floats (Knuth's TwoSum, error-free): taking out what was
  put in leaves what was there before, not a residue.

Source: forward decay, Cormode, Shkapenyuk, Srivastava, Xu 2009.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit

HALF_LIVES: Final = ("1m", "10m", "1h")
HALF_LIVES_MS: Final = np.array([60_000, 600_000, 3_600_000], np.int64)
LANDMARK_HALF_LIVES: Final = 64


@njit(cache=True, nogil=True)
def power(from_ms: Any, to_ms: Any, half_life_ms: Any) -> Any:
    """2^((to - from) / half_life), exactly scaled by whole half-lives."""
    whole, rest = divmod(to_ms - from_ms, half_life_ms)
    exponent: Any = np.int32(max(min(whole, 4_000), -4_000))  # Numba's ldexp takes 32 bits
    return math.ldexp(np.exp2(rest / half_life_ms), exponent)


@njit(cache=True, nogil=True)
def landmark(last_ms: Any, half_life_ms: Any) -> Any:
    """The landmark of a counter whose newest event is at `last_ms`."""
    span = LANDMARK_HALF_LIVES * half_life_ms
    return last_ms // span * span


@njit(cache=True, nogil=True)
def rebase(last_ms: Any, now_ms: Any, half_life_ms: Any) -> Any:
    """What counters are multiplied by when the newest event moves on; 1 until a landmark is passed."""
    passed = (landmark(now_ms, half_life_ms) - landmark(last_ms, half_life_ms)) // half_life_ms
    exponent: Any = np.int32(-min(passed, 4_000))
    return math.ldexp(1.0, exponent)


@njit(cache=True, nogil=True)
def two_sum(high: Any, low: Any, value: Any) -> Any:
    """(high, low) + value without losing a bit of it."""
    total = high + value
    part = total - high
    return total, low + ((high - (total - part)) + (value - part))
