"""The API for real: `rtrec up` in a process, HTTP, and the stages behind it."""

import itertools
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import Struct

from rtrec.api import shapes
from tests.integration.serving import Served, eventually

_numbers = itertools.count()


def event(type_: str, anchor_id: str, user_id: str | None = None, **more: Any) -> dict[str, Any]:
    given = {"event_id": f"t{next(_numbers)}", "type": type_, "ts_ms": time.time_ns() // 1_000_000}
    return given | {"anchor_id": anchor_id} | ({"user_id": user_id} if user_id else {}) | more


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("api") / "data")
    try:
        yield served
        assert served.end() == 0
    finally:
        served.kill()


@pytest.fixture(scope="module")
def client(served: Served) -> httpx.Client:
    return served.client


def send(client: httpx.Client, *events: dict[str, Any]) -> None:
    response = client.post("/v1/events", json={"events": events})
    assert (response.status_code, response.json()) == (202, {"accepted": len(events), "rejected": []})


def opened(client: httpx.Client, anchor_id: str, **more: Any) -> str:
    """A live room that has had a gift and a view, once it is on the heat board."""
    lease = {"lease_ms": 600_000}
    send(
        client,
        event("live_start", anchor_id, live_id=f"{anchor_id}-l", **(lease | more)),
        event("view_start", anchor_id, "viewer"),
        event("gift", anchor_id, "giver", value=500, count=2),
        event("view_heartbeat", anchor_id, "viewer", watch_ms=1_000),
    )
    eventually(lambda: anchor_id in [one["anchor_id"] for one in client.get("/v1/hot").json()["anchors"]])
    return anchor_id


def recommended(client: httpx.Client, **asked: Any) -> list[str]:
    response = client.post("/v1/recommend", json={"user_id": "u", "n": 200} | asked)
    assert response.status_code == 200, response.text
    return [item["anchor_id"] for item in response.json()["items"]]


def assert_shape(document: Any, shape: type[Struct]) -> None:
    """The documented shape reads the answer, and nothing of the answer is undocumented."""
    written = json.loads(msgspec.json.encode(msgspec.convert(document, shape)))
    assert missing(document, written) == []


def missing(document: Any, written: Any, where: str = "") -> list[str]:
    if isinstance(document, dict):
        lost = [f"{where}.{name}" for name in document.keys() - written.keys()]
        return lost + [
            one
            for name in document.keys() & written.keys()
            for one in missing(document[name], written[name], f"{where}.{name}")
        ]
    if isinstance(document, list):
        return [
            one for given, kept in zip(document, written, strict=True) for one in missing(given, kept, f"{where}[]")
        ]
    return []


def test_a_gift_that_was_answered_moves_the_anchors_heat(client: httpx.Client) -> None:
    opened(client, "warm", category="dance")
    answer = client.get("/v1/anchors/warm").json()
    assert answer["live"]
    assert answer["live_id"] == "warm-l"
    assert answer["windows"]["gift_value"]["24h"] == 500
    assert answer["windows"]["gifts"]["24h"] == 2
    assert answer["heat"]["score"] == pytest.approx(sum(term["contribution"] for term in answer["heat"]["terms"]))
    assert answer["heat"]["score"] > 0
    assert_shape(answer, shapes.AnchorAnswer)


def test_a_score_has_the_documented_shape_and_the_order_asked(client: httpx.Client) -> None:
    opened(client, "scored")
    body = {
        "user_id": "u",
        "candidates": ["never-seen", {"anchor_id": "scored", "features": {"x": 1}}],
        "explain": True,
    }
    answer = client.post("/v1/score", json=body).json()
    assert [one["anchor_id"] for one in answer["scores"]] == ["never-seen", "scored"]
    assert [one["live"] for one in answer["scores"]] == [False, True]
    assert [one["feature_age_ms"] is None for one in answer["scores"]] == [True, False]
    assert_shape(answer, shapes.ScoreAnswer)


