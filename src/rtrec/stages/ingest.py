"""INGEST: raw messages become a chunk of checked events, or dead letters with their reason.

Rules
-----
- `future` is judged by the record's append time, the log's own clock, so that live and rebuild decide alike.
- Order stays the log's; an event's position is its offset.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtrec.events.codec import Refusal, decode
from rtrec.events.columns import Columns, EventChunk, columns_of
from rtrec.events.narrow import decode_text
from rtrec.events.schema import TYPE_NAMES, TYPES, Event
from rtrec.settings import Events
from rtrec.stages.dead_letters import whole_length
from rtrec.stages.messages import Record
from rtrec.stages.records import ABSENT, Records


@dataclass(frozen=True, slots=True)
class Ingested:
    """A micro-batch, judged. records: of the chunk's events, in its order. refused: (record, reason)."""

    chunk: EventChunk
    records: Sequence[Record]
    refused: list[tuple[Record, str]]


def ingest(records: Sequence[Record], policy: Events) -> Ingested:
    """Decode, check and put in columns; the chunk's events are decoded ones, for stages in the same process."""
    taken = [decode(one.value) if one.headers is None else _beginning(one) for one in records]
    append_ms, offsets = [one.append_ms for one in records], [one.offset for one in records]
    judged = _judged(records, taken, [_code(one) for one in taken], np.array(append_ms, np.int64), offsets, policy)
    kept = judged.kept.tolist()
    chunk = EventChunk([taken[place] for place in kept], judged.anchors, judged.columns)
    return Ingested(chunk, [records[place] for place in kept], judged.refused)


def ingest_lines(records: Sequence[Record], policy: Events) -> Ingested:
    """The same for stages elsewhere: the chunk's events are their own JSON, and nothing more is decoded than needed."""
    records = Records.of(records)
    lines, places = records.lines(), records.places
    taken, codes = decode_text(*lines.text())
    for place in np.flatnonzero(places["headers"] != ABSENT).tolist():
        taken[place] = _beginning(records[place])
        codes[place] = _code(taken[place])
    judged = _judged(records, taken, codes, places["append_ms"], places["offset"], policy)
    if len(judged.kept) < len(records):
        lines, places = lines.take(judged.kept), places[judged.kept]
    return Ingested(EventChunk(lines, judged.anchors, judged.columns), Records(records.blob, places), judged.refused)


class _Judged(NamedTuple):
    """kept: places of the events that are taken, which are the columns' rows."""

    kept: NDArray[np.int64]
    columns: Columns
    anchors: list[str]
    refused: list[tuple[Record, str]]


def _judged(
    records: Sequence[Record], taken: Sequence[Any], codes: Sequence[int], append_ms: NDArray[np.int64],
    offsets: ArrayLike, policy: Events,
) -> _Judged:  # fmt: skip
    """Who is refused, and the columns of the others. All but a few are good: those few may cost a second pass."""
    known, at = np.array(codes, np.int64), np.asarray(offsets, np.int64)
    kept, late = np.flatnonzero(known >= 0), list[int]()
    columns, anchors = _columns(taken, known, at, kept)
    ahead = columns["ts_ms"] > append_ms[kept] + policy.future_ms
    if ahead.any():
        late, kept = kept[ahead].tolist(), kept[~ahead]
        columns, anchors = _columns(taken, known, at, kept)
    reasons = {place: taken[place].reason for place in np.flatnonzero(known < 0).tolist()}
    for place in late:
        record = records[place]
        reasons[place] = future_reason(TYPE_NAMES[codes[place]], taken[place].ts_ms, record.append_ms, policy)
    return _Judged(kept, columns, anchors, [(records[place], reasons[place]) for place in sorted(reasons)])


def _columns(
    taken: Sequence[Any], codes: NDArray[np.int64], offsets: NDArray[np.int64], kept: NDArray[np.int64]
) -> tuple[Columns, list[str]]:
    some = taken if len(kept) == len(taken) else [taken[place] for place in kept.tolist()]
    return columns_of(some, codes[kept], offsets[kept])


def _beginning(record: Record) -> Event | Refusal:
    """Of an event only its beginning is here: the reason must speak of the whole, which is no shorter."""
    return decode(record.value, max(whole_length(record), len(record.value)))


def _code(one: Event | Refusal) -> int:
    """The code of an event's type, -1 of a refusal."""
    return -1 if isinstance(one, Refusal) else TYPES[one.type].code


def future_reason(kind: str, ts_ms: int, append_ms: int, policy: Events) -> str:
    """Why an event lies too far ahead of its append time."""
    return f"{kind}.ts_ms: future, expected at most {policy.future_ms} ms after its arrival, got {ts_ms - append_ms} ms"
