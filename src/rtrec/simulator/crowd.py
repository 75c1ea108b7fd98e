"""What viewers do with what they are shown: scroll, click, watch, react, give.

Rules
-----
- Pure: time is an argument, randomness one seeded generator. The same calls give the same events.
- A feed is scrolled card by card: an impression is a card that was seen. A click ends the scrolling and
  enters the room; a viewer is busy until the visit ends. A room is left at the latest when it closes.
- A click that comes later (`Conditions.returns`) does not end the scrolling: the viewer is free meanwhile.
- Events wait in a heap until they are due, so that every caller sees them in order of time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Final

from rtrec.simulator.conditions import delay_ms
from rtrec.simulator.pace import Fields, Pace
from rtrec.simulator.rooms import Rooms
from rtrec.simulator.visits import reactions, watch_ms_of
from rtrec.simulator.world import Anchor, Viewer, World

LEAVES_FEED: Final = 0.04
"""Chance that a viewer scrolls no further, per card."""


class Crowd:
    """The people of a world in its rooms, and the events they are going to cause.

    Parameters
    ----------
    prefix: begins every event, view and request id, so that runs do not take each other for duplicates.
    start_ms: when the first rooms open.
    """

    def __init__(self, world: World, rng: Random, pace: Pace, prefix: str, start_ms: int) -> None:
        self.world, self.pace = world, pace
        self.rooms = Rooms(world, rng, pace, start_ms)
        self.busy_until_ms: dict[str, int] = {}
        self._rng, self._prefix = rng, prefix
        self._visits: Counter[tuple[str, str]] = Counter()
        self._inside: dict[str, tuple[Fields, int]] = {}
        self._heap: list[tuple[int, int, Fields]] = []
        self._ids, self._planned = count(1), count()

    def live(self) -> list[Anchor]:
        """Anchors with an open room, in the world's order."""
        return [anchor for anchor in self.world.anchors if anchor.anchor_id in self.rooms.live]

    def free(self, viewer: Viewer, now_ms: int) -> bool:
        """Whether a viewer neither scrolls nor watches."""
        return self.busy_until_ms.get(viewer.user_id, 0) <= now_ms

    def next_id(self) -> str:
        """An id that nothing else of this run has."""
        return f"{self._prefix}{next(self._ids)}"

    def show(self, viewer: Viewer, shown: Iterable[str], now_ms: int, request_id: str, surface: str) -> None:
        """A viewer scrolls a list of anchors (ids, best first) and enters the first room that attracts."""
        self._greet(viewer, now_ms)
        came_by: Fields = {"request_id": request_id, "surface": surface}
        at_ms = now_ms
        for position, anchor_id in enumerate(shown):
            anchor = self.world.anchor[anchor_id]
            card = _of("impression", viewer, anchor_id) | came_by | {"position": position}
            self._plan(at_ms, card)
            at_ms += 1 + self._rng.randrange(2 * self.pace.card_ms)
            seen_before = self._visits[viewer.user_id, anchor_id]
            if self._rng.random() < self.world.click_probability(viewer, anchor, seen_before, position, surface, at_ms):
                later_ms = delay_ms(self.world.conditions, self._rng)
                self._plan(at_ms + later_ms, {**card, "type": "click"})
                self.visit(viewer, anchor, at_ms + later_ms + 1, came_by)
                if not later_ms:
                    return
            if self._rng.random() < LEAVES_FEED:
                break
        self.busy_until_ms[viewer.user_id] = at_ms

    def visit(self, viewer: Viewer, anchor: Anchor, now_ms: int, came_by: Fields) -> None:
        """A viewer enters a room, unless it has closed: heartbeats, reactions, perhaps a gift, and the end."""
        self._greet(viewer, now_ms)
        room = self.rooms.live.get(anchor.anchor_id)
        if room is None or room.ends_ms <= now_ms + 1:
            return
        match = self.world.match(viewer, anchor, self._visits[viewer.user_id, anchor.anchor_id], now_ms)
        watch_ms = min(watch_ms_of(self._rng, match, self.pace), room.ends_ms - now_ms - 1)
        self._visits[viewer.user_id, anchor.anchor_id] += 1
        came = came_by | {"live_id": room.live_id}
        self._plan_view(now_ms, watch_ms, _of("view_start", viewer, anchor.anchor_id) | came)
        for after_ms, kind, fields in reactions(self._rng, viewer, match, watch_ms):
            self._plan(now_ms + after_ms, _of(kind, viewer, anchor.anchor_id) | came | fields)
        self.busy_until_ms[viewer.user_id] = now_ms + watch_ms

    def due(self, now_ms: int) -> Iterator[Fields]:
        """Events due at `now_ms` or before, in order of time."""
        while (at_ms := self.next_ms()) <= now_ms:
            for room_ms, fields, anchor_id in self.rooms.due(at_ms):
                viewers = {"viewers": self._people(anchor_id)} if fields["type"] == "live_heartbeat" else {}
                yield self.stamp(fields | viewers, room_ms)
            while self._heap and self._heap[0][0] <= at_ms:
                at_ms, _, fields = heappop(self._heap)
                self._follow(fields, at_ms)
                yield self.stamp(fields, at_ms)

    def next_ms(self) -> int:
        """When the next event is due."""
        return min(self._heap[0][0], self.rooms.next_ms()) if self._heap else self.rooms.next_ms()

    def stamp(self, fields: Fields, at_ms: int) -> Fields:
        """An event of `fields` at a time, with an id of its own."""
        return {"event_id": self.next_id(), "ts_ms": at_ms, **fields}

    def leave(self, now_ms: int) -> list[Fields]:
        """Everybody goes now: the ends of open views; what else people had planned does not happen."""
        ends = [
            self.stamp({**view, "type": "view_end", "watch_ms": max(0, now_ms - beat_ms)}, now_ms)
            for view, beat_ms in self._inside.values()
        ]
        self._heap.clear()
        self._inside.clear()
        self.busy_until_ms.clear()
        return ends

    def _greet(self, viewer: Viewer, now_ms: int) -> None:
        """A viewer's attributes are sent when the platform first meets them."""
        if viewer.user_id not in self.busy_until_ms:
            self.busy_until_ms[viewer.user_id] = now_ms
            known = {"city": viewer.city, "gender": viewer.gender, "age": viewer.age}
            self._plan(now_ms, {"type": "user_profile", "user_id": viewer.user_id, "set": known})

    def _plan_view(self, now_ms: int, watch_ms: int, start: Fields) -> None:
        view = start | {"view_id": self.next_id()}
        self._plan(now_ms, view)
        beats, rest_ms = divmod(watch_ms, self.pace.heartbeat_ms)
        for beat in range(1, beats + 1):
            fields = {**view, "type": "view_heartbeat", "watch_ms": self.pace.heartbeat_ms}
            self._plan(now_ms + beat * self.pace.heartbeat_ms, fields)
        self._plan(now_ms + watch_ms, {**view, "type": "view_end", "watch_ms": rest_ms})

    def _follow(self, fields: Fields, at_ms: int) -> None:
        """Keep who is in which room, and since which heartbeat."""
        if fields["type"] in ("view_start", "view_heartbeat"):
            view = {name: value for name, value in fields.items() if name != "watch_ms"}
            self._inside[str(fields["view_id"])] = (view, at_ms)
        elif fields["type"] == "view_end":
            del self._inside[str(fields["view_id"])]

    def _people(self, anchor_id: str) -> int:
        return sum(view["anchor_id"] == anchor_id for view, _ in self._inside.values())

    def _plan(self, at_ms: int, fields: Fields) -> None:
        heappush(self._heap, (at_ms, next(self._planned), fields))


def _of(kind: str, viewer: Viewer, anchor_id: str) -> Fields:
    return {"type": kind, "anchor_id": anchor_id, "user_id": viewer.user_id}
