"""Ports are kept, lie where no outgoing connection takes them, and readiness is judged by the present run's log."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.part import BUS_OFFSET, HOST, LAST_PORT, Part, free_port, taken
from services.process import ServiceError

SERVER = "import time; print('ready', flush=True); time.sleep(60)"


class Small(Part):
    """A server that prints that it is ready."""

    source = SERVER

    def programs(self) -> list[str]:
        return []

    def prepare(self) -> list[str]:
        return [sys.executable, "-c", self.source]

    def ready(self) -> bool:
        return "ready" in self.log_text()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    part = Small("small", tmp_path / "small")
    yield part
    part.kill()


def test_ports_are_chosen_once_and_known_to_whoever_opens_the_folder(small: Small) -> None:
    assert small.port() == small.port() == Small("small", small.folder).port()
    assert small.port("more") != small.port()


def test_a_port_and_its_clusters_bus_lie_below_those_of_outgoing_connections() -> None:
    assert LAST_PORT + BUS_OFFSET < 32_768


def test_a_port_that_somebody_listens_on_is_taken() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        assert taken(listener.getsockname()[1])
    assert not taken(free_port())


def test_starting_what_runs_is_no_second_process(small: Small) -> None:
    assert small.start()
    process = small.process
    assert not small.start()
    assert not Small("small", small.folder).start(), "nor for somebody else who opens the folder"
    assert small.process == process


def test_a_restart_is_ready_by_what_the_new_process_says(small: Small) -> None:
    """The log is appended to: an earlier run's line must not pass for the present one's."""
    small.start()
    small.kill()
    small.source = "import time; time.sleep(60)"
    small.launch()
    with pytest.raises(ServiceError, match="small is not ready"):
        small.wait(seconds=0.2)
    with pytest.raises(ServiceError, match="small is not ready"):
        Small("small", small.folder).wait(seconds=0.2)


def test_a_server_that_ends_is_reported_with_the_end_of_its_log(small: Small) -> None:
    small.source = "raise SystemExit('no such option: --colour')"
    with pytest.raises(ServiceError, match=r"small ended(?s:.*)no such option: --colour"):
        small.start()
    assert not small.running


def test_a_stopped_one_is_not_running_and_says_whether_it_went_by_itself(small: Small) -> None:
    assert not small.stop(), "nothing ran"
    small.start()
    assert small.stop()
    assert not small.running
