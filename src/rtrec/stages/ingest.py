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
from numpy.typing import NDArray

from rtrec.events.codec import Refusal, decode
from rtrec.events.columns import Columns, EventChunk, columns_of, in_order
from rtrec.events.lines import Lines
from rtrec.events.narrow import decode_text
from rtrec.events.scan import scan
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
    read = _columns(taken, [_code(one) for one in taken], np.array(offsets, np.int64))
    judged = _judged(records, read, np.array(append_ms, np.int64), policy)
    kept = judged.kept.tolist()
    chunk = EventChunk([taken[place] for place in kept], judged.anchors, judged.columns)
    return Ingested(chunk, [records[place] for place in kept], _refused(records, judged))


def ingest_lines(records: Sequence[Record], policy: Events) -> Ingested:
    """The same for stages elsewhere: the chunk's events are their own JSON, and nothing more is decoded than needed."""
    records = Records.of(records)
    lines, places = records.lines(), records.places
    judged = _judged(records, _scanned(records, lines), places["append_ms"], policy)
    if len(judged.kept) < len(records):
        lines, places = lines.take(judged.kept), places.take(judged.kept)
    chunk = EventChunk(lines, judged.anchors, judged.columns)
    return Ingested(chunk, Records(records.blob, places), _refused(records, judged))


class _Read(NamedTuple):
    """kept: places of the events that are taken, which are the columns' rows. reasons: by the places of the others."""

    kept: NDArray[np.int64]
    columns: Columns
    anchors: list[str]
    reasons: dict[int, str]


def _scanned(records: Records, lines: Lines) -> _Read:
    """What is plain by one pass over the bytes; what that leaves is decoded, and takes its rows among the others."""
    offsets, headers = records.places["offset"], records.places["headers"]
    taken, columns, anchors = scan(lines, headers == ABSENT)
    columns["position"] = offsets
    left = np.flatnonzero(~taken)
    if not len(left):
        return _Read(np.arange(len(records)), columns, anchors, {})
    events, codes = decode_text(*lines.take(left).text())
    for k in np.flatnonzero(headers[left] != ABSENT).tolist():
        events[k] = _beginning(records[int(left[k])])
        codes[k] = _code(events[k])
    others = _columns(events, codes, offsets[left])
    names = dict(zip(anchors, range(len(anchors)), strict=True))
    numbers = np.array([*(names.setdefault(anchor, len(names)) for anchor in others.anchors), -1], np.int64)
    others.columns["anchor"] = numbers[others.columns["anchor"]]
    columns.put(left[others.kept], others.columns)  # put and compress: rows by index take twenty times as long
    taken[left[others.kept]] = True
    if others.reasons:
        columns = columns.compress(taken)
    reasons = {int(left[k]): reason for k, reason in others.reasons.items()}
    return _Read(np.flatnonzero(taken), columns, in_order(columns, [*names]), reasons)


def _columns(taken: Sequence[Any], codes: Sequence[int], offsets: NDArray[np.int64]) -> _Read:
    """Columns of what was decoded."""
    known = np.array(codes, np.int64)
    kept = np.flatnonzero(known >= 0)
    some = taken if len(kept) == len(taken) else [taken[place] for place in kept.tolist()]
    columns, anchors = columns_of(some, known[kept], offsets[kept])
    return _Read(kept, columns, anchors, {k: taken[k].reason for k in np.flatnonzero(known < 0).tolist()})


def _judged(records: Sequence[Record], read: _Read, append_ms: NDArray[np.int64], policy: Events) -> _Read:
    """Without those that are too far ahead."""
    ahead = read.columns["ts_ms"] > append_ms[read.kept] + policy.future_ms
    if not ahead.any():
        return read
    reasons = dict(read.reasons)
    for k in np.flatnonzero(ahead).tolist():
        place, row = int(read.kept[k]), read.columns[k]
        kind, ts_ms = TYPE_NAMES[row["type"]], int(row["ts_ms"])
        reasons[place] = future_reason(kind, ts_ms, records[place].append_ms, policy)
    columns = read.columns.compress(~ahead)
    return _Read(read.kept[~ahead], columns, in_order(columns, read.anchors), reasons)


def _refused(records: Sequence[Record], judged: _Read) -> list[tuple[Record, str]]:
    return [(records[place], judged.reasons[place]) for place in sorted(judged.reasons)]


def _beginning(record: Record) -> Event | Refusal:
    """Of an event only its beginning is here: the reason must speak of the whole, which is no shorter."""
    return decode(record.value, max(whole_length(record), len(record.value)))


def _code(one: Event | Refusal) -> int:
    """The code of an event's type, -1 of a refusal."""
    return -1 if isinstance(one, Refusal) else TYPES[one.type].code


def future_reason(kind: str, ts_ms: int, append_ms: int, policy: Events) -> str:
    """Why an event lies too far ahead of its append time."""
    return f"{kind}.ts_ms: future, expected at most {policy.future_ms} ms after its arrival, got {ts_ms - append_ms} ms"
