"""Sparse rows as the kernels want them, checked: a kernel trusts its indices, and a wrong one would write anywhere."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_rows(index: ArrayLike, value: ArrayLike, slots: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Slots and values [N, K] of N rows, contiguous int32 and float64; ValueError for a slot not below `slots`.

    >>> checked_rows([[1, 8]], [[1, 1]], slots=8)
    Traceback (most recent call last):
    ValueError: expected slots from 0 to 7, got 1 to 8
    """
    given = _within(index, slots)
    values = np.ascontiguousarray(value, np.float64)
    if given.ndim != 2 or given.shape != values.shape:
        raise ValueError(f"expected index and value of one shape [N, K], got {given.shape} and {values.shape}")
    return np.ascontiguousarray(given, np.int32), values


def checked_slots(slots_given: ArrayLike, slots: int) -> NDArray[np.int64]:
    """Slots [n], contiguous int64; ValueError for one not below `slots`."""
    return np.ascontiguousarray(_within(slots_given, slots), np.int64)


def _within(given: ArrayLike, slots: int) -> NDArray[np.integer]:
    places: NDArray[np.integer] = np.asarray(given)
    if places.size and not (places.min() >= 0 and places.max() < slots):
        raise ValueError(f"expected slots from 0 to {slots - 1}, got {places.min()} to {places.max()}")
    return places


_PAGE_NUMBERS = 512


def page_in(array: NDArray[np.generic]) -> None:
    """Have the system lay out an array's memory now: its first use costs tens of milliseconds per 2 MB otherwise."""
    flat = array.reshape(-1)
    flat[::_PAGE_NUMBERS] = flat[::_PAGE_NUMBERS].copy()
