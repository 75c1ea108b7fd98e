"""Compile every kernel ahead of the first event: `python -m rtrec.runtime.warm`, as `make install` does.

Numba keeps what it compiles beside the sources (or under NUMBA_CACHE_DIR), so that this costs a quarter of
a minute once, and not the first replay or request.
"""

import tempfile
from pathlib import Path

import msgspec

from rtrec.events.schema import TYPES
from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.embedded import Embedded
from rtrec.settings import Settings


def warm() -> None:
    """Take one event of every type through every stage, and score."""
    event = {"anchor_id": "a", "user_id": "u", "live_id": "l", "value": 1, "watch_ms": 1, "kind": "block"}
    lines = [
        msgspec.json.encode({**event, "event_id": name, "type": name, "ts_ms": 1_700_000_000_000 + place})
        for place, name in enumerate(TYPES)
    ]
    with tempfile.TemporaryDirectory() as folder, Embedded.open(Path(folder), Settings()) as host:
        host.append_lines(lines)
        host.drain()
        host.serving.score(ScoreRequest(candidates=["a", "b"], user_id="u"))
        host.show_anchor("a")


if __name__ == "__main__":
    warm()
