"""Pages of an iterator, and a partition of a log as one: so that what is many is never held whole."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from rtrec.ports import EventLog, Record

PAGE: Final = 1_000
T = TypeVar("T")


def pages(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`; the last may be shorter.

    >>> list(pages("abc", 2))
    [['a', 'b'], ['c']]
    """
    rest = iter(items)
    while page := list(islice(rest, size)):
        yield page


def read_all(log: EventLog, topic: str, partition: int, offset: int = 0, end: int | None = None) -> Iterator[Record]:
    """A partition's records from an offset on, up to an end: the one that stands, if none is given."""
    bounds = log.bounds(topic, partition)
    at, end = max(offset, bounds.start), bounds.end if end is None else end
    while at < end:
        records = log.read(topic, partition, at, PAGE)
        if not records:
            return
        at = records[-1].offset + 1
        yield from (record for record in records if record.offset < end)
