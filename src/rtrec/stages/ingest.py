"""INGEST: raw messages become a chunk of checked events, or dead letters with their reason.

Rules
-----
- `future` is judged by the record's append time, the log's own clock, so that live and rebuild decide alike.
- Order stays the log's; an event's position is its offset.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rtrec.events.codec import Refusal, decode
from rtrec.events.columns import EventChunk, make_chunk
from rtrec.events.schema import Event
from rtrec.settings import Events
from rtrec.stages.dead_letters import whole_length
from rtrec.stages.messages import Record


@dataclass(frozen=True, slots=True)
class Ingested:
    """A micro-batch, judged. records: of the chunk's events, in its order. refused: (record, reason)."""

    chunk: EventChunk
    records: list[Record]
    refused: list[tuple[Record, str]]


def ingest(records: Iterable[Record], policy: Events) -> Ingested:
    """Decode, check and put in columns."""
    events: list[Event] = []
    kept: list[Record] = []
    refused: list[tuple[Record, str]] = []
    for record in records:
        event = decode(record.value) if record.headers is None else decode(record.value, whole_length(record))
        if isinstance(event, Refusal):
            refused.append((record, event.reason))
        elif event.ts_ms > record.append_ms + policy.future_ms:
            refused.append((record, future_reason(event, record.append_ms, policy)))
        else:
            events.append(event)
            kept.append(record)
    return Ingested(make_chunk(events, [record.offset for record in kept]), kept, refused)


def future_reason(event: Event, append_ms: int, policy: Events) -> str:
    """Why an event lies too far ahead of its append time."""
    ahead = event.ts_ms - append_ms
    return f"{event.type}.ts_ms: future, expected at most {policy.future_ms} ms after its arrival, got {ahead} ms"
