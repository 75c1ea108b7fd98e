"""The files that put a cluster up: valid, locked down, and agreeing with each other and with the code."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.specifiers import SpecifierSet

from rtrec.cli import COMMANDS, main
from rtrec.cli.stage import STAGES
from rtrec.settings import Settings
from rtrec.settings_io import load
from services.kafka_broker import PROPERTIES
from tests.cluster.compose import ROOT, Document, compose_file, docker_compose
from tests.services import skipping

OURS = ("topics", *STAGES, "api")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> Document:
    with skipping():
        found: Document = compose_file()["services"]
    return found


def test_docker_compose_takes_the_file() -> None:
    with skipping():
        done = docker_compose("config", "-q")
    assert (done.returncode, done.stderr) == (0, "")


def test_there_is_no_password_by_default(tmp_path: Path) -> None:
    """Without a .env it does not start, and says what to do."""
    empty = tmp_path / "empty"
    empty.touch()
    with skipping():
        done = docker_compose("config", "-q", variables=empty)
    assert done.returncode != 0
    assert "copy .env.example to .env" in done.stderr


def test_every_variable_of_the_file_is_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    explained = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert named == explained


def test_every_container_is_locked_down_and_looked_after(services: Document) -> None:
    """Not root, no new rights, no capability, bounded, begun again; all but Kafka, which writes settings, read-only."""
    for name, service in services.items():
        assert not service["user"].startswith(("0", "root")), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "cpus", "pids_limit", "logging"} <= service.keys(), name
        assert service.get("read_only", False) == (name != "kafka"), name
        assert service["restart"] == ("on-failure" if name == "topics" else "unless-stopped"), name
        assert ("healthcheck" in service) == (name != "topics"), name
        assert "privileged" not in service, name


def test_only_loopback_is_published_and_only_of_two(services: Document) -> None:
    """The API has no keys yet, and neither broker nor store is for anybody else."""
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(ports) == {"api", "grafana"}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)
    assert {name for name, service in services.items() if "api" in service["networks"]} == {"api", "prometheus"}


def test_every_stage_is_a_service_and_so_is_the_batch_model_once_it_exists(services: Document) -> None:
    assert {name: services[name]["command"] for name in STAGES} == {name: ["rtrec", "stage", name] for name in STAGES}
    assert ("batch" in services) == ("batch" in COMMANDS)


def test_what_is_told_to_end_is_given_the_time_that_it_takes(services: Document) -> None:
    """`cluster.drain_ms`, and a second or two to say good-bye."""
    for name in (*STAGES, "api"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) >= Settings().cluster.drain_ms / 1_000 + 5


def test_the_broker_is_set_as_the_one_of_the_tests(services: Document) -> None:
    """Where both name a property they give it the same value."""
    environment = services["kafka"]["environment"]
    properties = {
        key.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for key, value in environment.items()
        if key.startswith("KAFKA_")
    }
    shared = PROPERTIES.keys() & properties.keys()
    assert {"process.roles", "auto.create.topics.enable", "offsets.topic.replication.factor"} <= shared
    assert {key: properties[key] for key in shared} == {key: PROPERTIES[key] for key in shared}


def test_prometheus_scrapes_the_api_and_grafana_reads_prometheus(services: Document) -> None:
    scraped = yaml.safe_load((ROOT / "configs/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = [
        target for job in scraped["scrape_configs"] for one in job["static_configs"] for target in one["targets"]
    ]
    assert targets == ["api:8000"]
    assert "8000" in services["api"]["command"]
    source = yaml.safe_load((ROOT / "configs/grafana/datasources/prometheus.yml").read_text(encoding="utf-8"))
    assert [one["url"] for one in source["datasources"]] == ["http://prometheus:9090"]


def test_the_image_is_made_of_what_is_there_and_let_through() -> None:
    """Every COPY from this folder names a file that exists and that .dockerignore has an exception for."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in rules
    copies = [shlex.split(line)[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    copied = {source for words in copies if not words[0].startswith("--from") for source in words}
    assert copied == {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_agrees_with_the_compose_file_and_the_project(services: Document) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (python,) = set(re.findall(r"^FROM python:([\d.]+)", DOCKERFILE, re.MULTILINE))
    assert python in SpecifierSet(project["requires-python"])
    assert f"with Python {python}\n" in (ROOT / "requirements-cluster.lock").read_text(encoding="utf-8")
    for name in OURS:
        assert f"\nUSER {services[name]['user']}\n" in DOCKERFILE
        assert f"\nWORKDIR {services[name]['working_dir']}\n" in DOCKERFILE
    assert "HEALTHCHECK" not in DOCKERFILE


@pytest.mark.parametrize("kind", ["build", "cluster"])
def test_locks_hold_hashes_and_no_address(kind: str) -> None:
    """Every requirement is pinned by hash, and no line names a host."""
    text = (ROOT / f"requirements-{kind}.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^[\w.-]+==", text, re.MULTILINE)
    assert len(re.findall(r"^[\w.-]+==\S+ .*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(pinned) > 3
    assert not re.search(r"://|index|find-links", text)


def test_the_cluster_lock_pins_what_the_extra_asks_for_as_the_others_do() -> None:
    """The image runs the versions that tests ran."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def pins(name: str) -> set[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE))

    asked = project["dependencies"] + project["optional-dependencies"]["cluster"]
    names = {re.split(r"[^\w-]", one)[0] for one in asked}
    assert names <= {pin.split("==")[0] for pin in pins("requirements-cluster.lock")}
    assert pins("requirements-cluster.lock") | pins("requirements-build.lock") <= pins("requirements-dev.lock")


def test_the_example_for_machines_is_a_cluster_that_loses_nothing_with_a_machine() -> None:
    """It loads; three copies of a topic; a registry and an archive that every machine reaches; no password in it."""
    file = ROOT / "configs/cluster.toml"
    assert CliRunner().invoke(main, ["config", "check", "--config", str(file)]).exit_code == 0
    settings = load(file, {})
    assert settings.kafka.bootstrap.count(",") == 2
    assert settings.redis.url
    assert settings.cluster.replication == 3
    assert "://" in settings.registry.url
    assert "://" in settings.archive.url
    assert settings.kafka.password == ""
    assert "@" not in settings.redis.url
