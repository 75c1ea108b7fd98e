"""`/healthz` (the process lives) and `/readyz` (it can do its work)."""

from fastapi import APIRouter, Response
from msgspec import UNSET

from rtrec.api.deps import Served, answer
from rtrec.api.described import answers
from rtrec.api.problems import RETRY_AFTER_S, problem
from rtrec.api.shapes import Health, Ready

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="The process lives", responses=answers(200, Health, "it lives", {"status": "ok"}))
async def healthz() -> Response:
    """Answer, whatever the state of log, store and stages."""
    return answer(Health("ok"))


@router.get(
    "/readyz",
    summary="Ready for traffic",
    responses=answers(200, Ready, "ready", {"status": "ready"}, errors=(503,)),
)
async def readyz(serving: Served) -> Response:
    """200 when ready, else 503 with the reasons. `alarms` name what is wrong though requests are answered."""
    reasons = serving.ready()
    if not reasons:
        return answer(Ready("ready", serving.alarms() or UNSET))
    return problem(503, "; ".join(reasons), reasons=reasons, headers={"Retry-After": str(RETRY_AFTER_S)})
