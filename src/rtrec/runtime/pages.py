"""Pages of an iterator: so that what is many is never held whole."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def pages(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`; the last may be shorter.

    >>> list(pages("abc", 2))
    [['a', 'b'], ['c']]
    """
    rest = iter(items)
    while page := list(islice(rest, size)):
        yield page
