"""INGEST: raw messages become a chunk of checked events, or dead letters with their reason.

Rules
-----
- `future` is judged by the record's append time, the log's own clock, so that live and rebuild decide alike.
- Order stays the log's; an event's position is its offset.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rtrec.events.codec import Refusal, decode
from rtrec.events.columns import EventChunk, columns_of
from rtrec.events.lines import Lines
from rtrec.events.narrow import decode_many
from rtrec.events.schema import TYPE_NAMES, TYPES, Event
from rtrec.settings import Events
from rtrec.stages.dead_letters import whole_length
from rtrec.stages.messages import Record


@dataclass(frozen=True, slots=True)
class Ingested:
    """A micro-batch, judged. records: of the chunk's events, in its order. refused: (record, reason)."""

    chunk: EventChunk
    records: list[Record]
    refused: list[tuple[Record, str]]


def ingest(records: Sequence[Record], policy: Events) -> Ingested:
    """Decode, check and put in columns; the chunk's events are decoded ones, for stages in the same process."""
    taken = [decode(one.value) if one.headers is None else _beginning(one) for one in records]
    return _judged(records, taken, [_code(one) for one in taken], policy, as_lines=False)


def ingest_lines(records: Sequence[Record], policy: Events) -> Ingested:
    """The same for stages elsewhere: the chunk's events are their own JSON, and nothing more is decoded than needed."""
    taken, codes = decode_many([one.value for one in records])
    for place, record in enumerate(records):
        if record.headers is not None:
            taken[place] = _beginning(record)
            codes[place] = _code(taken[place])
    return _judged(records, taken, codes, policy, as_lines=True)


def _judged(
    records: Sequence[Record], taken: Sequence[Any], codes: Sequence[int], policy: Events, *, as_lines: bool
) -> Ingested:
    kept: list[int] = []
    refused: list[tuple[Record, str]] = []
    for place, (record, event) in enumerate(zip(records, taken, strict=True)):
        if codes[place] < 0:
            refused.append((record, event.reason))
        elif event.ts_ms > record.append_ms + policy.future_ms:
            refused.append((record, future_reason(TYPE_NAMES[codes[place]], event.ts_ms, record.append_ms, policy)))
        else:
            kept.append(place)
    if refused:
        records, taken = [records[place] for place in kept], [taken[place] for place in kept]
        codes = [codes[place] for place in kept]
    columns, anchors = columns_of(taken, codes, [record.offset for record in records])
    events = Lines.of([record.value for record in records]) if as_lines else list(taken)
    return Ingested(EventChunk(events, anchors, columns), list(records), refused)


def _beginning(record: Record) -> Event | Refusal:
    """Of an event only its beginning is here: the reason must speak of the whole, which is no shorter."""
    return decode(record.value, max(whole_length(record), len(record.value)))


def _code(one: Event | Refusal) -> int:
    """The code of an event's type, -1 of a refusal."""
    return -1 if isinstance(one, Refusal) else TYPES[one.type].code


def future_reason(kind: str, ts_ms: int, append_ms: int, policy: Events) -> str:
    """Why an event lies too far ahead of its append time."""
    return f"{kind}.ts_ms: future, expected at most {policy.future_ms} ms after its arrival, got {ts_ms - append_ms} ms"
