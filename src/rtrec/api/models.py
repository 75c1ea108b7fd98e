"""`GET /v1/models`: which versions score, and how well they have done on what came after."""

from typing import Any

from fastapi import APIRouter, Response

from rtrec.api.deps import Served, answer
from rtrec.api.described import answers
from rtrec.api.shapes import ModelsAnswer

EXAMPLE: dict[str, Any] = {
    "online": {"version": "1.4096", "age_ms": 400},
    "batch": None,
    "breaker": {"open": False, "since_ms": None, "passed_ms": None, "tripped": []},
    "progress": {
        "heads": {
            "click": {
                "examples": 4096,
                "non_finite": 0,
                "base_rate": 0.12,
                "online": {"logloss": 0.33, "ne": 0.9, "calibration": 1.01, "auc": 0.71, "gauc": 0.68, "recent": {}},
                "batch": None,
                "blend": None,
                "heat_only": {"auc": 0.58, "gauc": 0.55},
                "drift": {"drifts": 0, "last_example": None},
                "slices": {"anchor": {"new": {"examples": 120}, "known": {"examples": 3976}}},
            }
        }
    },
    "outcomes": {"click/positive": 491, "click/negative": 3605},
    "totals": {"events": 9000, "accepted": 8990, "duplicates": 10, "dead_letters": 0},
    "lag_events": 0,
    "slots": {"known": 41250, "waiting": 0, "expired": 310},
}

router = APIRouter(tags=["models"])


@router.get(
    "/v1/models",
    summary="Models and their progress",
    responses=answers(200, ModelsAnswer, "versions and progressive validation per head", EXAMPLE),
)
def get_models(serving: Served) -> Response:
    """The versions that score, and progressive validation: every example was predicted before it was learned from."""
    return answer(serving.models())
