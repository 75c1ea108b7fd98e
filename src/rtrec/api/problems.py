"""Every error is a problem document (RFC 9457), whoever found it: a route, the framework, or nobody.

Rules
-----
- `type` is about:blank: status and title say what kind it is; `detail` says what is wrong here.
- A 422 lists its faults, each with a JSON pointer into the body, or a parameter's name under `in`.
- A 500 says nothing of the inside; the log has the traceback, under the request's id.
"""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from msgspec import Struct, field
from starlette.exceptions import HTTPException

from rtrec.ranking.errors import RequestError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1


class Fault(Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong. `in` names where if it is not the body: path, query or header."""

    pointer: str
    detail: str
    where: str = field(default="body", name="in")


class Problem(Struct, frozen=True, omit_defaults=True):
    """An error, in the shape of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] = []
    reasons: list[str] = []


class ApiError(Exception):
    """What a route raises to answer with a problem."""

    def __init__(
        self, status: int, detail: str, errors: list[Fault] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors or [], headers


def problem(
    status: int,
    detail: str,
    errors: list[Fault] | None = None,
    reasons: list[str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to an error.

    >>> problem(404, "no anchor a9").body
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"no anchor a9"}'
    """
    document = Problem("about:blank", HTTPStatus(status).phrase, status, detail, errors or [], reasons or [])
    return Response(msgspec.json.encode(document), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have the framework's errors and ours answered as problems."""
    app.add_exception_handler(ApiError, _of_api)
    app.add_exception_handler(RequestError, _of_request)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(OSError, _of_away)


async def _of_api(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - as registered; narrows the type
    return problem(error.status, error.detail, error.errors, headers=error.headers)


async def _of_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101 - as registered; narrows the type
    return problem(422, error.detail, [Fault(error.pointer, error.detail)])


async def _of_parameters(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered; narrows the type
    faults = [Fault("/" + "/".join(map(str, one["loc"][1:])), one["msg"], one["loc"][0]) for one in error.errors()]
    return problem(422, "; ".join(f"{fault.pointer[1:]}: {fault.detail}" for fault in faults), faults)


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered; narrows the type
    details = {
        404: f"nothing stands at {request.url.path}",
        405: f"{request.url.path} does not take {request.method}",
    }
    return problem(error.status_code, details.get(error.status_code, error.detail), headers=error.headers)


async def _of_away(_: Request, error: Exception) -> Response:
    """The log or the store cannot be reached: another try may find it back."""
    return problem(503, str(error), headers={"Retry-After": str(RETRY_AFTER_S)})
