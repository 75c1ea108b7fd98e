"""`GET /v1/models`: which versions score, and how well they have done on what came after."""

from fastapi import APIRouter, Response

from rtrec.api.deps import Served, answer
from rtrec.api.described import answers
from rtrec.api.shapes import ModelsAnswer

EXAMPLE = {
    "online": {"version": "1.4096", "age_ms": 400},
    "batch": None,
    "progress": {
        "heads": {
            "click": {
                "examples": 4096,
                "base_rate": 0.12,
                "online": {"auc": 0.71, "gauc": 0.68, "logloss": 0.33, "calibration": 1.01},
                "heat_only": {"auc": 0.58},
            }
        }
    },
    "outcomes": {"click/positive": 491, "click/negative": 3605},
    "totals": {"events": 9000, "accepted": 8990, "duplicates": 10, "dead_letters": 0},
    "lag_events": 0,
}

router = APIRouter(tags=["models"])


@router.get(
    "/v1/models",
    summary="Models and their progress",
    responses=answers(200, ModelsAnswer, "versions and progressive validation per head", EXAMPLE),
)
async def get_models(serving: Served) -> Response:
    """The versions that score, and progressive validation: every example was predicted before it was learned from."""
    return answer(serving.models())
