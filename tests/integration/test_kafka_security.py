"""TLS and login: every adapter and command gets in with the right ones, and is told what is wrong with others."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rtrec.adapters.kafka_faults import KafkaAway, KafkaRefused
from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_producer import BackgroundProducer
from rtrec.adapters.kafka_publisher import Message, Publisher
from rtrec.adapters.kafka_settings import for_faust
from rtrec.adapters.kafka_topics import admin_client
from rtrec.ports import NewRecord
from rtrec.settings_cluster import Kafka
from services.certificates import Certificates, make_certificates
from services.kafka_broker import KafkaBroker
from services.process import until
from tests.kafka import settings_of
from tests.services import Session, start_or_skip

LISTENERS = {"TLS": "SSL", "SECURE": "SASL_SSL", "LOGIN": "SASL_PLAINTEXT", "MUTUAL": "SSL"}
RIGHTS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ann;User:ANONYMOUS;User:CN=localhost",  # guest is let in and may do nothing
}
PASSWORD = "secret"  # noqa: S105 - of a broker that lives for a test
WAIT_S = 30


class Secured(NamedTuple):
    """A broker with a listener of each kind, and who signed for it and for somebody else."""

    broker: KafkaBroker
    ours: Certificates
    theirs: Certificates

    def kafka(self, listener: str, **changes: str) -> Kafka:
        """What a client of a listener should have as settings."""
        kind = LISTENERS.get(listener, "PLAINTEXT")
        right: dict[str, str] = {"cafile": str(self.ours.authority)} if kind.endswith("SSL") else {}
        right |= {"username": "ann", "password": PASSWORD} if kind.startswith("SASL") else {}
        address = f"127.0.0.1:{self.broker.port(listener.lower())}"
        return Kafka(**({"bootstrap": address, "security": kind} | right | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def secured(service_session: Session, certificates: Certificates) -> Iterator[Secured]:
    folder = service_session.own_folder()
    broker = KafkaBroker(folder, tls=certificates, users={"ann": PASSWORD, "guest": PASSWORD})
    broker.properties = more_listeners(broker, certificates) | RIGHTS
    start_or_skip(broker)
    yield Secured(broker, certificates, make_certificates(service_session.own_folder()))
    broker.kill()


def more_listeners(broker: KafkaBroker, made: Certificates) -> dict[str, str]:
    """Beside SECURE, which has both: TLS alone, login alone, and TLS that asks for the client's certificate."""
    prefix = "listener.name.secure."
    secure = {key.removeprefix(prefix): value for key, value in broker._security().items()}
    tls = {key: value for key, value in secure.items() if key.startswith("ssl.")}
    trusts = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(made.authority)}
    lines = {"tls": tls, "login": secure, "mutual": {**tls, **trusts, "ssl.client.auth": "required"}}
    properties = broker._listeners()
    for name in lines:
        properties["listeners"] += f",{name.upper()}://127.0.0.1:{broker.port(name)}"
        properties["listener.security.protocol.map"] += f",{name.upper()}:{LISTENERS[name.upper()]}"
    return properties | {f"listener.name.{name}.{key}": value for name in lines for key, value in lines[name].items()}


def publish(kafka: Kafka) -> None:
    async def inside() -> None:
        publisher = Publisher(settings_of(kafka, "x-"))
        try:
            await publisher.start()
        finally:
            await publisher.stop()

    asyncio.run(inside())


def produce(kafka: Kafka) -> None:
    with BackgroundProducer(settings_of(kafka, "x-")) as producer:
        producer.send_all([Message("nowhere", 0, b"")])


def administer(kafka: Kafka) -> None:
    admin_client(kafka).close()


def read(kafka: Kafka) -> None:
    log = KafkaLog(settings_of(kafka, "x-"))
    try:
        log.partitions("nowhere")
    finally:
        log.close()


