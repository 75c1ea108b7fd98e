"""Fixtures of real services: Kafka, Redis and Redis Cluster, started when a test first asks.

- Where `make services` runs them, tests use those. If not, the session starts its own below `.services/`, in a folder
  named by its process, and stops them at its end; what a session that was killed left behind goes with the next one.
- What is missing on the machine is a skip that says so, and where `CI` is set a failure.
- Services are shared by all tests: each puts its `namespace` before every topic, group and key. What bears the name
  of one is deleted from services that go on running.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from services.certificates import Certificates, make_certificates
from services.kafka_jars import locked
from services.process import MissingError, Process, began
from services.service_set import SERVICES, ServiceSet


class Startable(Protocol):
    """A service, or a set of them."""

    def start(self) -> object: ...


@dataclass
class Session:
    """What one test session uses and has started."""

    shared: ServiceSet
    folder: Path
    prefix: str = field(default_factory=lambda: f"t{secrets.token_hex(3)}")
    numbers: Iterator[int] = field(default_factory=count)

    def isolated(self, kafka_properties: Mapping[str, str] | None = None) -> ServiceSet:
        """A set of its own, in a folder that goes with the session."""
        return ServiceSet(self.own_folder(), kafka_properties=kafka_properties)

    def own_folder(self) -> Path:
        """A folder that nobody else has; what was started in it ends with the session at the latest."""
        return self.folder / f"set-{next(self.numbers)}"


def begin(folder: Path = SERVICES) -> Session:
    """Take the services that run, or a new set; remove what dead sessions left."""
    own = folder / f"tests-{os.getpid()}"
    with locked(folder / "tests.lock"):
        sweep(folder)
        own.mkdir(parents=True, exist_ok=True)
        (own / "owner.json").write_text(json.dumps([os.getpid(), began(os.getpid())]), encoding="utf-8")
    running = ServiceSet(folder)
    return Session(running if running.running else ServiceSet(own), own)


def sweep(folder: Path) -> list[Path]:
    """Stop and delete the sets of test sessions whose process is gone, and name their folders."""
    gone = [own for own in folder.glob("tests-*") if not _owned(own)]
    for own in gone:
        discard(own)
    return gone


def discard(own: Path, *, keep_files: bool = False) -> None:
    """Stop all that was started below a session's folder, and delete it; its logs tell why a test failed."""
    for record in own.rglob("state.json"):
        state = json.loads(record.read_text(encoding="utf-8"))
        if "pid" in state:
            Process(state["pid"], state["began"]).kill()
    if not keep_files:
        shutil.rmtree(own, ignore_errors=True)


def _owned(own: Path) -> bool:
    try:
        pid, start = json.loads((own / "owner.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return Process(pid, start).alive


def start_or_skip(service: Startable) -> None:
    """Start a service; skip the test where it cannot be had, but fail it in CI."""
    with skipping():
        service.start()


@contextmanager
def skipping() -> Iterator[None]:
    """Skip the test where something is not installed, but fail it in CI."""
    try:
        yield
    except MissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have it: {error}", pytrace=False)
        pytest.skip(str(error))


def tidy(session: Session) -> None:
    """Delete what the session put into services that go on running."""
    from tests.services_tidy import delete_keys, delete_topics  # noqa: PLC0415 - loads clients: not for each session

    if session.shared.kafka.running:
        delete_topics(session.shared.kafka.address, session.prefix)
    for redis in (session.shared.redis, *session.shared.cluster.nodes):
        if redis.running:
            delete_keys(redis.url, session.prefix)


@pytest.fixture(scope="session")
def service_session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """The services of this session; nothing is started yet."""
    session = begin()
    yield session
    if session.shared.folder == session.folder:
        session.shared.stop()
    else:
        tidy(session)
    discard(session.folder, keep_files=bool(request.session.testsfailed))


@pytest.fixture(scope="session")
def kafka(service_session: Session) -> str:
    """A real Kafka: its bootstrap address."""
    start_or_skip(service_session.shared.kafka)
    return service_session.shared.kafka.address


@pytest.fixture(scope="session")
def redis_url(service_session: Session) -> str:
    """A real Redis: its URL."""
    start_or_skip(service_session.shared.redis)
    return service_session.shared.redis.url


@pytest.fixture(scope="session")
def redis_cluster_url(service_session: Session) -> str:
    """A real Redis Cluster of three masters: the URL of one."""
    start_or_skip(service_session.shared.cluster)
    return service_session.shared.cluster.url


@pytest.fixture(scope="session")
def certificates(service_session: Session) -> Certificates:
    """An authority and a certificate for loopback, for services with TLS."""
    with skipping():
        return make_certificates(service_session.own_folder())
    raise AssertionError


@pytest.fixture
def namespace(service_session: Session) -> str:
    """What a test puts before its topics, groups and keys: no other test has it."""
    return f"{service_session.prefix}{next(service_session.numbers)}-"


@pytest.fixture
def isolated_services(service_session: Session) -> Iterator[Callable[..., ServiceSet]]:
    """Makes sets of services of the test's own, to be killed and restarted; they end with the test.

    The set is not started: `start_or_skip(services)`, or one of its parts.
    """
    made: list[ServiceSet] = []

    def make(kafka_properties: Mapping[str, str] | None = None) -> ServiceSet:
        made.append(service_session.isolated(kafka_properties))
        return made[-1]

    yield make
    for services in made:
        services.kill()
