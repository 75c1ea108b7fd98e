"""A small keep-alive HTTP client for the contract's API, on the standard library alone.

Rules
-----
- One connection, one thread. A connection that the server has closed meanwhile is opened again, once, and
  the request sent again: events carry ids and reads change nothing, so a repeat is harmless.
- A busy server (429, 503) is asked again for a while.
- An answer of 400 or above raises `ApiError` with the problem document's words.
"""

import time
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

import msgspec

from rtrec.simulator.pace import Fields

TIMEOUT_S: Final = 10.0
BUSY: Final = (429, 503)
BUSY_RETRIES: Final = 20
BUSY_S: Final = 0.25
MAX_BATCH: Final = 2_000
"""Events of one request at most; the contract takes 10,000 and 8 MiB."""


class ApiError(RuntimeError):
    """The API said no: its status and why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status


class Client:
    """The API at `base_url` (http://host:port)."""

    def __init__(self, base_url: str, timeout_s: float = TIMEOUT_S, busy_retries: int = BUSY_RETRIES) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"expected http://host:port, got {base_url}")
        self._busy_retries = busy_retries
        self._connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout_s)

    def get(self, path: str) -> Fields:
        """The JSON object at a path."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Fields) -> Fields:
        """What the API answers to a JSON object."""
        return self._ask("POST", path, body)

    def put(self, path: str, body: Fields) -> None:
        """Set what stands at a path."""
        self._ask("PUT", path, body)

    def send(self, events: list[Fields]) -> list[Fields]:
        """Post events and return those that were taken, once they are durable."""
        taken = []
        for first in range(0, len(events), MAX_BATCH):
            batch = events[first : first + MAX_BATCH]
            answer = msgspec.convert(self.post("/v1/events", {"events": batch}), EventsAnswer)
            refused = {one.index for one in answer.rejected}
            taken += [event for place, event in enumerate(batch) if place not in refused]
        return taken

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: Fields | None) -> Fields:
        data = None if body is None else msgspec.json.encode(body)
        status, content = self._exchange_again(method, path, data)
        for _ in range(self._busy_retries):
            if status not in BUSY:
                break
            time.sleep(BUSY_S)
            status, content = self._exchange_again(method, path, data)
        if status >= 400:
            raise ApiError(status, _why(content))
        return msgspec.json.decode(content, type=Fields) if content else {}

    def _exchange_again(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        """Once more over a new connection where the server has hung up on the old one."""
        try:
            return self._exchange(method, path, data)
        except (ConnectionError, HTTPException):
            return self._exchange(method, path, data)

    def _exchange(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            self._connection.request(method, path, data, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except BaseException:
            self._connection.close()
            raise


class Rejected(msgspec.Struct):
    """One refused event: its place in the request."""

    index: int
    reason: str = ""


class EventsAnswer(msgspec.Struct):
    """What `POST /v1/events` answers."""

    accepted: int
    rejected: list[Rejected] = []


def _why(content: bytes) -> str:
    try:
        problem = msgspec.json.decode(content, type=Fields)
    except msgspec.DecodeError:
        return content[:200].decode("utf-8", "replace")
    return str(problem.get("detail") or problem.get("title") or problem)
