"""`rtrec serve` of a scenario, ready to answer."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.clustered.bed import Scenario
from benchmarks.clustered.processes import END_S, command, environ
from rtrec.simulator.client import ApiError, Client

READY_S: Final = 180.0


@contextmanager
def served(scenario: Scenario) -> Iterator[tuple[Client, int]]:
    """A client of one process, and its id."""
    folder = scenario.bed.folder / f"{scenario.namespace}serve"
    folder.mkdir(parents=True)
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command("serve", "--port", "0"), cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            env=environ(scenario, folder),
        )  # fmt: skip
    try:
        ends_s = time.monotonic() + READY_S
        while not (found := re.search(r"listening on (http://\S+)", log.read_text(errors="replace"))):
            _require(process, log.read_text(errors="replace"), ends_s)
        client = Client(found[1])
        while not _ready(client):
            _require(process, log.read_text(errors="replace"), ends_s)
        yield client, process.pid
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(client: Client) -> bool:
    try:
        client.get("/readyz")
    except (ApiError, OSError):
        return False
    return True


def _require(process: "subprocess.Popen[bytes]", said: str, ends_s: float) -> None:
    if process.poll() is not None or time.monotonic() > ends_s:
        raise RuntimeError(f"rtrec serve is not ready:\n{said[-2_000:]}")
    time.sleep(0.05)
