"""How routes are documented: bodies and answers by the name of the struct that is their shape."""

from http import HTTPStatus
from typing import Any

from msgspec import Struct

from rtrec.api.bodies import JSON
from rtrec.api.problems import MEDIA_TYPE

Spec = dict[str, Any]
Responses = dict[int | str, Spec]

PROBLEM_EXAMPLE = {
    "type": "about:blank",
    "title": HTTPStatus(422).phrase,
    "status": 422,
    "detail": "/candidates/3: expected `str | object`, got `int`",
    "errors": [{"pointer": "/candidates/3", "detail": "expected `str | object`, got `int`"}],
}
WHEN = {
    400: "the body is not JSON",
    404: "it is not known",
    413: "the body is too large",
    415: "the body is of a media type that is not taken here",
    422: "a value is of a wrong type, out of bounds or without meaning; `errors` has a JSON pointer for each",
    500: "a fault of ours; the log has its traceback under the `x-request-id`",
    503: "not ready; `reasons` say why",
}


def reference(name: str) -> Spec:
    """A schema of the components, by its struct's name."""
    return {"$ref": f"#/components/schemas/{name}"}


def body(name: str, example: object, lines: str | None = None) -> Spec:
    """A JSON body; `lines` is the media type that takes one object a line instead."""
    content: Spec = {JSON: {"schema": reference(name), "example": example}}
    if lines is not None:
        content[lines] = {"schema": {"type": "string", "description": "one event as JSON a line"}}
    return {"requestBody": {"required": True, "content": content}}


def answers(
    status: int, shape: type[Struct] | None, says: str, example: object = None, errors: tuple[int, ...] = ()
) -> Responses:
    """The answer of a route, and each problem it may answer with."""
    said: Spec = {"description": says}
    if shape is not None:
        said["content"] = {JSON: {"schema": reference(shape.__name__), "example": example}}
    responses: Responses = {code: _problem(code) for code in (*errors, 500)}
    return {status: said, **responses}


def _problem(status: int) -> Spec:
    example = PROBLEM_EXAMPLE
    if status != 422:
        title = HTTPStatus(status).phrase
        example = {"type": "about:blank", "title": title, "status": status, "detail": WHEN[status]}
    return {
        "description": WHEN[status],
        "content": {MEDIA_TYPE: {"schema": reference("Problem"), "example": example}},
    }
