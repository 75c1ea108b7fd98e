"""The stored form of a chunk of events on its way from INGEST to HEAT: a message of the topic `anchor_events`.

Rules
-----
- A message holds events of one source partition for one partition of anchors: columns, the dictionary of their
  anchors, and every event's own JSON, end to end. Positions are the source's offsets and grow strictly, so that
  the consumer can drop, event by event, what it has met.
- `merged` makes one chunk of many, whose positions are the consumer's own: `position_of(message offset, place)`.
- A version stands first. What a newer release wrote is refused, never guessed.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.events.columns import COLUMNS, Columns, EventChunk
from rtrec.events.lines import Lines
from rtrec.events.parted import Parts, by_target, one_part, renumber
from rtrec.events.rows import concatenated

VERSION: Final = 1
PLACE_BITS: Final = 20
"""A message holds fewer than 2^20 events, so an offset and a place make one number of 63 bits."""


class AnchorChunk(NamedTuple):
    """source: topic and partition that the events stood in, as `topic:partition`."""

    source: str
    anchors: list[str]
    columns: Columns
    lines: Lines


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    version: int
    source: str
    anchors: list[str]
    columns: bytes
    blob: bytes
    ends: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Stored).decode


def encode(source: str, anchors: list[str], columns: Columns, lines: Lines) -> bytes:
    """The message of some events. columns: their rows, `anchor` as a place in `anchors`, which may name more."""
    return _encoded(source, anchors, columns, lines, one_part(np.arange(len(columns))))[0]


def encode_parted(
    source: str, anchors: list[str], columns: Columns, lines: Lines, target: NDArray[np.int64]
) -> list[tuple[int, bytes]]:
    """(target, message) of each target that has any of the events. target: each event's."""
    found = by_target(target)
    return list(zip(found.targets, _encoded(source, anchors, columns, lines, found), strict=True))


def _encoded(source: str, anchors: list[str], columns: Columns, lines: Lines, found: Parts) -> list[bytes]:
    columns = columns.take(found.order)
    columns["anchor"], named = renumber(columns["anchor"], found.borders, anchors)
    return [
        _encode(_Stored(VERSION, source, own, columns[rows].tobytes(), some.blob, some.ends.astype("<u4").tobytes()))
        for own, rows, some in zip(named, found.slices(), lines.parted(found), strict=True)
    ]


def decode(value: bytes) -> AnchorChunk:
    """A message's chunk; ValueError for a version this code does not read."""
    stored = _decode(value)
    if stored.version != VERSION:
        msg = f"anchor_events: written in format {stored.version}, this rtrec reads {VERSION}; use a newer rtrec"
        raise ValueError(msg)
    ends = np.frombuffer(stored.ends, "<u4").astype(np.int64)
    lines = Lines.packed_in(stored.blob, ends)
    return AnchorChunk(stored.source, stored.anchors, np.frombuffer(stored.columns, COLUMNS), lines)


def position_of(offset: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of a message's events: they grow with the message's offset, then with the place in it."""
    return (np.int64(offset) << PLACE_BITS) + places


def merged(parts: Sequence[tuple[AnchorChunk, NDArray[np.int64], NDArray[np.int64]]]) -> EventChunk:
    """One chunk of some events of several messages, in order. parts: (chunk, places in it, positions they get)."""
    places: dict[str, int] = {}
    columns, lines = [], []
    for chunk, chosen, positions in parts:
        numbers = np.array([*(places.setdefault(anchor, len(places)) for anchor in chunk.anchors), -1], np.int64)
        whole = len(chosen) == len(chunk.lines)
        some = chunk.columns.copy() if whole else chunk.columns.take(chosen)
        some["anchor"], some["position"] = numbers[some["anchor"]], positions
        columns.append(some)
        lines.append(chunk.lines if whole else chunk.lines.take(chosen))
    return EventChunk(Lines.joined(lines), list(places), concatenated(columns) if columns else np.zeros(0, COLUMNS))
