"""Routes hand the host what was asked, and hand back what it says."""

import pytest

from rtrec.ranking.requests import Candidate, RecommendRequest, ScoreRequest
from tests.unit.api.conftest import AppClient
from tests.unit.api.fake import FakeServing


def test_ids_may_come_as_integers(client: AppClient, serving: FakeServing) -> None:
    """As in events: an integer is taken as its decimal string, wherever an id stands."""
    body = {"user_id": 7, "request_id": 8, "candidates": [1, {"anchor_id": 2}, "3"], "log": [1]}
    assert client.post("/v1/score", json=body).status_code == 200
    client.post("/v1/recommend", json={"user_id": 7, "candidates": [1], "exclude": [2]})
    score, recommend = serving.asked
    assert score == ScoreRequest(["1", Candidate("2"), "3"], user_id="7", request_id="8", log=["1"])
    assert recommend == RecommendRequest(user_id="7", candidates=["1"], exclude=["2"])


def test_the_heat_board_is_asked_as_the_query_says(client: AppClient, serving: FakeServing) -> None:
    client.get("/v1/hot")
    client.get("/v1/hot?n=3&category=dance&region=eu&language=fr&at_ms=1700000000000")
    nothing = {"category": None, "region": None, "language": None, "at_ms": None}
    everything = {"category": "dance", "region": "eu", "language": "fr", "at_ms": 1_700_000_000_000}
    assert serving.asked == [(50, nothing), (3, everything)]


@pytest.mark.parametrize(("path", "anchor_id"), [("a1", "a1"), ("a%2F1", "a/1")])
def test_an_anchor_is_found_by_its_id_whatever_is_in_it(client: AppClient, path: str, anchor_id: str) -> None:
    answer = client.get(f"/v1/anchors/{path}?at_ms=1700000000000").json()
    assert answer == {"anchor_id": anchor_id, "at_ms": 1_700_000_000_000}


@pytest.mark.parametrize("change", [{"banned": True}, {"banned": None, "min_age": 18}, {}])
def test_a_change_of_state_names_the_given_fields_only(
    client: AppClient, serving: FakeServing, change: dict[str, object]
) -> None:
    """Null is a value: it takes a field back to its default, which leaving it out does not."""
    response = client.put("/v1/anchors/a%2F1/state", json=change)
    assert (response.status_code, response.content) == (204, b"")
    assert serving.changes == [("a/1", change)]


@pytest.mark.parametrize("change", [{"banned": 1}, {"mode": "duo"}, {"until_ms": 5}, {"baned": True}, {"min_age": -1}])
def test_a_change_of_state_that_means_nothing_changes_nothing(
    client: AppClient, serving: FakeServing, change: dict[str, object]
) -> None:
    assert client.put("/v1/anchors/a1/state", json=change).status_code == 422
    assert serving.changes == []


def test_an_erased_user_is_gone(client: AppClient, serving: FakeServing) -> None:
    assert client.get("/v1/users/u1").status_code == 200
    assert client.delete("/v1/users/u1").status_code == 204
    assert serving.erased == ["u1"]
    assert client.get("/v1/users/u1").status_code == 404


def test_every_answer_carries_a_request_id_the_clients_own_if_it_is_one(client: AppClient) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    made = [client.get("/nowhere", headers={"X-Request-Id": "no good"}).headers["x-request-id"] for _ in range(2)]
    assert len({*made, "no good"}) == 3


def test_requests_are_counted_by_template_and_status_never_by_path(client: AppClient) -> None:
    """A label per anchor would be a time series per anchor."""
    for path in ("/v1/anchors/a1", "/v1/anchors/zz", "/whatever"):
        client.get(path)
    page = client.get("/metrics").text
    assert 'rtrec_api_requests_total{route="/v1/anchors/{anchor_id}",status="200"} 1.0' in page
    assert 'rtrec_api_requests_total{route="/v1/anchors/{anchor_id}",status="404"} 1.0' in page
    assert 'rtrec_api_requests_total{route="other",status="404"} 1.0' in page
    assert 'rtrec_api_request_duration_ms_count{route="/v1/anchors/{anchor_id}"} 2.0' in page
    assert "rtrec_store_bytes 77.0" in page
    assert "zz" not in page
    assert "_created" not in page