def create(kafka: Kafka) -> tuple[int, str]:
    """`rtrec topics create` with everything in the environment; exit code and what it said."""
    set_ = {f"RTREC_KAFKA_{key.upper()}": value for key in kafka.__struct_fields__ if (value := getattr(kafka, key))}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RTREC_")}
    command = [sys.executable, "-m", "rtrec.cli", "topics", "create", "--json"]
    run = subprocess.run(command, env=kept | set_, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return run.returncode, run.stdout + run.stderr


ADAPTERS = [publish, produce, administer, read]

MISTAKES: list[tuple[str, dict[str, str], type[Exception], str]] = [
    ("SECURE", {"password": "wrong"}, KafkaRefused, "kafka.password"),
    ("SECURE", {"username": "eve"}, KafkaRefused, "kafka.username"),
    ("SECURE", {"sasl_mechanism": "PLAIN", "password": "wrong"}, KafkaRefused, "kafka.password"),
    ("LOGIN", {"password": "wrong"}, KafkaRefused, "kafka.password"),
    ("SECURE", {"cafile": "theirs"}, KafkaRefused, "kafka.cafile"),
    ("TLS", {"cafile": "theirs"}, KafkaRefused, "kafka.cafile"),
    ("TLS", {"cafile": ""}, KafkaRefused, "kafka.cafile"),
    ("TLS", {"security": "PLAINTEXT"}, KafkaAway, "kafka.security"),
    ("SECURE", {"security": "SSL"}, KafkaAway, "kafka.security"),
    ("TLS", {"security": "SASL_SSL", "username": "ann", "password": PASSWORD}, KafkaRefused, "kafka.security"),
    ("CLIENT", {"security": "SSL"}, KafkaAway, "kafka.security"),
]


@pytest.mark.parametrize(
    ("listener", "changes"),
    [
        ("TLS", {}),
        ("SECURE", {"sasl_mechanism": "SCRAM-SHA-512"}),
        ("SECURE", {"sasl_mechanism": "SCRAM-SHA-256"}),
        ("SECURE", {"sasl_mechanism": "PLAIN"}),
        ("LOGIN", {}),
        ("MUTUAL", {"certfile": "certificate", "keyfile": "key"}),
    ],
)
def test_every_adapter_gets_in(secured: Secured, namespace: str, listener: str, changes: dict[str, str]) -> None:
    own = {key: str(getattr(secured.ours, value)) for key, value in changes.items() if key in ("certfile", "keyfile")}
    kafka = secured.kafka(listener, **(changes | own))
    settings = settings_of(kafka, namespace)
    log = KafkaLog(settings)
    log.create("ticks", 1)
    assert log.append("ticks", 0, [NewRecord(b"a")], 0) == 0

    async def one_more() -> list[int]:
        publisher = Publisher(settings)
        offsets = await publisher.publish([Message("ticks", 0, b"b")])
        await publisher.stop()
        return offsets

    assert asyncio.run(one_more()) == [1]
    asyncio.run(through_faust(kafka, f"{namespace}ticks"))
    assert until(lambda: log.bounds("ticks", 0).end == 3, WAIT_S)
    assert [record.value for record in log.read("ticks", 0, 0, 9)] == [b"a", b"b", b"c"]
    log.trim("ticks", 0, 1)
    log.close()


async def through_faust(kafka: Kafka, topic: str) -> None:
    """Its own producer, made from its own settings."""
    import faust  # noqa: PLC0415 - it reads sys.argv

    app = faust.App("rtrec-test", **for_faust(kafka))
    producer = app.transport.create_producer()
    async with producer:
        await producer.send_and_wait(topic, None, b"c", 0, None, None)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize(("listener", "changes", "kind", "advice"), MISTAKES)
def test_a_mistake_is_named_with_the_setting_to_change(
    secured: Secured,
    adapter: Callable[[Kafka], None],
    listener: str,
    changes: dict[str, str],
    kind: type[Exception],
    advice: str,
) -> None:
    with pytest.raises(kind) as caught:
        adapter(mistaken(secured, listener, changes))
    assert advice in str(caught.value)
    assert PASSWORD not in str(caught.value)


def mistaken(secured: Secured, listener: str, changes: dict[str, str]) -> Kafka:
    theirs = {"cafile": str(secured.theirs.authority)} if changes.get("cafile") == "theirs" else {}
    return secured.kafka(listener, **(changes | theirs))


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.__name__)
def test_a_broker_that_asks_who_we_are_is_told_or_says_so(secured: Secured, adapter: Callable[[Kafka], None]) -> None:
    """TLS 1.3 lets the client in first, so the refusal comes as an alert or as a closed connection."""
    with pytest.raises((KafkaRefused, KafkaAway), match=r"kafka\.(certfile|security)"):
        adapter(secured.kafka("MUTUAL"))


def test_who_may_not_do_it_is_told_so(secured: Secured, namespace: str) -> None:
    """A topic that a user may not see is not called missing."""
    ours = KafkaLog(settings_of(secured.kafka("SECURE"), namespace))
    ours.create("ticks", 1)
    ours.close()
    kafka = secured.kafka("SECURE", username="guest")
    log = KafkaLog(settings_of(kafka, namespace))
    calls: list[Callable[[], object]] = [
        lambda: log.partitions("ticks"),
        lambda: log.create("ticks", 1),
        lambda: log.create("scored", 1),
        lambda: log.append("ticks", 0, [NewRecord(b"x")], 0),
        lambda: log.read("ticks", 0, 0, 1),
    ]
    for call in calls:
        with pytest.raises(KafkaRefused, match=r"grant|uthoriz"):
            call()
    log.close()
    with BackgroundProducer(settings_of(kafka, namespace)) as producer, pytest.raises(KafkaRefused, match="grant"):
        producer.send_all([Message("ticks", 0, b"x")])
    code, said = create(kafka)
    assert code == 1
    assert "grant" in said


def test_the_command_reads_all_of_it_from_the_environment(secured: Secured) -> None:
    code, said = create(secured.kafka("SECURE"))
    assert (code, json.loads(said)["ok"]) == (0, True)
    code, said = create(secured.kafka("SECURE", password="wrong"))  # noqa: S106 - that is the point
    assert code == 1
    assert "kafka.password" in said
    assert "Traceback" not in said
    assert "wrong" not in said
    code, said = create(secured.kafka("SECURE", cafile=str(secured.theirs.authority)))
    assert code == 1
    assert "kafka.cafile" in said


def test_a_file_that_is_missing_is_named_by_the_command(secured: Secured, tmp_path: Path) -> None:
    code, said = create(secured.kafka("TLS", cafile=str(tmp_path / "gone.pem")))
    assert code == 1
    assert "gone.pem" in said
