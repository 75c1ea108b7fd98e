"""`GET /v1/hot`: the heat board."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from rtrec.api.deps import AtMs, Served, answer
from rtrec.api.described import answers
from rtrec.api.shapes import HotAnswer
from rtrec.events.schema import MAX_TEXT_CHARS

MAX_HOT = 1_000
EXAMPLE = {
    "as_of_ms": 1712345678901,
    "anchors": [{"anchor_id": "a1", "live_id": "l1", "category": "dance", "heat": 170.1, "viewers": 12}],
}
Matching = Annotated[str | None, Query(max_length=MAX_TEXT_CHARS, description="only rooms that say so of themselves")]

router = APIRouter(tags=["anchors"])


@router.get(
    "/v1/hot",
    summary="The hottest live anchors",
    responses=answers(200, HotAnswer, "live anchors, hottest first, ties by anchor_id", EXAMPLE, errors=(422, 503)),
)
async def get_hot(
    serving: Served,
    n: Annotated[int, Query(ge=1, le=MAX_HOT, description="how many at most")] = 50,
    category: Matching = None,
    region: Matching = None,
    language: Matching = None,
    at_ms: AtMs = None,
) -> Response:
    """Live anchors, highest heat first."""
    return answer(serving.hot(n, category=category, region=region, language=language, at_ms=at_ms))
