"""Every error is a problem document that says where and what, and nothing of the inside."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.api.conftest import AppClient
from tests.unit.api.fake import FakeServing

JSON = {"Content-Type": "application/json"}


def problem_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document.keys() >= {"type", "title", "status", "detail"}
    return document


@pytest.mark.parametrize(
    ("body", "pointer", "word"),
    [
        ({"candidates": ["a", "b", "c", None]}, "/candidates/3", "null"),
        ({"candidates": ["a", {"anchor_id": "x", "colour": 1}]}, "/candidates/1", "colour"),
        ({"candidates": []}, "/candidates", "length >= 1"),
        ({"candidates": ["a"] * 1_001}, "/candidates", "1000"),
        ({"candidates": [""]}, "/candidates/0", "length >= 1"),
        ({}, "", "candidates"),
        ({"candidates": ["a"], "user_id": True}, "/user_id", "bool"),
        ({"candidates": ["a"], "user": {"fine": 1, "a/b~c": {}}}, "/user/a~1b~0c", "object"),
        ({"candidates": ["a"], "user": {"tags": ["x", 5]}}, "/user/tags/1", "int"),
        ({"candidates": [{"anchor_id": "a", "features": {"f": None}}]}, "/candidates/0/features/f", "null"),
        ({"candidates": ["a"], "context": {"n" * 65: 1}}, "/context", "name: "),
        ({"candidates": ["a"], "variant": "unknown"}, "/variant", "expected one of default"),
    ],
)
def test_a_value_that_does_not_fit_is_422_with_a_pointer_to_it(
    client: AppClient, body: dict[str, Any], pointer: str, word: str
) -> None:
    document = problem_of(client.post("/v1/score", json=body), 422)
    [error] = document["errors"]
    assert error["pointer"] == pointer
    assert word in error["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"candidates": [NaN]}', b'{"candidates":["\xff"]}', b"nonsense"]
)
def test_what_is_not_json_is_400(client: AppClient, body: bytes) -> None:
    problem_of(client.post("/v1/score", content=body, headers=JSON), 400)


@pytest.mark.parametrize("path", ["/v1/score", "/v1/recommend", "/v1/events"])
@pytest.mark.parametrize("place", ["user", "unknown"])
def test_deep_nesting_is_an_error_of_the_client(client: AppClient, path: str, place: str) -> None:
    nested = b"[" * 100_000 + b"]" * 100_000
    body = b'{"candidates": ["a"], "events": [], "%s": {"a": %s}}' % (place.encode(), nested)
    response = client.post(path, content=body, headers=JSON)
    problem_of(response, 422 if response.status_code == 422 else 400)


@pytest.mark.parametrize("document", [b"[]", b"7", b"null", b'"text"'])
def test_a_document_of_another_shape_is_422(client: AppClient, document: bytes) -> None:
    [error] = problem_of(client.post("/v1/recommend", content=document, headers=JSON), 422)["errors"]
    assert error["pointer"] == ""


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/score/", "/v1/anchors/zz", "/v1/users/zz"])
def test_what_is_not_there_is_404(client: AppClient, path: str) -> None:
    problem_of(client.get(path), 404)


def test_a_wrong_method_is_405_and_says_which_are_taken(client: AppClient) -> None:
    response = client.get("/v1/score")
    problem_of(response, 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "pointer"), [("/v1/hot?n=0", "/n"), ("/v1/hot?at_ms=soon", "/at_ms"), ("/v1/anchors/a1?at_ms=5", "/at_ms")]
)
def test_a_wrong_parameter_is_422_and_named(client: AppClient, path: str, pointer: str) -> None:
    [error] = problem_of(client.get(path), 422)["errors"]
    assert (error["pointer"], error["in"]) == (pointer, "query")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/x-ndjson"])
def test_a_body_that_does_not_say_it_is_json_is_415(client: AppClient, kind: str | None) -> None:
    """A form of another site cannot reach a loopback API: browsers send these three without asking first."""
    headers = {} if kind is None else {"Content-Type": kind}
    problem_of(client.post("/v1/score", content=b'{"candidates": ["a"]}', headers=headers), 415)


def test_a_packed_body_is_415_and_says_what_is_taken(client: AppClient) -> None:
    response = client.post("/v1/score", content=b"x", headers=JSON | {"Content-Encoding": "gzip"})
    problem_of(response, 415)
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(("path", "limit"), [("/v1/score", 1 << 20), ("/v1/events", 8 << 20)])
def test_too_large_is_413_before_it_is_parsed(client: AppClient, path: str, limit: int) -> None:
    """One byte above the bound; what it holds is not even JSON."""
    problem_of(client.post(path, content=b"{" * (limit + 1), headers=JSON), 413)
    problem_of(client.post(path, content=b"{" * limit, headers=JSON), 400)


def test_too_large_without_a_length_is_413_as_it_streams(client: AppClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    response = client.post("/v1/score", content=chunks(), headers=JSON)
    assert "content-length" not in response.request.headers
    problem_of(response, 413)


def test_a_fault_of_ours_is_500_without_the_inside(client: AppClient, caplog: pytest.LogCaptureFixture) -> None:
    response = client.post("/v1/score", json={"candidates": ["a"], "user_id": "breaks"})
    document = problem_of(response, 500)
    assert "secret" not in response.text
    assert "ZeroDivisionError" not in response.text
    assert response.headers["x-request-id"] in document["detail"]
    assert "a secret of the inside" in caplog.text


def test_not_ready_is_503_with_the_reasons(client: AppClient, serving: FakeServing) -> None:
    """An alarm keeps nobody away: requests can be answered."""
    assert client.get("/readyz").json() == {"status": "ready"}
    serving.raised = ["an alarm"]
    assert client.get("/readyz").json() == {"status": "ready", "alarms": ["an alarm"]}
    serving.reasons = ["the store is away"]
    response = client.get("/readyz")
    assert problem_of(response, 503)["reasons"] == ["the store is away"]
    assert response.headers["retry-after"]
    assert client.get("/healthz").json() == {"status": "ok"}
