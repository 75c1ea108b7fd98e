"""`/v1/anchors/{id}`: an anchor's counters, heat and room; and what an operator decides about it.

Rules
-----
- An id may hold a slash, escaped or not: the path takes whatever stands between `/v1/anchors/` and the end.
- A change of state gives the named fields only: what the body leaves out stays, null goes back to the default.
"""

from typing import Any

import anyio.to_thread
import msgspec
from fastapi import APIRouter, Response

from rtrec.api.bodies import decode
from rtrec.api.deps import AnchorId, AtMs, JsonBytes, Served, answer
from rtrec.api.described import answers, body
from rtrec.api.problems import ApiError
from rtrec.api.shapes import AnchorAnswer
from rtrec.ranking.requests import AnchorStateChange

STATE_EXAMPLE = {"banned": True, "until_ms": 1712432078000, "reason": "reported"}
EXAMPLE = {
    "anchor_id": "a1",
    "as_of_ms": 1712345678901,
    "live": True,
    "live_id": "l1",
    "live_since_ms": 1712340000000,
    "category": "dance",
    "title": "friday",
    "region": "eu",
    "language": "fr",
    "tags": ["slow"],
    "viewers": 12,
    "last_event_ms": 1712345678000,
    "attributes": {},
    "state": {"banned": False, "mode": "solo"},
    "windows": {"gift_value": {"10s": 0, "1m": 500, "5m": 500, "30m": 1200, "1h": 1200, "24h": 9000}},
    "decayed": {"gift_value": {"1m": 12.3, "10m": 340.2, "1h": 900.1}},
    "heat": {
        "score": 170.1,
        "rank": 3,
        "terms": [
            {
                "metric": "gift_value",
                "half_life": "10m",
                "weight": 0.5,
                "raw": 900.0,
                "value": 340.2,
                "contribution": 170.1,
            }
        ],
    },
}  # fmt: skip

router = APIRouter(tags=["anchors"])


@router.put(
    "/v1/anchors/{anchor_id:path}/state",
    status_code=204,
    summary="Ban, restrict or mark an anchor",
    openapi_extra=body("AnchorStateChange", STATE_EXAMPLE),
    responses=answers(
        204, None, "durable; gone from every list within 2 s if banned", errors=(400, 413, 415, 422, 503)
    ),
)
async def put_state(anchor_id: AnchorId, content: JsonBytes, serving: Served) -> Response:
    """Change the given fields of an anchor's state; also of an anchor that has not been seen yet."""
    decode(content, AnchorStateChange)
    change: dict[str, Any] = msgspec.json.decode(content)
    await anyio.to_thread.run_sync(serving.set_anchor_state, anchor_id, change)
    return Response(status_code=204)


@router.get(
    "/v1/anchors/{anchor_id:path}",
    summary="An anchor's counters, heat and room",
    responses=answers(
        200, AnchorAnswer, "all thirteen metrics, by window and half-life", EXAMPLE, errors=(404, 422, 503)
    ),
)
async def get_anchor(anchor_id: AnchorId, serving: Served, at_ms: AtMs = None) -> Response:
    """What is known of an anchor, as of now or of a time in the last day."""
    found = serving.anchor(anchor_id, at_ms)
    if found is None:
        raise ApiError(404, f"no anchor {anchor_id}")
    return answer(found)