def test_the_same_request_id_is_answered_alike(client: httpx.Client) -> None:
    opened(client, "twice")
    body = {"request_id": "mine", "candidates": ["twice"]}
    first = client.post("/v1/score", json=body).json()
    send(client, event("gift", "twice", "giver", value=100_000))
    assert client.post("/v1/score", json=body).json() == first
    assert first["request_id"] == "mine"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"candidates": ["a", "b", "a"]}, "/candidates/2"),
        ({"candidates": ["a"], "explain": "nonsense"}, "/explain"),
        ({"candidates": ["a"], "variant": "nonsense"}, "/variant"),
    ],
)
def test_what_means_nothing_is_422_with_a_pointer(client: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    response = client.post("/v1/score", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_a_bad_cursor_is_422(client: httpx.Client) -> None:
    response = client.post("/v1/recommend", json={"cursor": "not one"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/cursor"


def test_recommendations_have_the_documented_shape_and_pages_repeat_nothing(client: httpx.Client) -> None:
    rooms = {opened(client, f"page{number}") for number in range(5)}
    answer = client.post("/v1/recommend", json={"user_id": "pager", "n": 2}).json()
    assert_shape(answer, shapes.RecommendAnswer)
    seen = [item["anchor_id"] for item in answer["items"]]
    while answer["next_cursor"]:
        answer = client.post("/v1/recommend", json={"user_id": "pager", "n": 2, "cursor": answer["next_cursor"]}).json()
        seen += [item["anchor_id"] for item in answer["items"]]
    assert len(seen) == len(set(seen))
    assert rooms <= set(seen)


def test_a_banned_anchor_is_gone_from_every_list_and_comes_back(client: httpx.Client) -> None:
    """Gone within 2 s; here the very next answer does without it."""
    opened(client, "banned")
    assert "banned" in recommended(client)
    assert client.put("/v1/anchors/banned/state", json={"banned": True, "reason": "test"}).status_code == 204
    eventually(lambda: "banned" not in recommended(client), 2.0)
    assert "banned" not in [one["anchor_id"] for one in client.get("/v1/hot?n=1000").json()["anchors"]]
    assert client.get("/v1/anchors/banned").json()["state"]["banned"]
    assert not client.post("/v1/score", json={"candidates": ["banned"]}).json()["scores"][0]["eligible"]
    assert client.put("/v1/anchors/banned/state", json={"banned": None}).status_code == 204
    eventually(lambda: "banned" in recommended(client), 2.0)


def test_filters_and_exclusions_hold(client: httpx.Client) -> None:
    opened(client, "music1", category="music", region="eu", tags=["piano"])
    opened(client, "sports1", category="sports", region="us")
    assert recommended(client, filter={"category": "music"}) == ["music1"]
    assert recommended(client, filter={"category": "music"}, exclude=["music1"]) == []
    board = client.get("/v1/hot?category=sports&region=us").json()
    assert [one["anchor_id"] for one in board["anchors"]] == ["sports1"]
    assert_shape(board, shapes.HotAnswer)


def test_a_user_is_known_and_then_erased(client: httpx.Client) -> None:
    opened(client, "watched", category="dance")
    send(
        client,
        event("view_start", "watched", "forgetme"),
        event("view_end", "watched", "forgetme", watch_ms=40_000),
        event("gift", "watched", "forgetme", value=70),
        event("follow", "watched", "forgetme"),
        {
            "event_id": "p1",
            "type": "user_profile",
            "ts_ms": 1_700_000_000_000,
            "user_id": "forgetme",
            "set": {"city": "X"},
        },
    )

    def known() -> dict[str, Any] | None:
        response = client.get("/v1/users/forgetme")
        found: dict[str, Any] = response.json()
        return found if response.status_code == 200 and found["follows"] else None

    answer = eventually(known)
    assert answer["follows"] == ["watched"]
    assert answer["gift_value"]["24h"] == 70
    assert_shape(answer, shapes.UserAnswer)
    assert client.delete("/v1/users/forgetme").status_code == 204
    assert client.get("/v1/users/forgetme").status_code == 404


def test_models_tell_their_progress_and_metrics_their_figures(client: httpx.Client) -> None:
    answer = client.get("/v1/models").json()
    assert_shape(answer, shapes.ModelsAnswer)
    assert set(answer["progress"]["heads"]) == {"click", "long_view", "gift"}
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    assert 'rtrec_events_total{outcome="accepted",stage="heat"}' in page.text
    assert 'rtrec_api_requests_total{route="/v1/models",status="200"}' in page.text


def test_too_large_is_413_over_a_real_connection_which_goes_on(client: httpx.Client) -> None:
    for content in (b" " * ((8 << 20) + 1), iter([b" " * (1 << 20)] * 9)):
        response = client.post("/v1/events", content=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 413
    assert client.get("/healthz").status_code == 200


def test_refused_events_are_answered_and_are_no_dead_letters(client: httpx.Client) -> None:
    before = dead_letters(client)
    response = client.post("/v1/events", json={"events": [{"type": "gift"}, event("like", "a", "u")]})
    assert response.json()["accepted"] == 1
    assert dead_letters(client) == before


def dead_letters(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("rtrec_dead_letters_total"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_was_acknowledged_outlives_the_process(tmp_path: Path, how: signal.Signals) -> None:
    """Told to end, it ends with exit code 0; killed or not, the next one knows every event."""
    served = Served(tmp_path / "data")
    try:
        opened(served.client, "kept")
        send(served.client, *(event("like", "kept", f"u{number}") for number in range(500)))
        assert served.end(how) == (-signal.SIGKILL if how is signal.SIGKILL else 0)
        served = Served(tmp_path / "data")
        eventually(lambda: served.client.get("/v1/anchors/kept").json()["windows"]["likes"]["24h"] == 500)
        assert served.end() == 0
    finally:
        served.kill()


def test_heat_weights_follow_the_file_without_a_restart(tmp_path: Path) -> None:
    """Within 5 s; a file with a fault changes nothing, and is named in the log."""
    file = tmp_path / "mine.toml"
    file.write_text("[heat]\nweights = { gift_value = 1.0 }\n", encoding="utf-8")
    served = Served(tmp_path / "data", "--config", str(file))
    try:
        opened(served.client, "reweighed")

        def weights() -> dict[str, float]:
            terms = served.client.get("/v1/anchors/reweighed").json()["heat"]["terms"]
            return {term["metric"]: term["weight"] for term in terms if term["weight"]}

        assert weights() == {"gift_value": 1.0}
        file.write_text("[heat]\nweights = { views = -1 }\n", encoding="utf-8")
        eventually(lambda: "heat.weights.views" in served.log.read_text(encoding="utf-8"), 5.0)
        assert weights() == {"gift_value": 1.0}
        file.write_text("[heat]\nweights = { views = 3.0 }\n", encoding="utf-8")
        eventually(lambda: weights() == {"views": 3.0}, 5.0)
        assert served.end() == 0
    finally:
        served.kill()
