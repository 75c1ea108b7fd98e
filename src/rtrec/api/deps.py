"""What routes are handed, as `Annotated` names: the host's serving side, bodies, ids and times."""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
from fastapi import Depends, Path, Query, Request, Response

from rtrec.adapters.prometheus import Collector
from rtrec.api.bodies import MAX_BODY_BYTES, decode, media_type, read_body
from rtrec.api.serving import Host, Serving
from rtrec.events.schema import MAX_ID_CHARS, MAX_TS_MS, MIN_TS_MS
from rtrec.ranking.requests import RecommendRequest, ScoreRequest
from rtrec.settings import Settings

T = TypeVar("T")


def _host(request: Request) -> Host:
    host: Host = request.app.state.host
    return host


def _serving(request: Request) -> Serving:
    serving: Serving = request.app.state.host.serving
    return serving


def _metrics(request: Request) -> dict[str, Collector]:
    metrics: dict[str, Collector] = request.app.state.metrics
    return metrics


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _json_bytes(request: Request) -> bytes:
    media_type(request)
    return await read_body(request, MAX_BODY_BYTES)


def _body(kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    async def read(request: Request) -> T:
        return decode(await _json_bytes(request), kind)

    return read


Running = Annotated[Host, Depends(_host)]
Served = Annotated[Serving, Depends(_serving)]
Metrics = Annotated[dict[str, Collector], Depends(_metrics)]
Configured = Annotated[Settings, Depends(_settings)]
ScoreBody = Annotated[ScoreRequest, Depends(_body(ScoreRequest))]
RecommendBody = Annotated[RecommendRequest, Depends(_body(RecommendRequest))]
JsonBytes = Annotated[bytes, Depends(_json_bytes)]
AnchorId = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARS, description="the anchor's id")]
UserId = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARS, description="the user's id")]
AtMs = Annotated[
    int | None, Query(ge=MIN_TS_MS, le=MAX_TS_MS, description="as of when, epoch milliseconds; now if not given")
]


def answer(document: object, status: int = 200) -> Response:
    """A JSON answer, encoded at once."""
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def now_ms() -> int:
    """The wall clock, epoch milliseconds."""
    return time.time_ns() // 1_000_000
