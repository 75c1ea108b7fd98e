"""The rooms of one anchor (design §3, *Room lifecycle*).

- An unseen live_id opens a room if its ts >= the current room's start (or there is none), and closes the older one;
  with an earlier ts it is itself the older one, closed by the current room (either order of arrival ends alike).
- The last 8 closed live_ids are remembered and never open again; an unseen live_id that only ends is remembered too.
- Events without live_id belong to the current room. live_start for it sets its start and its lease.
- A live_start without live_id opens a nameless room where none is open.
- A live_start that the current room takes describes the anchor anew: without a category it has none. A room that
  other events imply leaves the description as it was, and so does silence, however long.
- Activity: live_start, live_heartbeat, view_*, comment, like, gift of the current room while it has not ended.
"""

from dataclasses import dataclass, field

from tests.oracle.rules import CLOSED_ROOMS, Event, identity

ACTIVITY = frozenset({
    "live_start", "live_heartbeat", "view_start", "view_heartbeat", "view_end", "comment", "like", "gift",
})  # fmt: skip


@dataclass
class Room:
    """One live session."""

    live_id: str
    start_ms: int
    lease_ms: int
    ended: bool = False
    last_activity_ms: int | None = None
    viewers: int = 0
    viewers_ms: int | None = None

    def live(self, at_ms: int) -> bool:
        """Started, not ended, and active within the lease."""
        return not self.ended and self.last_activity_ms is not None and at_ms < self.last_activity_ms + self.lease_ms

    def told_viewers(self, at_ms: int) -> int | None:
        """The newest heartbeat's viewers while fresh."""
        fresh = self.viewers_ms is not None and at_ms - self.viewers_ms <= self.lease_ms
        return self.viewers if fresh else None


@dataclass
class Rooms:
    """The current room, what was said of it, and the closed ones of an anchor."""

    default_lease_ms: int
    current: Room | None = None
    category: str | None = None
    closed: list[str] = field(default_factory=list)

    def see(self, event: Event) -> None:
        """Move by one accepted event that is no reversal."""
        room = self._room_of(event)
        if room is None or room.ended:
            return
        ts_ms = event["ts_ms"]
        if event["type"] == "live_end":
            room.ended = True
        if event["type"] == "live_start":
            room.start_ms = ts_ms
            lease_ms = event.get("lease_ms")
            room.lease_ms = self.default_lease_ms if lease_ms is None else lease_ms
            self.category = event.get("category")
        if event["type"] in ACTIVITY:
            room.last_activity_ms = max(ts_ms, room.last_activity_ms or 0)
        if event["type"] == "live_heartbeat" and event.get("viewers") is not None and ts_ms >= (room.viewers_ms or 0):
            room.viewers, room.viewers_ms = event["viewers"], ts_ms

    def _room_of(self, event: Event) -> Room | None:
        live_id = identity(event.get("live_id"))
        if live_id is None and event["type"] == "live_start" and (self.current is None or self.current.ended):
            live_id = f"nameless {event['event_id']}"
        if live_id is None or (self.current is not None and live_id == self.current.live_id):
            return self.current
        if live_id in self.closed:
            return None
        older = self.current is not None and event["ts_ms"] < self.current.start_ms
        if older or event["type"] == "live_end":
            self._close(live_id)
            return None
        if self.current is not None:
            self._close(self.current.live_id)
        self.current = Room(live_id, event["ts_ms"], self.default_lease_ms)
        return self.current

    def _close(self, live_id: str) -> None:
        self.closed = [*self.closed, live_id][-CLOSED_ROOMS:]
