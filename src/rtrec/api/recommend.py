"""`POST /v1/recommend`: live rooms for a user, page by page."""

from fastapi import APIRouter, Response

from rtrec.api.deps import RecommendBody, Served, answer
from rtrec.api.described import answers, body
from rtrec.api.shapes import RecommendAnswer

EXAMPLE = {"user_id": "u1", "n": 20, "filter": {"category": "dance"}, "context": {"surface": "home"}, "exclude": ["a9"]}
ANSWER_EXAMPLE = {
    "request_id": "r1",
    "as_of_ms": 1712345678901,
    "variant": "default",
    "model": {"online": "1.4096", "online_age_ms": 400, "batch": None, "blend": "online"},
    "items": [
        {
            "anchor_id": "a1",
            "live_id": "l1",
            "score": 1.46,
            "heads": {"click": {"p": 0.31, "online": 0.31, "batch": None}},
            "source": "hot",
            "rules": [],
        }
    ],
    "next_cursor": None,
    "degraded": ["batch_model"],
}

router = APIRouter(tags=["ranking"])


@router.post(
    "/v1/recommend",
    summary="Recommend rooms",
    openapi_extra=body("RecommendRequest", EXAMPLE),
    responses=answers(
        200, RecommendAnswer, "live and eligible rooms, best first", ANSWER_EXAMPLE, errors=(400, 413, 415, 422, 503)
    ),
)  # fmt: skip
async def post_recommend(request: RecommendBody, serving: Served) -> Response:
    """Recommend live and eligible rooms; `next_cursor` asks for the next page, which repeats nothing."""
    return answer(serving.recommend(request))
