"""The simulated app, in wall-clock time: it asks for recommendations, shows them, and reports what people do.

Rules
-----
- A turn is done under one lock: who holds it (an incident) has the platform standing still between two turns.
- Viewers of the app see what `/v1/recommend` answers and click by their true preference. Others come by
  search: they cause no impressions, but heat.
- An event counts in the ledger once the API has acknowledged it. A turn that fails ends the platform, and
  `check` hands its error on.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import msgspec

from rtrec.simulator.client import Client
from rtrec.simulator.crowd import Crowd
from rtrec.simulator.ledger import Ledger
from rtrec.simulator.pace import DEMO, Fields
from rtrec.simulator.simulation import popular
from rtrec.simulator.world import Viewer, World

VIEWERS: Final = 200
PASSERS_BY: Final = 60
ANCHORS: Final = 40
FEED_SIZE: Final = 8
TURN_S: Final = 0.04
ASKS_PER_TURN: Final = 2
"""At most 50 recommendations a second: what a service on two shared cores answers beside everything else."""
ORGANIC_PER_TURN: Final = 0.3
PAST_MS: Final = 180_000
"""The platform was there before the demo: rooms are of all ages, and windows do not all start from zero."""
PAST_FEEDS_PER_TURN: Final = 0.03
"""A few feeds of the past, ranked by charm and chance: their labels are all that is learned before the demo."""
REST_MS: Final = 800
"""Mean of what an app's viewer does elsewhere between two feeds."""


class Item(msgspec.Struct):
    """One recommended anchor."""

    anchor_id: str


class Answer(msgspec.Struct):
    """What the app needs of `POST /v1/recommend`'s answer."""

    request_id: str
    variant: str
    items: list[Item]

    def anchors(self) -> list[str]:
        """Ids, best first."""
        return [item.anchor_id for item in self.items]


class Platform:
    """A platform of simulated people around one API."""

    def __init__(self, url: str, seed: int) -> None:
        self.ledger = Ledger()
        self._held: set[str] = set()
        self.asks = 0
        self.ask_ms = 0.0
        self._client = Client(url)
        self._rng = Random(f"platform-{seed}")
        world = World(seed, VIEWERS + PASSERS_BY, ANCHORS)
        self._opened_ms = now_ms() - PAST_MS
        self.crowd = Crowd(world, self._rng, DEMO, f"d{self._opened_ms}.", self._opened_ms)
        self._app_users, self._passers_by = world.viewers[:VIEWERS], world.viewers[VIEWERS:]
        self._rests_until_ms: dict[str, int] = {}
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="platform")

    def start(self) -> None:
        """Live on in a thread."""
        self._thread.start()

    def send_past(self) -> None:
        """Send what happened before the demo. Only before `start`."""
        events: list[Fields] = []
        for at_ms in range(self._opened_ms, now_ms(), int(1_000 * TURN_S)):
            events += self.crowd.due(at_ms)
            viewer, live = self._rng.choice(self._passers_by), self.crowd.live()
            if self._rng.random() < PAST_FEEDS_PER_TURN and self.crowd.free(viewer, at_ms):
                feed = [one.anchor_id for one in popular(self._rng, live, FEED_SIZE)]
                self.crowd.show(viewer, feed, at_ms, self.crowd.next_id(), "feed")
            self._pass_by(at_ms)
        self.deliver(events)

    def stop(self) -> None:
        """Close; returns when the last turn is done."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()
        self._client.close()

    def check(self) -> None:
        """Raise what ended the platform, if something did."""
        if self._failure is not None:
            raise self._failure

    def send(self, fields: Fields) -> Fields:
        """Send one event more, now; returns it once it is durable."""
        with self._lock:
            event = self.crowd.stamp(fields, now_ms())
            self.deliver([event])
        return event

    @contextmanager
    def still(self) -> Iterator[None]:
        """Everybody leaves, and nothing happens until the block ends."""
        with self._lock:
            self.deliver([*self.crowd.due(now_ms()), *self.crowd.leave(now_ms())])
            yield

    def deliver(self, events: list[Fields]) -> None:
        """Send events and book what was taken. Only under the platform's lock, or in `still`."""
        if events:
            self.ledger.take(self._client.send(events))

    @contextmanager
    def no_gifts_to(self, anchor_id: str) -> Iterator[None]:
        """People give nothing to an anchor meanwhile, so that its gifts can be compared."""
        self._held.add(anchor_id)
        try:
            yield
        finally:
            self._held.discard(anchor_id)

    def _live(self) -> None:
        try:
            while not self._ends.is_set():
                started_s = time.monotonic()
                with self._lock:
                    self._turn(now_ms())
                self._ends.wait(max(0.005, TURN_S - (time.monotonic() - started_s)))
        except Exception as error:  # noqa: BLE001 - handed on by `check`, in the thread that runs the demo
            self._failure = error

    def _turn(self, at_ms: int) -> None:
        self.deliver(
            [one for one in self.crowd.due(at_ms) if one["type"] != "gift" or one["anchor_id"] not in self._held]
        )
        self._pass_by(at_ms)
        bored = [one for one in self._app_users if self._rests_until_ms.get(one.user_id, 0) <= at_ms]
        for viewer in self._rng.sample(bored, min(ASKS_PER_TURN, len(bored))):
            self._show_feed(viewer)

    def _pass_by(self, at_ms: int) -> None:
        """Sometimes, somebody comes by search."""
        viewer, live = self._rng.choice(self._passers_by), self.crowd.live()
        if live and self._rng.random() < ORGANIC_PER_TURN and self.crowd.free(viewer, at_ms):
            self.crowd.visit(viewer, popular(self._rng, live, 1)[0], at_ms, {"surface": "search"})

    def _show_feed(self, viewer: Viewer) -> None:
        asked_s = time.monotonic()
        answer = recommend(self._client, viewer.user_id, FEED_SIZE)
        self.asks += 1
        self.ask_ms += 1_000.0 * (time.monotonic() - asked_s)
        self.ledger.variant_of[viewer.user_id] = answer.variant
        shown_ms = now_ms()
        known = [one for one in answer.anchors() if one in self.crowd.world.anchor]
        self.crowd.show(viewer, known, shown_ms, answer.request_id, "feed")
        rest_ms = int(self._rng.expovariate(1.0 / REST_MS))
        self._rests_until_ms[viewer.user_id] = self.crowd.busy_until_ms[viewer.user_id] + rest_ms


def recommend(client: Client, user_id: str, n: int) -> Answer:
    """Ask for a user's feed."""
    body: Fields = {"user_id": user_id, "n": n, "context": {"surface": "feed"}}
    return msgspec.convert(client.post("/v1/recommend", body), Answer)


def now_ms() -> int:
    """The wall clock, in epoch milliseconds."""
    return time.time_ns() // 1_000_000
