"""`/openapi.json` describes every route whole: bodies and answers by schema, with examples, and every error."""

import re
from html import escape
from typing import Any

import msgspec
import pytest

from rtrec.api import openapi, page
from rtrec.api.events import EventsRequest
from tests.unit.api.conftest import AppClient

RESOURCES = {
    "/v1/events": {"post"},
    "/v1/score": {"post"},
    "/v1/recommend": {"post"},
    "/v1/hot": {"get"},
    "/v1/anchors/{anchor_id}": {"get"},
    "/v1/anchors/{anchor_id}/state": {"put"},
    "/v1/users/{user_id}": {"get", "delete"},
    "/v1/models": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}
BODIES = {kind.__name__: kind for kind in (*openapi.SHAPES, EventsRequest)}


@pytest.fixture
def document(client: AppClient) -> dict[str, Any]:
    loaded: dict[str, Any] = client.get("/openapi.json").json()
    return loaded


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{method} {path}": spec for path, of in document["paths"].items() for method, spec in of.items()}


def test_every_route_of_the_contract_is_described(document: dict[str, Any]) -> None:
    assert {path: set(of) for path, of in document["paths"].items()} == RESOURCES
    for name, spec in operations(document).items():
        assert spec["summary"], name
        assert spec["description"], name


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [one for value in node.values() for one in references(value)]
        return [one for value in node for one in references(value)] if isinstance(node, list) else []

    found = set(references(document))
    assert len(found) > 20
    assert {one.removeprefix("#/components/schemas/") for one in found} <= set(document["components"]["schemas"])


def test_examples_have_the_shape_that_they_are_examples_of(document: dict[str, Any]) -> None:
    """An example that its own schema refuses teaches wrong."""
    checked = 0
    for name, spec in operations(document).items():
        contents = [spec.get("requestBody", {}).get("content", {})]
        contents += [response.get("content", {}) for response in spec["responses"].values()]
        for one in (one for content in contents for one in content.values() if "example" in one):
            kind = BODIES[one["schema"]["$ref"].rsplit("/", 1)[1]]
            assert msgspec.json.decode(msgspec.json.encode(one["example"]), type=kind), name
            checked += 1
    assert checked > 30


def test_errors_are_problem_documents_and_say_when(document: dict[str, Any]) -> None:
    for name, spec in operations(document).items():
        statuses = {int(status) for status in spec["responses"]}
        if "requestBody" in spec:
            assert statuses >= {400, 413, 415, 422, 500}, name
        for status in statuses:
            if status >= 400:
                assert list(spec["responses"][str(status)]["content"]) == ["application/problem+json"], name


def test_the_documentation_page_describes_every_operation_and_loads_nothing(
    client: AppClient, document: dict[str, Any]
) -> None:
    """A script from elsewhere would leave the page empty where there is no internet."""
    response = client.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    for name, spec in operations(document).items():
        assert f'id="{page._anchor(*name.split())}"' in response.text
        assert escape(spec["summary"]) in response.text
    assert set(re.findall(r'(?:src|href)="([^#"][^"]*)"', response.text)) == {"openapi.json"}
    assert "<script" not in response.text
