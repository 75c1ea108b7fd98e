"""`rtrec serve` as a process of its own, asked worker by worker.

Its workers share a port, and the kernel chooses who answers. A connection stays with whoever took it, and /proc says
who that is: so a test can ask each of them.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from services.process import until

HOST = "127.0.0.1"
READY_S = 180.0
ANSWER_S = 40.0
TRIES = 400
GONE_S = 20.0


class Answer(NamedTuple):
    """status, document (None where there is none), headers in small letters, and how long it took."""

    status: int
    document: Any
    headers: dict[str, str]
    took_s: float


@dataclass
class Worker:
    """One process of the API, by the connection that it has taken."""

    port: int
    pid: int
    connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Answer:
        """Ask this worker and no other."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = self._taken()
        try:
            return asked(connection, method, path, content, kind)
        except (http.client.HTTPException, ConnectionError):
            self.close()
            raise

    def get(self, path: str) -> Answer:
        """GET."""
        return self.ask("GET", path)

    def score(self, *anchors: str, user_id: str | None = None) -> Answer:
        """`POST /v1/score`."""
        asked_of = {"candidates": list(anchors)} | ({"user_id": user_id} if user_id else {})
        return self.ask("POST", "/v1/score", asked_of)

    def close(self) -> None:
        """Let go of its connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _taken(self) -> http.client.HTTPConnection:
        """A connection that this process has; an idle one may have been closed."""
        if self.connection is not None:
            with suppress(http.client.HTTPException, ConnectionError):
                asked(self.connection, "GET", "/healthz")
                return self.connection
            self.close()
        for _ in range(TRIES):
            connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_S)
            asked(connection, "GET", "/healthz")
            if _holder(connection, [self.pid]) == self.pid:
                self.connection = connection
                return connection
            connection.close()
        raise AssertionError(f"process {self.pid} took none of {TRIES} connections")


@dataclass
class Api:
    """The API of a cluster."""

    folder: Path
    environ: Mapping[str, str]
    workers: int = 2
    port: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RTREC_")}
        command = [sys.executable, "-m", "rtrec.cli", "serve", "--port", str(self.port), "--workers", str(self.workers)]
        with self.file.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=ours | dict(self.environ),
            )  # fmt: skip

    @property
    def file(self) -> Path:
        """Where it says what it does."""
        return self.folder / "serve.log"

    @property
    def log(self) -> str:
        """What it said."""
        return self.file.read_text(encoding="utf-8", errors="replace")

    def await_ready(self) -> list[Worker]:
        """Its workers, as soon as all of them are ready."""
        assert until(lambda: "listening on" in self.log or self.process.poll() is not None, READY_S), self.log
        found = re.findall(r"listening on http://[^:]+:(\d+)", self.log)
        assert found, self.log
        self.port = int(found[-1])
        taken: dict[int, Worker] = {}

        def ready() -> bool:
            assert self.process.poll() is None, self.log
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(HOST, self.port, timeout=5.0)
                if asked(connection, "GET", "/readyz").status == 200:
                    pid = _holder(connection, self._pids())
                    if pid is not None:
                        taken.setdefault(pid, Worker(self.port, pid))
                connection.close()
            return len(taken) == self.workers

        assert until(ready, READY_S), f"ready are {sorted(taken)} of {self._pids()}\n{self.log[-3_000:]}"
        return [taken[pid] for pid in sorted(taken)]

    def _pids(self) -> list[int]:
        """The processes that may answer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [self.process.pid, *map(int, children.split())]

    def end(self) -> tuple[int | None, float]:
        """Tell it to end; its exit code, and how long it took."""
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        gone = until(lambda: self.process.poll() is not None, GONE_S)
        took_s = time.monotonic() - began_s
        self.destroy()
        return (self.process.returncode if gone else None), took_s

    def destroy(self) -> None:
        """End it and its children, whatever they do."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def asked(
    connection: http.client.HTTPConnection, method: str, path: str, content: bytes | None = None,
    kind: str = "application/json",
) -> Answer:  # fmt: skip
    """One request and its answer."""
    began_s = time.monotonic()
    connection.request(method, path, content, {"Content-Type": kind} if content is not None else {})
    response = connection.getresponse()
    text = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    document = json.loads(text) if text and "json" in headers.get("content-type", "") else None
    return Answer(response.status, document, headers, time.monotonic() - began_s)


def _holder(connection: http.client.HTTPConnection, pids: list[int]) -> int | None:
    """Which of some processes has the other end of a connection."""
    here, there = connection.sock.getsockname()[1], connection.sock.getpeername()[1]
    wanted = f"0100007F:{there:04X}", f"0100007F:{here:04X}"
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if (fields[1], fields[2]) == wanted:
            name = f"socket:[{fields[9]}]"
            return next((pid for pid in pids if name in _open_files(pid)), None)
    return None


def _open_files(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(file.readlink()))
    return found
