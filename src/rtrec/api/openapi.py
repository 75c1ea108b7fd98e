"""`/openapi.json`: the routes as FastAPI sees them, with the schemas of our own structs."""

from collections.abc import Iterable
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from msgspec import Struct
from starlette.routing import BaseRoute

from rtrec.api import shapes
from rtrec.api.problems import Problem
from rtrec.events.schema import TYPES, Event
from rtrec.ranking.requests import AnchorStateChange, RecommendRequest, ScoreRequest

SHAPES: tuple[type[Struct], ...] = (
    Problem,
    Event,
    ScoreRequest,
    RecommendRequest,
    AnchorStateChange,
    shapes.Health,
    shapes.Ready,
    shapes.EventsAnswer,
    shapes.ScoreAnswer,
    shapes.RecommendAnswer,
    shapes.HotAnswer,
    shapes.AnchorAnswer,
    shapes.UserAnswer,
    shapes.ModelsAnswer,
)
EVENTS_REQUEST = {
    "title": "EventsRequest",
    "type": "object",
    "required": ["events"],
    "properties": {
        "events": {"type": "array", "maxItems": 10_000, "items": {"$ref": "#/components/schemas/Event"}},
        "sent_ms": {
            "type": "integer",
            "description": "the sender's clock when it sent; every ts_ms is shifted by the server's clock − sent_ms",
        },
    },
}
"""Written out: events are decoded one by one, so that one's fault is not another's."""


def document(app: FastAPI, routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document, made once. routes: those that describe their answers."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        _, schemas = msgspec.json.schema_components(SHAPES, ref_template="#/components/schemas/{name}")
        event = schemas["Event"]
        event["properties"]["type"] = {"type": "string", "enum": list(TYPES)}
        made.setdefault("components", {})["schemas"] = schemas | {"EventsRequest": EVENTS_REQUEST}
        for route in routes:
            if isinstance(route, APIRoute):
                _restore_answers(made["paths"][route.path_format], route)
        app.openapi_schema = made
    return app.openapi_schema


def _restore_answers(path: dict[str, Any], route: APIRoute) -> None:
    """Put a route's answers back as they were written: FastAPI drops every null, also those of examples."""
    for method in route.methods or ():
        written = path[method.lower()]["responses"]
        written.update({str(status): response for status, response in route.responses.items()})
