"""A machine without a program is told which packages bring it, once and whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.process import MissingError
from services.programs import program, require
from services.redis_server import RedisServer
from tests.services import start_or_skip

SCRIPT = Path(__file__).resolve().parents[3] / "services" / "services.py"


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("nothing_installed")
def test_the_command_names_all_that_is_missing_in_one_line_and_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(SCRIPT), "start", "--folder", str(tmp_path / "set")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert run.returncode == 1
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
    assert "java" in run.stderr
    assert "redis-server" in run.stderr
    assert "apt-get install" in run.stderr
    assert not (tmp_path / "set" / "env").exists()


@pytest.mark.usefixtures("nothing_installed")
def test_each_program_has_its_package() -> None:
    with pytest.raises(MissingError, match="apt-get install default-jre-headless maven redis-server"):
        require(["java", "mvn", "redis-server"])


def test_valkey_serves_as_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    valkey = tmp_path / "valkey-server"
    valkey.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program("redis-server") == str(valkey)


@pytest.mark.usefixtures("nothing_installed")
def test_a_test_without_its_service_is_skipped_on_a_laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install redis-server"):
        start_or_skip(RedisServer(tmp_path / "redis"))


@pytest.mark.usefixtures("nothing_installed")
def test_a_test_without_its_service_fails_in_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI must have it"):
        start_or_skip(RedisServer(tmp_path / "redis"))
