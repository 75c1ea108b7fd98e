"""Small hosts for tests: events, and settings whose learner is small."""

import itertools
import json
import time
from typing import Any

from rtrec.runtime.embedded import Embedded
from rtrec.settings import Learner, Settings

SETTINGS = Settings(learner=Learner(slots_log2=10))
DAY_MS = 86_400_000
_numbers = itertools.count()


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def event(kind: str, anchor_id: str = "a", user_id: str | None = "u", **more: Any) -> dict[str, Any]:
    """An event of now with an id of its own, unless told otherwise."""
    made = {"event_id": f"t{next(_numbers)}", "type": kind, "ts_ms": now_ms(), "anchor_id": anchor_id}
    return made | ({"user_id": user_id} if user_id else {}) | more


def line(made: dict[str, Any]) -> bytes:
    """An event as JSON."""
    return json.dumps(made).encode()


def append(host: Embedded, *events: dict[str, Any] | bytes) -> None:
    """Into the log only."""
    host.append_lines([one if isinstance(one, bytes) else line(one) for one in events], durable=False)


def take(host: Embedded, *events: dict[str, Any] | bytes) -> None:
    """Through all stages."""
    append(host, *events)
    host.drain()
