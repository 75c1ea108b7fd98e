"""Streams of `streams` in which users lead fuller lives: what a user's record is made of, and where it ends.

The same life gives the same events. Every anchor starts with a category; profiles, negatives of each kind, views that
go on at the edge of their gap, equal times, and silences at the edge of 30 days are added.
"""

import random
from dataclasses import dataclass, field, replace
from typing import Any

from tests.replay.streams import HOUR_MS, MINUTE_MS, Event, Shape, stream

DAY_MS = 24 * HOUR_MS
GAP_MS = 30 * MINUTE_MS
SPEND_MS = (10 * MINUTE_MS, HOUR_MS, DAY_MS)
OF_ROOMS = frozenset({"live_start", "live_heartbeat", "live_end", "anchor_profile"})


@dataclass(frozen=True)
class Lives:
    """A shape's events and what is made of them.

    names: how many attributes, follows: how many ids at most a profile holds; the other figures are shares of events.
    """

    shape: Shape = field(default_factory=lambda: Shape(0))
    categories: int = 5
    names: int = 8
    follows: int = 6
    profiles: float = 0.05
    negatives: float = 0.05
    again: float = 0.03
    ties: float = 0.1
    silences: float = 0.01


def user_stream(lives: Lives) -> list[Event]:
    """The events, in order of arrival."""
    return _Narrator(lives).told()


class _Narrator:
    """The state of a stream under way. shift_ms: how far silences have moved what follows."""

    def __init__(self, lives: Lives) -> None:
        self.lives = lives
        self.rng = random.Random(lives.shape.seed ^ 0x5EED)
        self.shift_ms = 0
        self.out: list[Event] = []
        self._newest: dict[Any, int] = {}

    def told(self) -> list[Event]:
        """Premieres of all anchors, then the shape's events."""
        events = stream(self.lives.shape)
        for number in range(self.lives.shape.anchors):
            anchor_id = f"a{number}"
            premiere = {"type": "live_start", "anchor_id": anchor_id, "live_id": f"{anchor_id}-0"}
            self._add({"event_id": f"s{number}", "ts_ms": events[0]["ts_ms"]} | premiere | self._category(number))
        for event in events:
            self._tell(event)
        return self.out

    def _tell(self, event: Event) -> None:
        rng, lives = self.rng, self.lives
        event = event | {"ts_ms": event["ts_ms"] + self.shift_ms}
        if rng.random() < lives.silences:
            event |= self._after_silence(event)
        elif rng.random() < lives.ties:
            event |= self._beside(event)
        kind = event["type"]
        if kind == "live_start":
            event |= self._category(rng.randrange(lives.categories + 1))
        elif kind in {"view_heartbeat", "view_end"} and rng.random() < 0.1:
            event |= {"watch_ms": rng.choice([0, 60_000, 20 * MINUTE_MS, DAY_MS])}
        elif kind not in OF_ROOMS and kind not in {"gift", "user_profile"}:
            event |= self._other(rng.random())
        if kind in OF_ROOMS and rng.random() < 0.2:
            event |= {"user_id": "u1"}
        if event["type"] == "user_profile":
            event |= self._profile()
        self._add(event)
        if event["type"] in {"view_start", "view_end"} and rng.random() < 10 * lives.again:
            self._go_on(event)

    def _other(self, roll: float) -> Event:
        """Sometimes the user does something else than the shape says."""
        if roll < self.lives.negatives:
            return {"type": "negative", "kind": self.rng.choice(["block", "report", "not_interested"])}
        return {"type": "user_profile"} if roll < self.lives.negatives + self.lives.profiles else {}

    def _category(self, number: int) -> Event:
        """One of the categories; one number in `categories` + 1 is of an anchor without."""
        place = number % (self.lives.categories + 1)
        return {"category": f"c{place}"} if place < self.lives.categories else {"category": None}

    def _profile(self) -> Event:
        rng, lives = self.rng, self.lives
        values: list[Any] = ["Kyiv", 35, 0.5, True, 1, False, ["x", "y"], []]
        names = rng.sample(range(lives.names), rng.randrange(min(lives.names, 64) + 1))
        length = rng.choice([0, lives.follows, rng.randrange(lives.follows)])
        numbers = rng.sample(range(9 * lives.follows), length)
        ids = [f"a{number}" if number < 9 else number for number in (*numbers, *numbers[:1])][: lives.follows]
        said = {"set": {f"n{name}": rng.choice(values) for name in names}, "follows": ids}
        return {name: value for name, value in said.items() if rng.random() < 0.5}

    def _go_on(self, view: Event) -> None:
        """More watching of the same anchor exactly when a view of it may be over, or is; or regret."""
        ts_ms = view["ts_ms"] + view.get("watch_ms", 0) + GAP_MS + self.rng.randrange(2)
        more: Event = {"type": "view_heartbeat", "ts_ms": ts_ms, "watch_ms": 7}
        if self.rng.random() < 0.5:
            more = {"type": "negative", "ts_ms": view["ts_ms"] + self.rng.choice([0, 1, HOUR_MS]), "kind": "report"}
        named = {name: view[name] for name in ("anchor_id", "user_id")}
        self._add({"event_id": f"m{len(self.out)}"} | named | more)

    def _beside(self, event: Event) -> Event:
        """The same user at the same time as before; a gift also at the edge of a window behind the user's newest."""
        earlier = self.rng.choice(self.out[-6:])
        where = {"ts_ms": earlier["ts_ms"]} | self._of(earlier, event)
        if event["type"] == "gift" and self.rng.random() < 0.5:
            where["ts_ms"] = self._newest_ms(event) - self.rng.choice(SPEND_MS) - self.rng.randrange(2)
        return where

    def _after_silence(self, event: Event) -> Event:
        """A user comes back as late as a record is kept, or a moment later."""
        earlier = self.rng.choice(self.out[-30:])
        silent_ms = self.rng.choice([DAY_MS, 30 * DAY_MS, 30 * DAY_MS, 45 * DAY_MS]) + self.rng.randrange(2)
        moved_ms = max(0, self._newest_ms(earlier) + silent_ms - event["ts_ms"])
        self.shift_ms += moved_ms
        return {"ts_ms": event["ts_ms"] + moved_ms} | self._of(earlier, event)

    def _of(self, earlier: Event, event: Event) -> Event:
        """The earlier event's user, where both have one."""
        return {"user_id": earlier["user_id"]} if "user_id" in event and "user_id" in earlier else {}

    def _newest_ms(self, event: Event) -> int:
        """The newest time told of the event's user."""
        return self._newest.get(event.get("user_id"), int(event["ts_ms"]))

    def _add(self, event: Event) -> None:
        user_id = event.get("user_id")
        self._newest[user_id] = max(event["ts_ms"], self._newest.get(user_id, event["ts_ms"]))
        self.out.append(event)


def crowded(lives: Lives) -> Lives:
    """The same lives among so many anchors, categories, names and ids that every list is full."""
    shape = replace(lives.shape, anchors=160, users=2)
    return replace(lives, shape=shape, categories=90, names=150, follows=2_000, profiles=0.01)
