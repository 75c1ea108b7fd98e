"""Exact feature names and the slots that stand for them: no hashing, no collisions.

Rules
-----
- Slots are given out as names come, 0, 1, 2, …; a name keeps its own. Memory grows with the names ever learned.
- A column of a matrix has its number as its name, the integer that a dictionary may have as a key.
"""

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtrec.learning.named import look_up

TABLE_COLUMNS: Final = 1 << 24
"""Columns below are found by one look into a table, of 4 bytes a column up to the highest that came."""


class FeatureNames(dict[Hashable, int]):
    """Name → slot. `names[name]` gives an unknown name the next slot, `names.get(name, -1)` does not.

    >>> names = FeatureNames()
    >>> names["age"], names[7], names["age"], names.get("city", -1)
    (0, 1, 0, -1)
    >>> names.of_columns(np.array([7, 2**40, 7]), add=True), names.of_columns(np.array([3]), add=False)
    (array([1, 2, 1], dtype=int32), array([-1], dtype=int32))
    >>> names.forget_since(1)
    >>> list(names)
    ['age']
    """

    def __init__(self) -> None:
        super().__init__()
        self._table = np.zeros(0, np.int32)
        """Slot + 1 of a column; 0 where only the dictionary knows, if anyone."""

    def __missing__(self, name: Hashable) -> int:
        slot = self[name] = len(self)
        return slot

    def of(self, names: Sequence[Hashable], *, add: bool) -> NDArray[np.int32]:
        """The slots of names, int32 [n]; −1 for those unknown where they are not to be added."""
        slots = map(self.__getitem__, names) if add else (self.get(name, -1) for name in names)
        return np.fromiter(slots, np.int32, len(names))

    def of_columns(self, columns: NDArray[np.integer], *, add: bool) -> NDArray[np.int32]:
        """The slots of columns, int32 [n]; −1 for those unknown where they are not to be added."""
        top = int(columns.max()) + 1 if columns.size else 0
        slots = np.empty(columns.size, np.int32)
        if top > TABLE_COLUMNS:
            distinct, inverse = np.unique(columns, return_inverse=True)
            slots[:] = self.of(distinct.tolist(), add=add)[inverse]
            return slots
        if top > self._table.size:
            table = np.zeros(min(2 * top, TABLE_COLUMNS), np.int32)
            table[: self._table.size] = self._table
            self._table = table
        if look_up(self._table, columns, slots):
            unknown = np.flatnonzero(slots < 0)
            distinct, inverse = np.unique(columns[unknown], return_inverse=True)
            found = self.of(distinct.tolist(), add=add)
            self._table[distinct] = found + 1
            slots[unknown] = found[inverse]
        return slots

    def forget_since(self, size: int) -> None:
        """Take back all names but the first `size`."""
        while len(self) > size:
            self.popitem()
            self._table = self._table[:0]
