"""The rows of a chunk for several targets, with one pass over them all instead of one for each.

Micro-batches are small when little happens, and one for each of eight partitions smaller still: what is done target by
target costs more than everything else about an event.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NONE = -1
"""A place in no list."""


class Parts(NamedTuple):
    """order: rows by target, each target's growing. borders: part k is `order[borders[k]:borders[k + 1]]`."""

    targets: list[int]
    order: NDArray[np.int64]
    borders: NDArray[np.int64]

    def slices(self) -> list[slice]:
        """Each part's, of what stands in that order."""
        ends = self.borders.tolist()
        return [slice(first, end) for first, end in pairwise(ends)]


def by_target(target: NDArray[np.int64]) -> Parts:
    """The rows of each target that has any.

    >>> by_target(np.array([2, 0, 2]))
    Parts(targets=[0, 2], order=array([1, 0, 2]), borders=array([0, 1, 3]))
    """
    order = np.argsort(target, kind="stable")
    found = target[order]
    borders = np.flatnonzero(np.concatenate(([True], found[1:] != found[:-1], [True])) if len(found) else [True])
    return Parts(found[borders[:-1]].tolist(), order, borders)


def one_part(order: NDArray[np.int64]) -> Parts:
    """Some rows for one target, also where there are none."""
    return Parts([0], order, np.array([0, len(order)]))


def renumber(places: NDArray[Any], borders: NDArray[np.int64], known: list[Any]) -> tuple[Any, list[list[Any]]]:
    """Let each part have a list of its own, with what its rows name of `known`, in that order.

    Parameters
    ----------
    places: of each row in `known`, `NONE` for none; in the parts' order.

    Returns
    -------
    (each row's place in its part's list, the lists)

    >>> renumber(np.array([2, -1, 2, 0]), np.array([0, 2, 4]), ["a", "b", "c"])
    (array([ 0, -1,  1,  0]), [['c'], ['a', 'c']])
    """
    if not known:
        return places, [[] for _ in range(len(borders) - 1)]
    numbers, named, ends = _renumber(places.astype(np.int64), borders, len(known))
    items = [known[place] for place in named.tolist()]
    begins = [0, *ends.tolist()]
    return numbers, [items[first:end] for first, end in pairwise(begins)]


@njit(cache=True, nogil=True)
def _renumber(places: Any, borders: Any, size: int) -> Any:
    numbers, named = np.full(places.shape[0], -1, np.int64), np.empty(places.shape[0], np.int64)
    part_of, number_of = np.full(size, -1, np.int64), np.empty(size, np.int64)
    ends, count = np.empty(borders.shape[0] - 1, np.int64), 0
    for part in range(ends.shape[0]):
        first = count
        for row in range(borders[part], borders[part + 1]):
            place = places[row]
            if place >= 0 and part_of[place] != part:
                part_of[place] = part
                named[count] = place
                count += 1
        named[first:count].sort()
        for number in range(first, count):
            number_of[named[number]] = number - first
        for row in range(borders[part], borders[part + 1]):
            if places[row] >= 0:
                numbers[row] = number_of[places[row]]
        ends[part] = count
    return numbers, named[:count], ends
