"""`/v1/users/{id}`: what is known of a viewer, and its erasure."""

import anyio.to_thread
from fastapi import APIRouter, Response

from rtrec.api.deps import Served, UserId, answer
from rtrec.api.described import answers
from rtrec.api.problems import ApiError
from rtrec.api.shapes import UserAnswer

EXAMPLE = {
    "user_id": "u1",
    "as_of_ms": 1712345678901,
    "attributes": {"city": "Beijing"},
    "recent_views": [{"anchor_id": "a1", "category": "dance", "watch_ms": 42000, "ts_ms": 1712345670000}],
    "familiarity": [
        {
            "anchor_id": "a1",
            "views": 3,
            "watch_ms": 90000,
            "gift_value": 500,
            "last_ts_ms": 1712345670000,
            "exposures_since_click": 0,
        }
    ],
    "tastes": [{"category": "dance", "share": 1.0}],
    "gift_value": {"10m": 500, "1h": 500, "24h": 500},
    "follows": ["a1"],
    "blocked": [],
}

router = APIRouter(tags=["users"])


@router.get(
    "/v1/users/{user_id:path}",
    summary="A user's record",
    responses=answers(200, UserAnswer, "views, familiarity, tastes, spend, follows", EXAMPLE, errors=(404, 422, 503)),
)
async def get_user(user_id: UserId, serving: Served) -> Response:
    """What is known of a user, as of now."""
    found = serving.user(user_id, None)
    if found is None:
        raise ApiError(404, f"no user {user_id}")
    return answer(found)


@router.delete(
    "/v1/users/{user_id:path}",
    status_code=204,
    summary="Erase a user",
    responses=answers(204, None, "erased, durably; reads answer 404 from now on", errors=(422, 503)),
)
async def delete_user(user_id: UserId, serving: Served) -> Response:
    """Erase everything kept of a user; a rebuild honours it."""
    await anyio.to_thread.run_sync(serving.erase_user, user_id)
    return Response(status_code=204)
