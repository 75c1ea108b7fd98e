"""Others beside us: the same topic, much less work, one process each.

Each adds up events by anchor and minute into Redis: no checks, no duplicates, no windows, no heat, and no offsets with
the sums. A peer is a script here that prints one JSON line. Faust's runs in our environment, the others' each in one of
its own below `.services/peers`, made when it is first asked for, so that our lock knows nothing of them.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.clustered.bed import Scenario
from services.service_set import SERVICES

HERE: Final = Path(__file__).parent
DONE_S: Final = 300.0
INSTALLED_S: Final = 300.0


class Peer(NamedTuple):
    """packages: of an environment of its own; none: ours. events: how many it is timed with, after a tenth of that."""

    events: int
    packages: tuple[str, ...] = ()


PEERS: Final = {
    "faust": Peer(10_000),
    "bytewax": Peer(200_000, ("bytewax==0.21.1", "confluent-kafka", "hiredis", "msgspec", "redis")),
    "quix": Peer(30_000, ("quixstreams", "hiredis", "redis")),
    "pathway": Peer(200_000, ("pathway", "hiredis", "redis")),
}


def measured(scenario: Scenario, name: str, most: int) -> dict[str, Any]:
    """A peer's figures on a scenario's `events`, of which `most` may be taken; or why there are none."""
    peer = PEERS[name]
    events = min(peer.events, most * 3 // 4)  # batches overshoot
    folder = scenario.bed.folder / f"peer-{name}"
    folder.mkdir()
    try:
        python = _python(name, peer)
    except (OSError, subprocess.SubprocessError) as error:
        return {"not_installed": str(error)}
    told = {"KAFKA": scenario.bed.kafka, "REDIS": scenario.bed.redis, "TOPIC": scenario.topic("events"),
            "PREFIX": scenario.namespace, "WARM": str(events // 10), "EVENTS": str(events)}  # fmt: skip
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("RTREC_", "PYTHONPATH"))}
    try:
        done = subprocess.run(  # noqa: S603 - our own scripts
            [python, str(HERE / f"peer_{name}.py")], cwd=folder, capture_output=True, text=True, timeout=DONE_S,
            check=False, env=ours | {f"PEER_{key}": value for key, value in told.items()},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {DONE_S:g} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"failed": (done.stderr or done.stdout)[-500:]}
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures


def _python(name: str, peer: Peer) -> str:
    if not peer.packages:
        return sys.executable
    place = SERVICES / "peers" / name
    python = place / "bin" / "python"
    if not (place / "installed").exists():
        venv.create(place, clear=True, with_pip=True)
        subprocess.run(  # noqa: S603 - fixed packages
            [python, "-m", "pip", "install", "--quiet", *peer.packages], check=True, timeout=INSTALLED_S
        )
        (place / "installed").touch()
    return str(python)
