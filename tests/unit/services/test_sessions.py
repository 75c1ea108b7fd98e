"""What a killed test session left behind is stopped by the next; what a living one uses stays."""

import json
import os
from pathlib import Path

import pytest

from services.part import Part
from services.process import Process, began, spawn
from tests.services import Session, begin, sweep


def leave(folder: Path, owner: list[object]) -> Path:
    """A session's folder with one running process, as a part records it."""
    part = folder / "set-0" / "redis"
    part.mkdir(parents=True)
    process = spawn(["/bin/sleep", "60"], part / "server.log")
    (part / "state.json").write_text(json.dumps({"pid": process.pid, "began": process.began}), encoding="utf-8")
    (folder / "owner.json").write_text(json.dumps(owner), encoding="utf-8")
    return part


def running(part: Path) -> bool:
    state = json.loads((part / "state.json").read_text(encoding="utf-8"))
    return Process(state["pid"], state["began"]).alive


def test_a_dead_sessions_processes_and_files_go_and_a_living_ones_stay(tmp_path: Path) -> None:
    alive = leave(tmp_path / "tests-1", [os.getpid(), began(os.getpid())])
    leave(tmp_path / "tests-2", [os.getpid(), "an earlier process with this id"])
    dead = int(json.loads((tmp_path / "tests-2" / "set-0" / "redis" / "state.json").read_text())["pid"])
    assert sweep(tmp_path) == [tmp_path / "tests-2"]
    assert began(dead) is None
    assert not (tmp_path / "tests-2").exists()
    assert running(alive)
    (tmp_path / "tests-1" / "owner.json").unlink()
    assert sweep(tmp_path) == [tmp_path / "tests-1"]


def test_a_session_has_services_of_its_own_where_none_run(tmp_path: Path) -> None:
    session = begin(tmp_path)
    assert session.shared.folder == session.folder == tmp_path / f"tests-{os.getpid()}"
    assert not session.shared.running
    assert sweep(tmp_path) == [], "it is ours and we live"


SEEN: set[str] = set()


@pytest.mark.parametrize("_run", range(3))
def test_each_test_has_a_namespace_that_no_other_has(_run: int, service_session: Session, namespace: str) -> None:
    assert namespace.startswith(service_session.prefix)
    assert namespace.endswith("-")
    assert namespace not in SEEN
    SEEN.add(namespace)


def test_two_sets_of_one_session_share_no_folder_and_no_port(service_session: Session) -> None:
    parts: list[Part] = []
    for services in (service_session.isolated(), service_session.isolated()):
        parts += [services.redis, services.kafka, *services.cluster.nodes]
    assert len({part.folder for part in parts}) == len({part.port() for part in parts}) == 10
