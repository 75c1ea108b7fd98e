"""`docker-compose.yml` without an engine: its services' own commands, variables and health checks as local processes.

What a container would have and a process has not is put in by replacing text: host names, ports and folders. All else
is what the file says, as `docker-compose config` reads it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from services.process import MissingError, until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / ".env.example"
CHECK_S = 30.0
"""A check starts a Python; a container's timeout is for a machine that has the time."""
Document = dict[str, Any]


def docker_compose(*arguments: str, variables: Path = EXAMPLE) -> subprocess.CompletedProcess[str]:
    """Run it on our file, with the variables of a file and no others."""
    program = shutil.which("docker-compose")
    if program is None:
        raise MissingError("docker-compose is not on the PATH; on Debian or Ubuntu: apt-get install docker-compose")
    command = [program, "--env-file", str(variables), "--file", str(ROOT / "docker-compose.yml"), *arguments]
    environ = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - our own


def compose_file() -> Document:
    """The file with variables and references put in."""
    done = docker_compose("config")
    assert done.returncode == 0, done.stderr
    read: Document = yaml.safe_load(done.stdout)
    return read


def text_of(value: object) -> str:
    """A text of the resolved file as a container gets it."""
    return str(value).replace("$$", "$")


@dataclass
class Running:
    """A service as a process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    check: Sequence[str]
    environ: Mapping[str, str]
    folder: Path
    said: str = ""

    def healthy(self) -> bool:
        """Whether its health check passes; what the check said otherwise is kept."""
        assert self.process.poll() is None, f"{self.name} ended: {self.tail()}"
        done = subprocess.run(  # noqa: S603 - the file's own command
            self.check, env=self.environ, cwd=self.folder, capture_output=True, text=True, timeout=CHECK_S, check=False
        )
        self.said = done.stdout + done.stderr
        return done.returncode == 0

    def gone(self, seconds: float) -> int:
        """Its exit code when it has ended, which it must within so long."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended after {seconds:.1f} s: {self.tail()}") from None

    def tail(self) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])


@dataclass
class Composed:
    """The file's services on this machine.

    replaced: text of the file → what stands for it here. folder: for logs, `data` and `run` of each.
    more, own: variables of every service, and of some. away: services that are had otherwise.
    """

    document: Document
    folder: Path
    replaced: Mapping[str, str]
    more: Mapping[str, str]
    away: frozenset[str]
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def start(self, names: Sequence[str], seconds: float) -> None:
        """Start services and what they depend on, each when its dependencies are as it asks."""
        for name in names:
            self._start(name, seconds)

    def _start(self, name: str, seconds: float) -> None:
        if name in self.running or name in self.done or name in self.away:
            return
        service = self.document["services"][name]
        for other, asked in service.get("depends_on", {}).items():
            self._start(other, seconds)
            if asked["condition"] == "service_healthy" and other not in self.away:
                self.await_health([other], seconds)
        one = self._spawn(name, service)
        if service["restart"] != "on-failure":
            self.running[name] = one
            return
        assert one.process.wait(seconds) == 0, f"{name}: {one.tail()}"
        self.done.add(name)

    def await_health(self, names: Sequence[str], seconds: float) -> None:
        """Wait until the health check of each passes."""
        for one in (self.running[name] for name in names):
            assert until(one.healthy, seconds), f"{one.name} is not healthy: {one.said}\n{one.tail()}"

    def end(self, names: Sequence[str], seconds: float) -> dict[str, int]:
        """End services as an engine does, all at once: the exit code of each, which must be gone within so long."""
        for name in names:
            self.running[name].process.send_signal(signal.SIGTERM)
        ends_s = time.monotonic() + seconds
        return {name: self.running[name].gone(max(0.0, ends_s - time.monotonic())) for name in names}

    def kill(self) -> None:
        """End all that still run, at once."""
        for one in self.running.values():
            one.process.kill()
            one.process.wait()

    def _spawn(self, name: str, service: Document) -> Running:
        data, run = self.folder / "data", self.folder / "run" / name
        for folder in (data, run):
            folder.mkdir(parents=True, exist_ok=True)
        places = {"/var/lib/rtrec": str(data), "/data": str(data), "/run/rtrec": str(run), **self.replaced}
        there = re.compile("|".join(map(re.escape, places)))  # in one pass: what is put in may look like another

        def local(value: object) -> str:
            return there.sub(lambda found: places[found[0]], text_of(value))

        environ = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(run),
            **{key: local(value) for key, value in service["environment"].items()},
            **self.more,
            **self.own.get(name, {}),
        }
        kind, *words = service.get("healthcheck", {}).get("test", ["NONE"])
        check = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
        command = [local(word) for word in service["command"]]
        log, folder = self.folder / f"{name}.log", self._working_folder(service) or run
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - the file's own command
                command, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        return Running(name, process, log, [local(word) for word in check], environ, folder)

    def _working_folder(self, service: Document) -> Path | None:
        """Where the folder is that the file mounts as the service's working one."""
        mounts = (volume.split(":") for volume in service.get("volumes", []))
        return next((Path(source) for source, target, *_ in mounts if target == service.get("working_dir")), None)
