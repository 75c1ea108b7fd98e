"""Compile, or load, every kernel ahead of the first event: `python -m rtrec.runtime.warm`, as `make install` does.

Numba keeps what it compiles beside the sources (or under NUMBA_CACHE_DIR), so that the quarter of a minute
it takes is paid once, at install. A server does it before it says that it is ready: half a second then.
"""

import tempfile
from pathlib import Path

import msgspec

from rtrec.events.schema import TYPES
from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.host import Host
from rtrec.settings import Settings


def warm() -> None:
    """Take one event of every type through every stage, and score."""
    event = {"anchor_id": "a", "user_id": "u", "live_id": "l", "value": 1, "watch_ms": 1, "kind": "block"}
    lines = [
        msgspec.json.encode({**event, "event_id": name, "type": name, "ts_ms": 1_700_000_000_000 + place})
        for place, name in enumerate(TYPES)
    ]
    with tempfile.TemporaryDirectory() as folder, Host.open(Path(folder), Settings()) as host:
        host.append_lines(lines)
        host.drain()
        host.serving.score(ScoreRequest(candidates=["a", "b"], user_id="u"))
        host.serving.anchor("a")


if __name__ == "__main__":
    warm()
