"""Many records of a partition in columns, over the bytes that they came in.

A record of its own for each of 100,000 events a second costs more than to decode them, so it is made only where one is
looked at.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, overload

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtrec.events.lines import Lines
from rtrec.events.rows import concatenated
from rtrec.stages.messages import Record

ABSENT: Final = -1
PLACES: Final = np.dtype(
    [
        ("offset", "i8"),
        ("append_ms", "i8"),
        ("key", "i8"),  # where in the bytes it begins, ABSENT where there is none
        ("key_end", "i8"),
        ("value", "i8"),
        ("value_end", "i8"),
        ("headers", "i8"),
        ("headers_end", "i8"),
    ]
)
_SPANS: Final = ("key", "value", "headers")


@njit(cache=True, nogil=True)
def _move(places: Any, by: Any) -> None:
    """Let rows speak of bytes that stand further on."""
    for row in places:
        row["value"] += by
        row["key_end"] += by
        row["value_end"] += by
        row["headers_end"] += by
        if row["key"] >= 0:
            row["key"] += by
        if row["headers"] >= 0:
            row["headers"] += by


class Records(Sequence[Record]):
    """Records whose offsets grow. places: `PLACES`, a row a record.

    >>> records = Records.of([Record(3, 0, None, b"one", None), Record(5, 0, b"k", b"two", None)])
    >>> records[1].value, records.since(4)[0].key, len(records)
    (b'two', b'k', 2)
    """

    __slots__ = ("blob", "places")

    def __init__(self, blob: bytes, places: NDArray[Any]) -> None:
        self.blob, self.places = blob, places

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Records":
        """Columns of separate records."""
        if isinstance(records, cls):
            return records
        places = np.zeros(len(records), PLACES)
        places["offset"] = [one.offset for one in records]
        places["append_ms"] = [one.append_ms for one in records]
        parts, at = list[bytes](), 0
        for name in _SPANS:
            texts: list[bytes | None] = [getattr(one, name) for one in records]
            ends = at + np.fromiter(accumulate(len(one or b"") for one in texts), np.int64, len(texts))
            absent = np.array([one is None for one in texts], np.bool_)
            places[f"{name}_end"] = ends
            places[name] = np.where(absent, ABSENT, np.concatenate((np.full(1, at), ends))[: len(texts)])
            at = int(ends[-1]) if texts else 0
            parts += [one or b"" for one in texts]
        return cls(b"".join(parts), places)

    @classmethod
    def joined(cls, parts: Sequence[Sequence[Record]]) -> "Records":
        """Several, one after another."""
        some = [cls.of(part) for part in parts]
        if len(some) == 1:
            return some[0]
        places = concatenated([np.zeros(0, PLACES), *(part.places for part in some)])
        at = shift = 0
        for part in some:
            _move(places[at : at + len(part)], shift)
            at, shift = at + len(part), shift + len(part.blob)
        return cls(b"".join(part.blob for part in some), places)

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> "Records": ...
    def __getitem__(self, place: int | slice) -> "Record | Records":
        """Make one record, or pick some."""
        if isinstance(place, slice):
            return Records(self.blob, self.places[place])
        return self._made(*self.places[place].item())

    def __iter__(self) -> Iterator[Record]:
        """Make every record, in order."""
        return (self._made(*row) for row in self.places.tolist())

    def since(self, offset: int) -> "Records":
        """Those from an offset on."""
        first = int(np.searchsorted(self.places["offset"], offset))
        return self[first:] if first else self

    def lines(self) -> Lines:
        """Their values."""
        return Lines(self.blob, self.places["value"].copy(), self.places["value_end"].copy())

    @property
    def first_offset(self) -> int:
        """The offset of the first; there must be one."""
        return int(self.places["offset"][0])

    @property
    def next_offset(self) -> int:
        """The offset after the last; there must be one."""
        return int(self.places["offset"][-1]) + 1

    @property
    def size_bytes(self) -> int:
        """What they take in memory, about."""
        return len(self.blob) + self.places.nbytes

    def _made(
        self, offset: int, append_ms: int, key: int, key_end: int, value: int, value_end: int, head: int, head_end: int
    ) -> Record:
        blob = self.blob
        return Record(
            offset, append_ms, None if key == ABSENT else blob[key:key_end], blob[value:value_end],
            None if head == ABSENT else blob[head:head_end],
        )  # fmt: skip
