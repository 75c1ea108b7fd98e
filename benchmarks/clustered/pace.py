"""Events of a platform at an even pace, from a process of its own, as producers send them.

People look at rooms: an impression, for a third of them a click and a view, comments and gifts now and then. `hot` is
the share of the events that concern one anchor.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event as Flag
from time import perf_counter
from typing import Final

from confluent_kafka import Producer

ANCHORS: Final = 2_000
USERS: Final = 20_000
TICK_S: Final = 0.01
BEGUN_S: Final = 120.0
ENTERS: Final = 1 / 3
KINDS: Final = (
    *("view_heartbeat",) * 6, "comment", "comment", "like", "like", "gift", "share",
)  # fmt: skip
MORE: Final = {"view_heartbeat": b',"watch_ms":5000', "view_end": b',"watch_ms":2000', "gift": b',"value":100'}


@dataclass
class Told:
    """What came of it. late_s: how far the sender fell behind its own pace at worst."""

    events: int
    per_s: float
    late_s: float


def visits(rng: random.Random, hot: float) -> Iterator[tuple[bytes, str, bytes]]:
    """(anchor, kind, user) for ever."""
    while True:
        anchor = b"hot" if rng.random() < hot else b"a%d" % int(ANCHORS * rng.random() ** 2)
        user = b"u%d" % int(USERS * rng.random() ** 2)
        yield anchor, "impression", user
        if rng.random() < ENTERS:
            yield anchor, "click", user
            yield anchor, "view_start", user
            for _ in range(rng.randrange(4)):
                yield anchor, rng.choice(KINDS), user
            yield anchor, "view_end", user


def send(bootstrap: str, topic: str, per_s: int, hot: float, stop: Flag, told: Connection) -> None:
    """Send until told to stop."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 5, "acks": "all",
         "queue.buffering.max.messages": 1_000_000}
    )  # fmt: skip
    rng = random.Random(5)
    source, began, sent, late_s, run = visits(rng, hot), perf_counter(), 0, 0.0, rng.getrandbits(32)
    told.send(None)
    while not stop.is_set():
        due = int((perf_counter() - began) * per_s)
        now_ms = time.time_ns() // 1_000_000
        for number in range(sent, due):
            anchor, kind, user = next(source)
            producer.produce(
                topic,
                b'{"event_id":"%x-%d","type":"%s","ts_ms":%d,"anchor_id":"%s","user_id":"%s"%s}'
                % (run, number, kind.encode(), now_ms, anchor, user, MORE.get(kind, b"")),
                anchor,
            )
            if number % 1_000 == 0:
                producer.poll(0)
        sent = max(sent, due)
        producer.poll(0)
        behind_s = perf_counter() - began - due / per_s
        late_s = max(late_s, behind_s)
        time.sleep(max(0.0, TICK_S - behind_s))
    per_s_sent = sent / (perf_counter() - began)
    producer.flush(30)
    told.send(Told(sent, per_s_sent, late_s))


class Load:
    """A sender at work. `end` stops it and says what came of it."""

    def __init__(self, bootstrap: str, topic: str, per_s: int, hot: float = 0.0) -> None:
        context, (self._told, tell) = get_context("spawn"), Pipe(duplex=False)
        self._stop = context.Event()
        self.process = context.Process(target=send, args=(bootstrap, topic, per_s, hot, self._stop, tell), daemon=True)
        self.process.start()
        if not self._told.poll(BEGUN_S):
            raise RuntimeError("the sender did not begin")
        self._told.recv()

    def end(self) -> Told:
        """Stop."""
        self._stop.set()
        if not self._told.poll(60):
            raise RuntimeError("the sender did not end")
        told: Told = self._told.recv()
        self.process.join()
        return told


@contextmanager
def loaded(bootstrap: str, topic: str, per_s: int, hot: float = 0.0) -> Iterator[Load]:
    """A sender that is gone afterwards, whatever happens."""
    load = Load(bootstrap, topic, per_s, hot)
    try:
        yield load
    finally:
        load.process.kill()
