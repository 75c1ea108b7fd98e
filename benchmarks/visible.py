"""How long from `POST /v1/events` to visible in `/v1/score`'s features, under load? One JSON line.

`rtrec up` runs in a process of its own on loopback and a fresh folder. Another process posts 500 events a second, 50
requests of 10, at a platform's mix of views, comments and gifts to 200 anchors. Meanwhile marks are made: a gift to an
anchor nobody has heard of, then `/v1/score` for that anchor until its `feature_age_ms` is not null. A mark's time runs
from just before its POST to the answer that shows it, both requests' own times included. `score_ms` is one such request
alone. Run: PYTHONPATH=. python benchmarks/visible.py [SECONDS]
"""

import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event as Stop
from pathlib import Path
from time import perf_counter
from typing import Any

from rtrec.simulator.client import Client
from tests.integration.serving import Served

LOAD_REQUESTS_PER_S, LOAD_EVENTS = 50, 10
ANCHORS, USERS = 200, 2_000
KINDS = {"impression": 6, "click": 1, "view_start": 2, "view_heartbeat": 6, "comment": 3, "gift": 1}
MARK_EVERY_S, WARM_MARKS = 0.05, 20
POLL_S = 0.002  # asked without a pause, the question itself would keep the server from taking the event
GIVEN_UP_S = 10.0


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def load(url: str, stop: Stop, told: Connection) -> None:
    """Post at an even pace until told to stop; then tell how many events were taken, and at what pace."""
    client, rng, number, started, turn = Client(url), random.Random(3), itertools.count(), perf_counter(), 0
    taken = 0
    while not stop.is_set():
        taken += len(client.send([_event(rng, f"load{next(number)}") for _ in range(LOAD_EVENTS)]))
        turn += 1
        time.sleep(max(0.0, started + turn / LOAD_REQUESTS_PER_S - perf_counter()))
    told.send(taken / (perf_counter() - started))


def _event(rng: random.Random, event_id: str) -> dict[str, Any]:
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    more = {"view_heartbeat": {"watch_ms": 5_000}, "gift": {"value": 100}}.get(kind, {})
    return {
        "event_id": event_id, "type": kind, "ts_ms": now_ms(), "anchor_id": f"a{rng.randrange(ANCHORS)}",
        "user_id": f"u{rng.randrange(USERS)}", **more,
    }  # fmt: skip


@dataclass
class Marks:
    """Gifts to anchors that nobody has heard of, each asked for until the features show it. send: of a gift.

    scores_ms: what each question took, since the warm-up.
    """

    client: Client
    send: Callable[[dict[str, Any]], object]
    every_s: float = MARK_EVERY_S
    poll_s: float = POLL_S
    given_up_s: float = GIVEN_UP_S
    scores_ms: list[float] = field(default_factory=list)

    def mark(self, anchor: str) -> float:
        """Milliseconds until a score shows it."""
        gift = {"event_id": f"m-{anchor}", "type": "gift", "ts_ms": now_ms(), "anchor_id": anchor, "user_id": "u",
                "value": 1}  # fmt: skip
        started = perf_counter()
        self.send(gift)
        while perf_counter() - started < self.given_up_s:
            asked = perf_counter()
            answer: Any = self.client.post("/v1/score", {"user_id": "u0", "candidates": [anchor]})
            self.scores_ms.append(1e3 * (perf_counter() - asked))
            if answer["scores"][0]["feature_age_ms"] is not None:
                return 1e3 * (perf_counter() - started)
            time.sleep(self.poll_s)
        raise RuntimeError(f"{anchor}: not in the features within {self.given_up_s:g} s")

    def warm(self) -> None:
        """The first ones warm both sides up and do not count."""
        for number in range(WARM_MARKS):
            self.mark(f"warm{number}")
        self.scores_ms.clear()

    def during(self, seconds: float) -> list[float]:
        """Marks for so long, evenly spread."""
        visible_ms, ends = list[float](), perf_counter() + seconds
        while perf_counter() < ends:
            started = perf_counter()
            visible_ms.append(self.mark(f"mark{len(visible_ms)}"))
            time.sleep(max(0.0, started + self.every_s - perf_counter()))
        return visible_ms


def quantiles(times_ms: list[float]) -> dict[str, float]:
    """The median, the 99th of a hundred, the longest."""
    ordered = sorted(times_ms)
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    return {name: round(ordered[int(share * (len(ordered) - 1))], 2) for name, share in shares}


def main(seconds: float) -> None:
    """Measure in a fresh folder and print."""
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "data")
        context, (told, tell) = get_context("spawn"), Pipe(duplex=False)
        stop = context.Event()
        loader = context.Process(target=load, args=(served.url, stop, tell), daemon=True)
        loader.start()
        try:
            client = Client(served.url)
            marks = Marks(client, lambda gift: client.send([gift]))
            marks.warm()
            visible_ms = marks.during(seconds)
            stop.set()
            pace = told.recv()
            loader.join()
            served.end()
        finally:
            loader.kill()
            served.kill()
    print(json.dumps({
        "seconds": seconds, "load_events_per_s": round(pace, 1), "marks": len(visible_ms),
        "visible_ms": quantiles(visible_ms), "score_ms": quantiles(marks.scores_ms),
    }))  # fmt: skip


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
