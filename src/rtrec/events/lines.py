"""Events as they came, end to end: a column of JSON, of which single events are decoded only when asked for.

Rules
-----
- Every line was accepted by `codec.decode` before: decoding it again gives the same event.
- Picking lines is one pass over bytes in a kernel; nothing is decoded for it.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, overload

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtrec.events.codec import Refusal, decode
from rtrec.events.schema import Event


@njit(cache=True, nogil=True)
def _gather(blob: Any, starts: Any, ends: Any, out: Any) -> None:
    at = 0
    for k in range(starts.shape[0]):
        for place in range(starts[k], ends[k]):
            out[at] = blob[place]
            at += 1


class Lines(Sequence[Event]):
    """A sequence of events over their bytes.

    >>> one = b'{"event_id": "e", "type": "like", "ts_ms": 1700000000000, "anchor_id": "a", "user_id": "u"}'
    >>> lines = Lines.of([one, one])
    >>> len(lines), lines[1].event_id, lines.take(np.array([1])).raw(0) == one
    (2, 'e', True)
    """

    __slots__ = ("blob", "ends")

    def __init__(self, blob: bytes, ends: NDArray[np.int64]) -> None:
        self.blob, self.ends = blob, ends

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> "Lines":
        """Lines of separate values."""
        return cls(b"".join(lines), np.fromiter(accumulate(map(len, lines)), np.int64, len(lines)))

    @classmethod
    def joined(cls, parts: Sequence["Lines"]) -> "Lines":
        """Several, one after another."""
        if len(parts) == 1:
            return parts[0]
        starts = [0, *accumulate(len(part.blob) for part in parts)]
        ends = [part.ends + start for part, start in zip(parts, starts, strict=False)]
        return cls(b"".join(part.blob for part in parts), np.concatenate(ends) if ends else np.zeros(0, np.int64))

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

    def raw(self, place: int) -> bytes:
        """An event's bytes."""
        place = range(len(self))[place]  # also from the end, and IndexError beyond either
        return self.blob[self.ends[place - 1] if place else 0 : self.ends[place]]

    def take(self, places: NDArray[np.int64]) -> "Lines":
        """The lines at some places, in that order."""
        starts = np.concatenate((np.zeros(1, np.int64), self.ends[:-1]))[places]
        ends = self.ends[places]
        lengths = np.cumsum(ends - starts)
        out = np.empty(int(lengths[-1]) if len(lengths) else 0, np.uint8)
        _gather(np.frombuffer(self.blob, np.uint8), starts, ends, out)
        return Lines(out.tobytes(), lengths)
