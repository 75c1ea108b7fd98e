"""What docker-compose.yml says works: its own commands, variables and health checks, run here as processes."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rtrec.cli.stage import STAGES
from services.part import free_port
from services.programs import require
from tests.cluster.compose import Composed, compose_file
from tests.integration.serving import eventually
from tests.services import skipping

HEALTHY_S = 120.0
"""Every process imports numba and Faust: 3 s on two idle cores, all of them at once and with others' tests more."""
GONE_S = 10.0
EVENTS = [
    {"type": "live_start", "anchor_id": "ada", "live_id": "1", "category": "dance"},
    {"type": "view_start", "anchor_id": "ada", "user_id": "bob"},
    {"type": "gift", "anchor_id": "ada", "user_id": "bob", "value": 500},
]


@pytest.fixture
def system(kafka: str, namespace: str, tmp_path: Path) -> Iterator[tuple[Composed, str]]:
    """The services but Kafka (which is the tests' own), Prometheus and Grafana; and the API's address."""
    with skipping():
        require(["redis-server"])
        document = compose_file()
    redis_port, api_port = str(free_port()), str(free_port())
    replaced = {"kafka:9092": kafka, "@redis:": "@127.0.0.1:", "6379": redis_port, "8000": api_port}
    more = {"RTREC_CLUSTER_NAMESPACE": namespace}
    composed = Composed(document, tmp_path, replaced, more, away=frozenset({"kafka"}))
    yield composed, f"http://127.0.0.1:{api_port}"
    composed.kill()


def test_the_services_start_work_together_and_end_in_time(system: tuple[Composed, str]) -> None:
    """Every health check passes; a posted event is heat, and scored; SIGTERM ends each within 10 s."""
    composed, url = system
    services = [*STAGES, "api"]
    composed.start(services, HEALTHY_S)
    composed.await_health(services, HEALTHY_S)
    assert composed.done == {"topics"}

    with httpx.Client(base_url=url, timeout=30) as client:
        now_ms = time.time_ns() // 1_000_000
        events = [event | {"event_id": f"e{place}", "ts_ms": now_ms} for place, event in enumerate(EVENTS)]
        assert client.post("/v1/events", json={"events": events}).json() == {"accepted": 3, "rejected": []}

        def heat() -> float:
            answer = client.get("/v1/anchors/ada")
            return float(answer.json()["heat"]["score"]) if answer.status_code == 200 else 0.0

        # One watcher, one gifter, one gift of 500: 1 · 1 + 1 · 5 + 500 · 0.01, as configs/rtrec.toml weighs them.
        assert eventually(heat, 30) == pytest.approx(11.0, rel=0.05)
        eventually(lambda: client.get("/v1/users/bob").status_code == 200, 30)
        answer = client.post("/v1/score", json={"user_id": "bob", "candidates": ["ada", "eve"]}).json()
        assert [(one["anchor_id"], one["live"]) for one in answer["scores"]] == [("ada", True), ("eve", False)]
        assert answer["degraded"] == ["batch_model"]

    composed.await_health([*services, "redis"], HEALTHY_S)
    assert composed.end(services, GONE_S) == dict.fromkeys(services, 0)
    assert composed.end(["redis"], GONE_S) == {"redis": 0}
