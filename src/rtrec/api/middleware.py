"""Around every request: its id, its figures, and the answer to what nobody caught. Pure ASGI, for speed."""

import logging
import re
import time
from typing import Final
from uuid import uuid4

from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rtrec.adapters.prometheus import Collector
from rtrec.api.problems import problem

REQUEST_ID: Final = "x-request-id"
CLIENT_LEFT: Final = 499
"""Counted when a client hangs up within its own request, as nginx does."""

_ACCEPTABLE_ID: Final = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_log = logging.getLogger("rtrec.api")


class Observed:
    """The application, observed.

    metrics: the catalogue's collectors; `rtrec_api_requests_total` and `rtrec_api_request_duration_ms` are kept here.
    """

    def __init__(self, app: ASGIApp, metrics: dict[str, Collector]) -> None:
        self._app = app
        requests, durations = metrics["rtrec_api_requests_total"], metrics["rtrec_api_request_duration_ms"]
        if not isinstance(requests, Counter) or not isinstance(durations, Histogram):
            raise TypeError("the catalogue has other kinds for the API's figures")
        self._requests, self._durations = requests, durations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or hand on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        exchange = _Exchange(Headers(scope=scope).get(REQUEST_ID), send)
        try:
            await self._app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = CLIENT_LEFT
        except Exception:
            _log.exception("request %s: %s %s", exchange.request_id, scope["method"], scope["path"])
            if exchange.status:
                raise
            detail = f"a fault of ours; the log has it as request {exchange.request_id}"
            await problem(500, detail)(scope, receive, exchange.send)
        finally:
            # Templates, not paths: a label must be bounded.
            route = getattr(scope.get("route"), "path_format", "other")
            self._requests.labels(route=route, status=str(exchange.status)).inc()
            self._durations.labels(route=route).observe(1_000.0 * (time.perf_counter() - started_s))


class _Exchange:
    """One answer on its way out: it carries the request's id, and its status is remembered."""

    def __init__(self, given: str | None, send: Send) -> None:
        self.request_id = given if given and _ACCEPTABLE_ID.fullmatch(given) else uuid4().hex
        self.status = 0
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self.request_id
        await self._send(message)
