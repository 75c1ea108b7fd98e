"""`POST /v1/events`: events in, each judged alone, durable before the answer."""

import json
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Meta, Struct

from rtrec.api.bodies import JSON, decode, media_type, read_body
from rtrec.api.deps import Configured, Served, answer, now_ms
from rtrec.api.described import answers, body
from rtrec.api.problems import ApiError, Fault
from rtrec.api.serving import Serving
from rtrec.api.shapes import EventsAnswer, Rejected
from rtrec.events import codec
from rtrec.events.schema import MAX_TS_MS, MIN_TS_MS, Event

MAX_EVENTS = 10_000
MAX_EVENTS_BYTES = 8 << 20
NDJSON = "application/x-ndjson"
EXAMPLE = {
    "events": [
        {"event_id": "e1", "type": "gift", "ts_ms": 1712345678000, "anchor_id": "a1", "user_id": "u1", "value": 500}
    ]
}

router = APIRouter(tags=["events"])


class EventsRequest(Struct, frozen=True):
    """`POST /v1/events`. With `sent_ms`, the sender's clock, every `ts_ms` is shifted by ours − `sent_ms`."""

    events: list[msgspec.Raw]
    sent_ms: Annotated[int, Meta(ge=MIN_TS_MS, le=MAX_TS_MS)] | None = None


@router.post(
    "/v1/events",
    status_code=202,
    summary="Send events",
    openapi_extra=body("EventsRequest", EXAMPLE, NDJSON),
    responses=answers(
        202, EventsAnswer, "how many were taken, and why others were not", {"accepted": 1, "rejected": []},
        errors=(400, 413, 415, 422, 503),
    ),
)  # fmt: skip
async def post_events(request: Request, serving: Served, settings: Configured) -> Response:
    """Take events: JSON `{"events": […], "sent_ms"?}`, or NDJSON. At most 10,000 events and 8 MiB.

    Valid events are durable when the answer comes, also where others are refused.
    """
    kind = media_type(request, (JSON, NDJSON))
    content = await read_body(request, MAX_EVENTS_BYTES)
    take = partial(_take, serving, content, lines=kind == NDJSON, now=now_ms(), future_ms=settings.events.future_ms)
    return answer(await anyio.to_thread.run_sync(take), 202)


def _take(serving: Serving, content: bytes, *, lines: bool, now: int, future_ms: int) -> EventsAnswer:
    """Split, judge and store; blocks, so it runs in a thread."""
    events, shift_ms = _split_lines(content) if lines else _split_document(content, now)
    if len(events) > MAX_EVENTS:
        detail = f"expected at most {MAX_EVENTS:,} events, got {len(events):,}"
        raise ApiError(422, detail, [Fault("" if lines else "/events", detail)])
    valid, rejected = [], []
    for index, event in enumerate(events):
        judged = judge(event, shift_ms, now + future_ms, future_ms)
        if isinstance(judged, codec.Refusal):
            rejected.append(Rejected(index, judged.event_id, judged.reason))
        else:
            valid.append(judged)
    if valid:
        serving.accept(valid)
    return EventsAnswer(len(valid), rejected)


def _split_lines(content: bytes) -> tuple[list[bytes], int]:
    return [line for line in content.split(b"\n") if line.strip()], 0


def _split_document(content: bytes, now: int) -> tuple[list[bytes], int]:
    request = decode(content, EventsRequest)
    shift_ms = 0 if request.sent_ms is None else now - request.sent_ms
    return [bytes(event) for event in request.events], shift_ms


def judge(event: bytes, shift_ms: int, newest_ms: int, future_ms: int) -> bytes | codec.Refusal:
    """The bytes to store, or why not.

    Parameters
    ----------
    shift_ms: added to the event's time. newest_ms: the latest time an event may have, as it is after the shift.
    future_ms: how far that lies ahead, for the reason.
    """
    decoded = codec.decode(event)
    if shift_ms and isinstance(decoded, Event):
        event = _shifted(event, decoded.ts_ms + shift_ms)
        decoded = codec.decode(event)
    if isinstance(decoded, Event) and decoded.ts_ms > newest_ms:
        expected = f"expected a time no later than {future_ms / 1_000:g} s from now, got {decoded.ts_ms}"
        return codec.Refusal(f"{decoded.type}.ts_ms: {expected}", str(decoded.event_id))
    return decoded if isinstance(decoded, codec.Refusal) else event


def _shifted(event: bytes, ts_ms: int) -> bytes:
    """The event at another time, everything else as it was; the standard library reads whatever `codec` reads."""
    loaded: dict[str, Any] = json.loads(event)
    loaded["ts_ms"] = ts_ms
    return json.dumps(loaded, ensure_ascii=False, separators=(",", ":")).encode()
