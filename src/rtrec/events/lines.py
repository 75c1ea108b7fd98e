"""Events as they came: a column of JSON, of which single events are decoded only when asked for.

Rules
-----
- Every line was accepted by `codec.decode` before: decoding it again gives the same event.
- A column is spans over bytes, which may hold more, and in any order: picking lines copies none of them. `packed` puts
  them end to end, in one pass of a kernel; that is how they are stored.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, overload

import msgspec
import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from rtrec.events.codec import Refusal, decode
from rtrec.events.parted import Parts
from rtrec.events.schema import Event


class _User(msgspec.Struct):
    user_id: str | int


_user_of: Final = msgspec.json.Decoder(_User).decode


@njit(cache=True, nogil=True)
def _gather(blob: Any, starts: Any, ends: Any, between: int, out: Any) -> None:
    """All spans, one after another; between two of them the byte `between`, unless it is below 0.

    Places are unsigned: with signed ones, which may count from the end, the compiler copies byte by byte, six times as
    slow.
    """
    at, one = uint64(0), uint64(1)
    for k in range(starts.shape[0]):
        if k and between >= 0:
            out[at] = between
            at += one
        first = uint64(starts[k])
        length = uint64(ends[k]) - first
        for place in range(length):
            out[at + uint64(place)] = blob[first + uint64(place)]
        at += length


class Lines(Sequence[Event]):
    """A sequence of events over their bytes.

    >>> one = b'{"event_id": "e", "type": "like", "ts_ms": 1700000000000, "anchor_id": "a", "user_id": "u"}'
    >>> lines = Lines.of([one, one])
    >>> len(lines), lines[1].event_id, lines.take(np.array([1])).raw(0) == one
    (2, 'e', True)
    """

    __slots__ = ("_is_packed", "blob", "ends", "starts")

    def __init__(self, blob: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self.blob, self.starts, self.ends = blob, starts, ends
        self._is_packed = False

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> "Lines":
        """Lines of separate values."""
        return cls.packed_in(b"".join(lines), np.fromiter(accumulate(map(len, lines)), np.int64, len(lines)))

    @classmethod
    def packed_in(cls, blob: bytes, ends: NDArray[np.int64]) -> "Lines":
        """Lines that stand end to end, and nothing else."""
        starts = np.zeros(len(ends), np.int64)
        starts[1:] = ends[:-1]
        found = cls(blob, starts, ends)
        found._is_packed = True
        return found

    @classmethod
    def joined(cls, parts: Sequence["Lines"]) -> "Lines":
        """Several, one after another."""
        if len(parts) == 1:
            return parts[0]
        shifts = [0, *accumulate(len(part.blob) for part in parts)][: len(parts)]
        starts = [part.starts + shift for part, shift in zip(parts, shifts, strict=True)]
        ends = [part.ends + shift for part, shift in zip(parts, shifts, strict=True)]
        none = np.zeros(0, np.int64)
        return cls(
            b"".join(part.blob for part in parts), np.concatenate([none, *starts]), np.concatenate([none, *ends])
        )

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> Event: ...
    @overload
    def __getitem__(self, place: slice) -> "Lines": ...
    def __getitem__(self, place: int | slice) -> "Event | Lines":
        """Decode one event, or pick some lines."""
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        event = decode(self.raw(place))
        if isinstance(event, Refusal):
            raise ValueError(f"a stored event is refused now: {event.reason}; was it stored by a newer rtrec?")  # noqa: TRY004
        return event

    def __iter__(self) -> Iterator[Event]:
        """Decode every event, in order."""
        return (self[place] for place in range(len(self)))

    def user_ids(self, places: Sequence[int]) -> list[str]:
        """The users of some events that have one; nothing else of them is decoded."""
        return [str(_user_of(self.raw(place)).user_id) for place in places]

    def raw(self, place: int) -> bytes:
        """An event's bytes."""
        return self.blob[self.starts[place] : self.ends[place]]

    def take(self, places: NDArray[np.int64]) -> "Lines":
        """The lines at some places, in that order."""
        return Lines(self.blob, self.starts[places], self.ends[places])

    def parted(self, parts: Parts) -> list["Lines"]:
        """Each part's lines, packed."""
        packed = self.take(parts.order).packed()
        found = []
        for rows in parts.slices():
            ends = packed.ends[rows]
            first = int(packed.starts[rows.start]) if len(ends) else 0
            found.append(Lines.packed_in(packed.blob[first : int(ends[-1]) if len(ends) else 0], ends - first))
        return found

    def packed(self) -> "Lines":
        """The same lines end to end, with no other byte between them."""
        if self._is_packed:
            return self
        ends = np.cumsum(self.ends - self.starts)
        return self.packed_in(self._gathered(int(ends[-1]) if len(ends) else 0, -1), ends)

    def text(self) -> tuple[bytes, NDArray[np.int64]]:
        """The same lines as one text, newlines between them, and where in it each ends."""
        ends = np.cumsum(self.ends - self.starts + 1) - 1
        return self._gathered(int(ends[-1]) if len(ends) else 0, 10), ends

    def _gathered(self, size: int, between: int) -> bytes:
        out = np.empty(size, np.uint8)
        _gather(np.frombuffer(self.blob, np.uint8), self.starts, self.ends, between, out)
        return out.tobytes()
