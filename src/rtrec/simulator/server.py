"""`rtrec up` as a child process: started, waited for, killed, started again, and always ended.

Rules
-----
- The child leads a process group of its own: whatever it starts ends with it, and a Ctrl-C at the terminal
  reaches only the demo, which then ends the group.
- What it says goes to a file in its data folder; when it dies, the end of that file says why.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from typing import Final

from rtrec.simulator.client import ApiError, Client

HOST: Final = "127.0.0.1"
READY_S: Final = 180.0
"""The first start of an installation compiles kernels."""
STOP_S: Final = 15.0
POLL_S: Final = 0.05
SHOWN_LOG_BYTES: Final = 2_000


class ServerError(RuntimeError):
    """The server did not come up, or is gone."""


class Server:
    """One data folder's server."""

    def __init__(self, data: Path, port: int, config: Path) -> None:
        self.url = f"http://{HOST}:{port}"
        self._log = data / "demo-server.log"
        self._command = [
            sys.executable, "-m", "rtrec.cli", "up", "--data", str(data), "--host", HOST, "--port", str(port),
            "--config", str(config),
        ]  # fmt: skip
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until it is ready; returns the seconds that took."""
        started_s = time.monotonic()
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )  # fmt: skip
        while not self._ready():
            if self._child.poll() is not None:
                raise ServerError(f"the server ended with {self._child.returncode}:\n{self._last_words()}")
            if time.monotonic() - started_s > READY_S:
                raise ServerError(f"the server was not ready within {READY_S:.0f} s:\n{self._last_words()}")
            time.sleep(POLL_S)
        return time.monotonic() - started_s

    def kill(self) -> None:
        """SIGKILL, as a crash would: nothing is flushed or closed."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and see to it; a no-op when it does not run."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        _signal_group(child.pid, how)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _signal_group(child.pid, signal.SIGKILL)
            child.wait()

    def _ready(self) -> bool:
        client = Client(self.url, timeout_s=2.0, busy_retries=0)
        try:
            client.get("/readyz")
        except (OSError, HTTPException, ApiError):
            return False
        finally:
            client.close()
        return True

    def _last_words(self) -> str:
        return self._log.read_bytes()[-SHOWN_LOG_BYTES:].decode("utf-8", "replace")


def free_port(wanted: int) -> int:
    """The wanted port if nobody listens there, else some free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerError("no free port")


def _signal_group(pid: int, how: signal.Signals) -> None:
    """The group outlives its leader for as long as it has members; then there is nobody to signal."""
    try:
        os.killpg(pid, how)
    except ProcessLookupError:
        return
