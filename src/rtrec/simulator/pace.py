"""How fast a simulated platform lives."""

from typing import Final, NamedTuple

Fields = dict[str, object]
"""The fields of an event in the making, as JSON has them."""


class Pace(NamedTuple):
    """Lengths in milliseconds; the defaults are a real platform's.

    card_ms: looking at a card, mean. watch_ms: a visit, median where the anchor leaves the viewer indifferent.
    heartbeat_ms: between heartbeats of a view; room_heartbeat_ms: of a room.
    live_ms, off_ms: mean length of a room, and of the break after it.
    """

    card_ms: int = 1_500
    watch_ms: int = 45_000
    heartbeat_ms: int = 30_000
    room_heartbeat_ms: int = 30_000
    live_ms: int = 5_400_000
    off_ms: int = 2_700_000


DEMO: Final = Pace(
    card_ms=150, watch_ms=2_200, heartbeat_ms=1_000, room_heartbeat_ms=5_000, live_ms=90_000, off_ms=20_000
)
"""So fast that a minute holds many visits; `configs/demo.toml` waits for clicks and views accordingly."""
