"""`rtrec up` as a child process on a free port, for tests that ask it over HTTP."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx

READY_S = 180
"""The first start of an installation compiles kernels."""
RTREC = [sys.executable, "-m", "rtrec.cli"]
T = TypeVar("T")


def environment(**more: str) -> dict[str, str]:
    """The environment of this process without `RTREC_…` variables: they would be settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RTREC_")} | more


def eventually(condition: Callable[[], T | None], seconds: float = 10.0) -> T:
    """What a condition gives as soon as it gives something."""
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"it did not come about within {seconds} s")


class Served:
    """A served data folder. `client` asks it."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.log = data.parent / f"{data.name}.log"
        command = [*RTREC, "up", "--data", str(data), "--port", "0", *arguments]
        with self.log.open("ab") as log:
            begins = log.tell()
            self.child = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=log, stderr=log, env=environment(), cwd=data.parent
            )
        try:
            self.url = eventually(lambda: self._url(begins), READY_S)
            self.client = httpx.Client(base_url=self.url, timeout=30)
            eventually(lambda: self.client.get("/readyz").status_code == 200, READY_S)
        except BaseException:
            self.kill()
            raise

    def _url(self, begins: int) -> str | None:
        said = self.log.read_bytes()[begins:].decode()
        assert self.child.poll() is None, said
        found = re.search(r"listening on (http://\S+)", said)
        return found and found[1]

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal and return its exit code."""
        self.client.close()
        self.child.send_signal(how)
        return self.child.wait(30)

    def kill(self) -> None:
        """End it, whatever it does."""
        self.child.kill()
        self.child.wait()
