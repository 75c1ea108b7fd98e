"""Seeded event streams that meet every rule of acceptance, windows, caps and rooms, mostly at their edges.

The same shape gives the same events. Left out is what the texts leave open: an
event_id that two types share, and equal gifts of equal age around a full cap table.
"""

import json
import random
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HOPS_MS = (1_000, 5_000, 30_000, 180_000, 300_000, 3_600_000)

TYPES = {
    "live_start": 3, "live_heartbeat": 5, "live_end": 2, "impression": 10, "click": 6, "view_start": 12,
    "view_heartbeat": 14, "view_end": 6, "gift": 22, "comment": 6, "like": 6, "follow": 4, "share": 2, "negative": 1,
    "user_profile": 1, "anchor_profile": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """How big, fast and unruly a stream is.

    Shares are of events; `jumps` move the clock by minutes to a day, `drills` stage a copy or a reversal at the edge
    of memory.
    """

    seed: int
    events: int = 60
    anchors: int = 4
    users: int = 24
    step_ms: int = 4_000
    base_ms: int = 1_600_000_000_000
    late: float = 0.1
    very_late: float = 0.01
    duplicates: float = 0.08
    reversals: float = 0.08
    jumps: float = 0.01
    drills: float = 0.01
    edges: float = 0.1
    gift_weight: int = TYPES["gift"]


def stream(shape: Shape) -> list[Event]:
    """The events of a shape, in arrival order; at least `shape.events` of them."""
    writer = _Writer(shape)
    while len(writer.out) < shape.events:
        writer.step()
    return writer.out


def lines(events: list[Event]) -> list[bytes]:
    """One JSON document per event, without line ends."""
    return [json.dumps(event).encode() for event in events]


class _Writer:
    """The state of a stream under way."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rng = random.Random(shape.seed)
        self.now_ms = shape.base_ms + self.rng.randrange(10 * HOUR_MS)
        self.out: list[Event] = []
        self.gifts: list[Event] = []
        self.rooms: dict[str, int] = {}
        self.weights = TYPES | {"gift": shape.gift_weight}

    def step(self) -> None:
        """A clock step, then one event, copy, reversal or drill."""
        self._tick()
        roll, shape = self.rng.random(), self.shape
        if self.out and roll < shape.duplicates:
            self._copy(self.rng.choice(self.out[-40:] if self.rng.random() < 0.7 else self.out))
        elif self.gifts and roll < shape.duplicates + shape.reversals:
            self._reverse()
        elif roll > 1 - shape.drills:
            self._drill()
        else:
            self._event(self.rng.choices(list(self.weights), list(self.weights.values()))[0])

    def _tick(self) -> None:
        self.now_ms += int(self.rng.expovariate(1 / self.shape.step_ms))
        if self.rng.random() < self.shape.jumps:
            self.now_ms += self.rng.choice([11, 40, 61, 60 * 24, 60 * 26]) * MINUTE_MS
        if self.rng.random() < self.shape.edges:
            hop_ms = self.rng.choice(HOPS_MS)
            if hop_ms <= 20 * self.shape.step_ms:
                self.now_ms = (self.now_ms // hop_ms + 1) * hop_ms - self.rng.randrange(2)

    def _ts(self) -> int:
        if self.rng.random() < self.shape.late:
            return self.now_ms - self.rng.randrange(self.rng.choice([MINUTE_MS, 10 * MINUTE_MS, 2 * HOUR_MS]))
        if self.rng.random() < self.shape.very_late:
            return self.now_ms - 25 * HOUR_MS + self.rng.choice([-1, 0, 1, HOUR_MS])
        return self.now_ms

    def _emit(self, event: Event) -> None:
        self.out.append(event)
        if event["type"] == "gift" and "reversal_of" not in event:
            self.gifts.append(event)

    def _event(self, kind: str) -> Event:
        rng = self.rng
        anchor_id = f"a{int(self.shape.anchors * rng.random() ** 2)}"
        event: Event = {"event_id": f"e{len(self.out)}", "type": kind, "ts_ms": self._ts()}
        if kind != "user_profile":
            event["anchor_id"] = anchor_id
        if kind not in ("live_start", "live_heartbeat", "live_end", "anchor_profile"):
            user = int(self.shape.users * rng.random() ** 1.5)
            event["user_id"] = user if user % 5 == 0 else f"u{user}"
        event |= self._fields(kind) | self._room(kind, anchor_id)
        self._emit(event)
        return event

    def _fields(self, kind: str) -> Event:
        rng = self.rng
        match kind:
            case "view_heartbeat" | "view_end":
                return {"watch_ms": rng.randrange(30_000)}
            case "gift":
                value = rng.randrange(1, 4_000) if rng.random() < 0.9 else rng.randrange(8_000, 10**7)
                return {"value": value} | self._some(count=rng.randrange(4), txn_id=f"t{len(self.out)}", gift_id=7)
            case "like":
                return self._some(count=rng.randrange(9))
            case "follow":
                return self._some(on=rng.random() < 0.5)
            case "live_start":
                return self._some(lease_ms=rng.choice([20_000, 90_000, 600_000]), category="dance")
            case "live_heartbeat":
                return self._some(viewers=rng.randrange(1_000))
            case "negative":
                return {"kind": "block"}
            case "anchor_profile" | "user_profile":
                return {"set": {"city": "Beijing", "age": rng.randrange(18, 90)}}
        return self._some(surface="feed", unknown_field=[1])

    def _some(self, **fields: Any) -> Event:
        return {name: value for name, value in fields.items() if self.rng.random() < 0.5}

    def _room(self, kind: str, anchor_id: str) -> Event:
        """live_id: mostly the current room's, sometimes an older or an unseen one's, or none."""
        if kind in ("user_profile", "anchor_profile"):
            return {}
        number, roll = self.rooms.get(anchor_id, 0), self.rng.random()
        if kind == "live_start" and roll < 0.8:
            number = self.rooms[anchor_id] = number + 1
        elif roll < 0.08:
            number = max(0, number - self.rng.randrange(1, 12))
        elif roll < 0.12:
            number = self.rooms[anchor_id] = number + 1
        elif roll > 0.6:
            return {}
        return {"live_id": f"{anchor_id}-{number}"}

    def _copy(self, event: Event) -> None:
        """A producer's retry: the same id, mostly the same time."""
        copy = dict(event)
        if self.rng.random() < 0.2:
            copy["ts_ms"] = self._ts()
        self.out.append(copy)

    def _reverse(self, gift: Event | None = None) -> None:
        gift = gift or self.rng.choice(self.gifts[-10:] if self.rng.random() < 0.8 else self.gifts)
        original = gift.get("txn_id", gift["event_id"]) if self.rng.random() < 0.5 else gift["event_id"]
        event: Event = {name: gift[name] for name in ("type", "anchor_id", "user_id")}
        event |= {"event_id": f"r{len(self.out)}", "ts_ms": self._ts(), "reversal_of": original} | self._some(value=3)
        if self.rng.random() < 0.1:
            event |= self.rng.choice([{"anchor_id": "elsewhere"}, {"reversal_of": "nobody"}])
        self._emit(event)

    def _drill(self) -> None:
        """The edges of memory: a copy or a reversal exactly when, or just after, the original is forgotten."""
        drill = self.rng.choice(["like", "gift", "reversal"])
        self.now_ms = max(event["ts_ms"] for event in self.out) + 1 if self.out else self.now_ms
        original = self._event("like" if drill == "like" else "gift")
        original["ts_ms"] -= self.rng.choice([0, 0, HOUR_MS])
        remembered_ms = 10 * MINUTE_MS if drill == "like" else 24 * HOUR_MS
        self.now_ms = max(event["ts_ms"] for event in self.out) + remembered_ms + self.rng.randrange(2)
        self._event("click")["ts_ms"] = self.now_ms
        if drill == "reversal":
            self._reverse(original)
        else:
            self._copy(original)
