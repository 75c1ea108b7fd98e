"""An open-addressing map from 64-bit hashes to 64-bit numbers, for kernels.

Rules
-----
- Key 0 marks an empty place, so 0 is never a key (`ids.hash_id` never returns it).
- Nothing is deleted in place: a map is rebuilt without what has expired when it runs out of room, so that
  a look-up never meets a tombstone.
- At most half full: the caller makes room for a whole chunk (`HashIndex.has_room`, `rebuild`) before a kernel runs.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

_MIN_PLACES = 1 << 12


@njit(cache=True, nogil=True)
def find(keys: Any, key: Any) -> Any:
    """The place of `key`, or -1."""
    mask = np.uint64(keys.shape[0] - 1)
    place = key & mask
    while keys[place] != np.uint64(0):
        if keys[place] == key:
            return np.int64(place)
        place = (place + np.uint64(1)) & mask
    return np.int64(-1)


@njit(cache=True, nogil=True)
def put(keys: Any, values: Any, key: Any, value: Any) -> Any:
    """Set `key` to `value`; 1 when the key is new, else 0."""
    mask = np.uint64(keys.shape[0] - 1)
    place = key & mask
    while keys[place] != np.uint64(0):
        if keys[place] == key:
            values[place] = value
            return 0
        place = (place + np.uint64(1)) & mask
    keys[place] = key
    values[place] = value
    return 1


@njit(cache=True, nogil=True)
def put_all(keys: Any, values: Any, new_keys: Any, new_values: Any) -> Any:
    """Set many; how many keys were new."""
    added = 0
    for i in range(new_keys.shape[0]):
        added += put(keys, values, new_keys[i], new_values[i])
    return added


class HashIndex:
    """The map's arrays and how full they are. Later entries win over earlier ones of the same key."""

    def __init__(self) -> None:
        self.keys: U64 = np.zeros(_MIN_PLACES, np.uint64)
        self.values: I64 = np.zeros(_MIN_PLACES, np.int64)
        self.used = 0

    def has_room(self, more: int) -> bool:
        """Whether `more` keys fit with the map at most half full."""
        return 2 * (self.used + more) <= len(self.keys)

    def rebuild(self, keys: U64, values: I64, more: int = 0) -> None:
        """Hold just these entries, with room for `more`."""
        places = _MIN_PLACES
        while places < 4 * (len(keys) + more):
            places *= 2
        self.keys, self.values = np.zeros(places, np.uint64), np.zeros(places, np.int64)
        self.used = int(put_all(self.keys, self.values, keys, values))
