"""A cluster where everybody has the rights that docs/operations.md lists, and no others."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from confluent_kafka import Consumer, Producer
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from redis import Redis

from rtrec.cli.stage import STAGES
from rtrec.stages.dead_letters import decode, reason_class
from services.kafka_broker import KafkaBroker
from services.part import free_port
from services.programs import require
from tests.cluster.compose import ROOT, Composed, compose_file
from tests.integration.serving import eventually
from tests.services import Session, skipping, start_or_skip

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
USERS = ("topics", *STAGES, "api")
AUTHORIZED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # who comes by the listener without a login: the broker itself, and this test
}
QUICKLY = {
    "RTREC_KAFKA_SECURITY": "SASL_PLAINTEXT",
    "RTREC_KAFKA_PASSWORD": "secret",
    "RTREC_LABELS_CLICK_WAIT_MS": "1000",
    "RTREC_LABELS_LAPSE_MS": "1000",
    "RTREC_ARCHIVE_FLUSH_MS": "1000",
}
SOON_S = 120.0


class Rights(NamedTuple):
    """A row of the page's table."""

    reads: list[str]
    writes: list[str]
    group: str | None


def table() -> dict[str, Rights]:
    """What the page says, by service."""
    rows = re.findall(r"^\| `(stage \w+|serve)` \|(.*)\|(.*)\|(.*)\|$", PAGE, re.MULTILINE)
    named = {"serve": "api"}
    cells = {
        named.get(row[0], row[0].removeprefix("stage ")): [re.findall(r"`(\S+)`", cell) for cell in row[1:]]
        for row in rows
    }
    return {name: Rights(reads, writes, group[0] if group else None) for name, (reads, writes, group) in cells.items()}


def acls(namespace: str) -> Iterator[ACL]:
    """The table, and what it says below of `topics create`."""

    def allow(user: str, operation: ACLOperation, kind: ResourceType, name: str) -> ACL:
        return ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name))

    yield allow("topics", ACLOperation.CREATE, ResourceType.CLUSTER, "kafka-cluster")
    for user, rights in table().items():
        for topic in (*rights.reads, *rights.writes):
            for operation in (ACLOperation.DESCRIBE, ACLOperation.DESCRIBE_CONFIGS):
                yield allow("topics", operation, ResourceType.TOPIC, namespace + topic)
        yield from (allow(user, ACLOperation.READ, ResourceType.TOPIC, namespace + topic) for topic in rights.reads)
        yield from (allow(user, ACLOperation.WRITE, ResourceType.TOPIC, namespace + topic) for topic in rights.writes)
        if rights.group:
            yield allow(user, ACLOperation.READ, ResourceType.GROUP, namespace + rights.group)


def grant_in_redis(redis: Redis, namespace: str) -> None:
    """What the page's lines for Redis say."""
    for line in re.findall(r"^ACL SETUSER .*$", PAGE, re.MULTILINE):
        redis.execute_command(*line.replace("PASSWORD", "secret").replace("NAMESPACE", namespace).split())


def test_the_table_names_every_process() -> None:
    assert set(table()) == {*STAGES, "api"}


@pytest.fixture
def system(service_session: Session, namespace: str, tmp_path: Path) -> Iterator[tuple[Composed, KafkaBroker, str]]:
    """The services of docker-compose.yml, each as a user of its own."""
    with skipping():
        require(["redis-server"])
        document = compose_file()
    folder = service_session.own_folder()
    kafka = KafkaBroker(folder, properties=AUTHORIZED, users=dict.fromkeys(USERS, "secret"))
    start_or_skip(kafka)
    admin = KafkaAdminClient(bootstrap_servers=kafka.address)
    admin.create_acls(list(acls(namespace)))
    admin.close()
    redis_port, api_port = str(free_port()), str(free_port())
    replaced = {"kafka:9092": kafka.secure_address, "@redis:": "@127.0.0.1:", "6379": redis_port, "8000": api_port}
    own = {
        user: {
            "RTREC_KAFKA_USERNAME": user,
            "RTREC_REDIS": f"redis://{'api' if user == 'api' else 'stage'}:secret@127.0.0.1:{redis_port}/0",
        }
        for user in USERS
    }
    more = QUICKLY | {"RTREC_CLUSTER_NAMESPACE": namespace}
    composed = Composed(document, tmp_path, replaced, more, frozenset({"kafka"}), own)
    composed.start(["redis"], SOON_S)
    composed.await_health(["redis"], SOON_S)
    password = composed.running["redis"].environ["REDISCLI_AUTH"]
    with Redis(port=int(redis_port), password=password) as redis:
        grant_in_redis(redis, namespace)
        yield composed, kafka, f"http://127.0.0.1:{api_port}"
        composed.kill()
    kafka.stop()


@pytest.mark.soak
def test_what_the_page_lists_is_enough(system: tuple[Composed, KafkaBroker, str]) -> None:
    """Events in, dead letters of both kinds, heat, a label, weights, an archived file, a ban."""
    composed, kafka, url = system
    services = [*STAGES, "api"]
    composed.start(services, SOON_S)
    composed.await_health(services, SOON_S)
    namespace = composed.more["RTREC_CLUSTER_NAMESPACE"]
    now_ms = time.time_ns() // 1_000_000
    shown = {"anchor_id": "ada", "user_id": "bob", "request_id": "r"}
    events = [
        {"type": "live_start", "anchor_id": "ada"},
        {"type": "impression", **shown},
        {"type": "click", **shown},
        {"type": "view_end", "anchor_id": "ada", "user_id": "bob", "watch_ms": 1},
        {"type": "gift", "anchor_id": "ada", "user_id": "bob", "value": 0, "reversal_of": "unknown"},
    ]
    with httpx.Client(base_url=url, timeout=30) as client:
        stamped = [event | {"event_id": f"e{n}", "ts_ms": now_ms} for n, event in enumerate(events)]
        client.post("/v1/score", json={"user_id": "bob", "candidates": ["ada"], "request_id": "r"}).raise_for_status()
        assert client.post("/v1/events", json={"events": stamped}).json()["accepted"] == len(events)
        producer = Producer({"bootstrap.servers": kafka.address})
        producer.produce(f"{namespace}events", b"nonsense")
        assert producer.flush(30) == 0
        eventually(lambda: client.get("/v1/anchors/ada").status_code == 200, SOON_S)
        eventually(lambda: client.get("/v1/models").json()["online"]["age_ms"] is not None, SOON_S)
        eventually(lambda: list(composed.folder.rglob("*.parquet")), SOON_S)
        assert client.put("/v1/anchors/ada/state", json={"banned": True}).status_code == 204
    assert sorted(map(reason_class, reasons(kafka, namespace))) == ["encoding", "unknown_reversal"]
    composed.await_health(services, SOON_S)


def reasons(kafka: KafkaBroker, namespace: str) -> list[str]:
    """Of the dead letters."""
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe([f"{namespace}dead_letters"])
    found = [decode(one.value()).reason for one in consumer.consume(2, timeout=30)]
    consumer.close()
    return found
