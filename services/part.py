"""One server process with a folder of its own: started, stopped, killed and started again on the same ports and data.

Its folder holds `state.json` (process, ports, command), `server.log` (what it printed, over all its starts), its
configuration (written anew at each start) and `data/`.
"""

import contextlib
import json
import os
import random
import signal
import socket
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from services.process import Process, ServiceError, spawn, until
from services.programs import require

HOST = "127.0.0.1"
READY_S = 60.0  # 6 s were measured for Kafka on two idle cores; others may keep them busy
LOG_TAIL_LINES = 20
# Below the ports that outgoing connections take (from 32,768 on): while a killed server is away nobody gets its port,
# and no client connects to itself there. A Redis Cluster's bus is 10,000 above its port.
FIRST_PORT, LAST_PORT, BUS_OFFSET = 11_000, 21_999, 10_000


class Part(ABC):
    """A server: what differs between servers is how it is set up, its command, and when it is ready."""

    port_names: tuple[str, ...] = ("client",)

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder.resolve()
        self.log = self.folder / "server.log"
        self.data = self.folder / "data"

    @abstractmethod
    def programs(self) -> list[str]:
        """What it takes to start it, by the names in `programs.PACKAGES`."""

    @abstractmethod
    def prepare(self) -> list[str]:
        """Write the configuration, and give the command to start."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers."""

    @property
    def address(self) -> str:
        """host:port for clients."""
        return f"{HOST}:{self.port()}"

    def port(self, name: str = "client") -> int:
        """One of its ports; they are chosen once and kept."""
        ports: dict[str, int] = self.state.get("ports", {})
        if name not in ports:
            ports = ports | {missing: free_port() for missing in (*self.port_names, name) if missing not in ports}
            self._save(self.state | {"ports": ports})
        return ports[name]

    @property
    def state(self) -> dict[str, Any]:
        """What is recorded of it."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found

    @property
    def process(self) -> Process | None:
        """Its process, if it runs."""
        state = self.state
        process = Process(state["pid"], state["began"]) if "pid" in state else None
        return process if process and process.alive else None

    @property
    def running(self) -> bool:
        """Whether its process is there, ready or not."""
        return self.process is not None

    def start(self) -> bool:
        """Start it and wait until it is ready; False if it ran already."""
        launched = self.launch()
        self.wait()
        return launched

    def launch(self) -> bool:
        """Start it without waiting; False if it ran already."""
        if self.running:
            return False
        require(self.programs())
        self.data.mkdir(parents=True, exist_ok=True)
        command = self.prepare()
        log_start = self.log.stat().st_size if self.log.exists() else 0
        process = spawn(command, self.log)
        facts = {"pid": process.pid, "began": process.began, "command": command, "log_start": log_start}
        self._save(self.state | facts)
        return True

    def wait(self, seconds: float = READY_S) -> None:
        """Wait until it is ready."""
        if until(lambda: not self.running or self.ready(), seconds) and self.running:
            return
        what = "is not ready" if self.running else "ended"
        raise ServiceError(f"{self.name} {what}; the end of {self.log}:\n{self.log_tail()}")

    def stop(self) -> bool:
        """End it in order: SIGTERM, and SIGKILL if that does not do; whether it ran and ended by itself."""
        process = self.process
        orderly = process is not None and process.terminate()
        self._forget()
        return orderly

    def kill(self) -> None:
        """End it as a crash does: SIGKILL."""
        if process := self.process:
            process.kill()
        self._forget()

    def restart(self) -> None:
        """Stop it if it runs, and start it with the same ports and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP), as a machine that hangs: connections stay, nothing answers."""
        if process := self.process:
            process.freeze()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if process := self.process:
            process.send(signal.SIGCONT)

    def log_text(self) -> str:
        """What it printed since it was started last."""
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as file:
            file.seek(self.state.get("log_start", 0))
            return file.read().decode(errors="replace")
        return ""

    def log_tail(self) -> str:
        """The end of it."""
        return "\n".join(self.log_text().splitlines()[-LOG_TAIL_LINES:])

    def _save(self, state: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "state.json", json.dumps(state, indent=1))

    def _forget(self) -> None:
        if "pid" in (state := self.state):
            self._save({key: value for key, value in state.items() if key not in {"pid", "began"}})


def free_port() -> int:
    """A port that nobody listens on, nor on the one a cluster's bus would take."""
    draw = random.SystemRandom()  # a test's seed must not give the same ports again
    for _ in range(1_000):
        port = draw.randint(FIRST_PORT, LAST_PORT)
        if not taken(port) and not taken(port + BUS_OFFSET):
            return port
    raise ServiceError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


def taken(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a server that ended may linger
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def write_whole(path: Path, text: str) -> None:
    """Write a file so that readers see the old or the new one, never half."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
