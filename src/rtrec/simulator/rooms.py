"""Rooms that open and close: which anchors are live, until when, and the events that say so.

Rules
-----
- Pure and seeded; lengths are exponential around the pace's means, so that any moment looks like any other.
- An anchor has at most one room; a room's `live_id` names anchor and opening time and never comes back.
"""

from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from rtrec.simulator.conditions import comes_after_ms
from rtrec.simulator.pace import Fields, Pace
from rtrec.simulator.world import Anchor, World


class Room(NamedTuple):
    """An open room, and when it will close."""

    live_id: str
    ends_ms: int


class Rooms:
    """The rooms of a world's anchors.

    >>> rooms = Rooms(World(1, viewers=1, anchors=10), Random(1), Pace(), 1_700_000_000_000)
    >>> first = [at_ms for at_ms, fields, _ in rooms.due(1_700_000_000_000)]
    >>> len(first) == len(rooms.live) > 0
    True
    """

    def __init__(self, world: World, rng: Random, pace: Pace, start_ms: int) -> None:
        self.live: dict[str, Room] = {}
        self._world, self._rng, self._pace = world, rng, pace
        self._heap: list[tuple[int, int, str, str]] = []
        self._planned = 0
        live_share = pace.live_ms / (pace.live_ms + pace.off_ms)
        for place, anchor in enumerate(world.anchors):
            opens_now = rng.random() < live_share
            comes_ms = comes_after_ms(world.conditions, len(world.anchors), place)
            waits_ms = 0 if opens_now or comes_ms else self._span_ms(pace.off_ms)
            self._declare(anchor, start_ms + comes_ms)
            self._plan(start_ms + comes_ms + waits_ms, "live_start", anchor.anchor_id)

    def next_ms(self) -> int:
        """When the next room event is due."""
        return self._heap[0][0]

    def due(self, now_ms: int) -> list[tuple[int, Fields, str]]:
        """Room events due at `now_ms` or before, as (time, fields, anchor id), in order of time."""
        events = []
        while self._heap and self._heap[0][0] <= now_ms:
            at_ms, _, kind, anchor_id = heappop(self._heap)
            events.append((at_ms, self._happen(kind, anchor_id, at_ms), anchor_id))
        return events

    def _declare(self, anchor: Anchor, at_ms: int) -> None:
        """An anchor says what it is, where that counts, before it goes live."""
        if self._world.conditions.styles:
            self._plan(at_ms, "anchor_profile", anchor.anchor_id)

    def _happen(self, kind: str, anchor_id: str, at_ms: int) -> Fields:
        if kind == "anchor_profile":
            return {"type": kind, "anchor_id": anchor_id, "set": {"style": self._world.anchor[anchor_id].style}}
        if kind == "live_start":
            return self._open(self._world.anchor[anchor_id], at_ms)
        room = self.live[anchor_id]
        if kind == "live_end":
            del self.live[anchor_id]
            self._plan(at_ms + self._span_ms(self._pace.off_ms), "live_start", anchor_id)
        else:
            self._plan_heartbeat(anchor_id, room, at_ms)
        return {"type": kind, "anchor_id": anchor_id, "live_id": room.live_id}

    def _open(self, anchor: Anchor, at_ms: int) -> Fields:
        room = Room(f"{anchor.anchor_id}.{at_ms}", at_ms + self._span_ms(self._pace.live_ms))
        self.live[anchor.anchor_id] = room
        self._plan(room.ends_ms, "live_end", anchor.anchor_id)
        self._plan_heartbeat(anchor.anchor_id, room, at_ms)
        named: Fields = {"type": "live_start", "anchor_id": anchor.anchor_id, "live_id": room.live_id}
        return named | {"category": anchor.category, "region": anchor.region}

    def _plan_heartbeat(self, anchor_id: str, room: Room, at_ms: int) -> None:
        next_ms = at_ms + self._pace.room_heartbeat_ms
        if next_ms < room.ends_ms:
            self._plan(next_ms, "live_heartbeat", anchor_id)

    def _plan(self, at_ms: int, kind: str, anchor_id: str) -> None:
        self._planned += 1
        heappush(self._heap, (at_ms, self._planned, kind, anchor_id))

    def _span_ms(self, mean_ms: int) -> int:
        """At least a heartbeat long: shorter rooms and breaks would only flicker."""
        return self._pace.room_heartbeat_ms + int(self._rng.expovariate(1.0 / mean_ms))
