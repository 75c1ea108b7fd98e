"""`POST /v1/score`: candidates in, scores out. Short and CPU-bound: it runs where it is asked, in no thread."""

from fastapi import APIRouter, Response

from rtrec.api.deps import ScoreBody, Served, answer
from rtrec.api.described import answers, body
from rtrec.api.shapes import ScoreAnswer

EXAMPLE = {
    "user_id": "u1",
    "candidates": ["a1", {"anchor_id": "a2", "features": {"cover_score": 0.7}}],
    "user": {"city": "Beijing"},
    "context": {"surface": "home", "device": "ios"},
    "log": ["a2"],
    "explain": "click",
}
ANSWER_EXAMPLE = {
    "request_id": "r1",
    "as_of_ms": 1712345678901,
    "variant": "default",
    "feature_set": 2,
    "model": {"online": "1.4096", "online_age_ms": 400, "batch": None, "blend": "online"},
    "scores": [
        {
            "anchor_id": "a1",
            "score": 1.46,
            "heads": {"click": {"p": 0.31, "online": 0.31, "batch": None}},
            "live": True,
            "eligible": True,
            "feature_age_ms": 210,
            "explanation": [{"feature": "user×anchor familiarity=3", "contribution": 0.8}],
        }
    ],
    "degraded": ["batch_model"],
}

router = APIRouter(tags=["ranking"])


@router.post(
    "/v1/score",
    summary="Score candidates",
    openapi_extra=body("ScoreRequest", EXAMPLE),
    responses=answers(
        200, ScoreAnswer, "scores in the order asked", ANSWER_EXAMPLE, errors=(400, 413, 415, 422, 503)
    ),
)  # fmt: skip
async def post_score(request: ScoreBody, serving: Served) -> Response:
    """Score 1 to 1,000 distinct candidates for a user, or for a guest if `user_id` is absent.

    `p` is a calibrated P(label | impression); `score` is the configured fusion of the heads.
    """
    return answer(serving.score(request))
