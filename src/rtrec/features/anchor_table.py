"""Anchors in memory: one row an anchor, one structured array for kernels to advance.

Rules
-----
- A row is everything that windows, decay, caps, people and lifecycle need; names and declared attributes
  (text) stand beside, in `AnchorMeta`.
- Times that were never set are 0. Hashes that are absent are 0.
- The stored form is `anchor_codec`; a row can be dropped whenever it is not dirty.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtrec.events.ids import hash_id
from rtrec.features.decay import HALF_LIVES
from rtrec.features.tiles import TILES
from rtrec.settings import METRICS

N_METRICS: Final = len(METRICS)
(
    VIEWS,
    WATCH,
    IMPRESSIONS,
    CLICKS,
    GIFTS,
    GIFT_VALUE,
    COMMENTS,
    LIKES,
    FOLLOWS,
    SHARES,
    WATCHERS,
    GIFTERS,
    INTERACTORS,
) = (np.int64(place) for place in range(13))  # typed: a kernel is compiled anew for each literal it is called with
REVERSIBLE: Final = 2
"""GIFTS and GIFT_VALUE: kept in two floats, so that a reversal leaves nothing behind."""
CAP_USERS: Final = 16
PAST_ROOMS: Final = 8
PEOPLE_KINDS: Final = 3
BLOCK_MS: Final = 300_000

ENDED: Final = 1
IMPLIED: Final = 2

ANCHOR: Final = np.dtype(
    [
        ("anchor", "u8"),  # hash of the anchor's id
        ("last_ms", "i8"),  # newest event's time
        ("room", "u8"),  # the current live_id
        ("room_since_ms", "i8"),
        ("room_active_ms", "i8"),
        ("room_lease_ms", "i8"),
        ("room_flags", "i8"),
        ("past_next", "i8"),  # where the next closed room goes
        ("past_rooms", "u8", (PAST_ROOMS,)),
        ("viewers", "i8"),
        ("viewers_ms", "i8"),  # the heartbeat's time
        ("category", "u8"),
        ("people", "i8", (PEOPLE_KINDS, 2)),  # counted in the current and the previous block
        ("people_bits", "i8", (PEOPLE_KINDS, 2)),  # bits set beyond the exact part
        ("decayed", "f8", (len(HALF_LIVES), N_METRICS)),
        ("decayed_low", "f8", (len(HALF_LIVES), REVERSIBLE)),
        ("heat", "f8", (N_METRICS,)),  # capped, at the heat half-life
        ("heat_low", "f8", (REVERSIBLE,)),
        ("cap_user", "u8", (N_METRICS, CAP_USERS)),
        ("cap_sum", "f8", (N_METRICS, CAP_USERS)),  # on the landmark, like `heat`
        ("cap_since", "i8", (N_METRICS, CAP_USERS)),  # position of the event that took the slot
        ("tiles", "i8", (TILES, N_METRICS)),
    ],
    align=True,
)
Anchors = NDArray[Any]
"""A structured array of `ANCHOR` rows."""


class AnchorTable:
    """Names to rows, growing by doubling; `rows` is replaced when it grows."""

    def __init__(self, rows: int = 256) -> None:
        self.rows: Anchors = np.zeros(rows, ANCHOR)
        self.slots: dict[str, int] = {}
        self.names: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def slot(self, name: str) -> int:
        """The row of an anchor, a fresh empty one if it has none."""
        found = self.slots.get(name)
        if found is not None:
            return found
        place = len(self.names)
        if place == len(self.rows):
            grown = np.zeros(2 * place, ANCHOR)
            grown[:place] = self.rows
            self.rows = grown
        self.slots[name] = place
        self.names.append(name)
        self.rows["anchor"][place] = hash_id(name)
        return place

    def keep(self, names: list[str]) -> None:
        """Drop every row but these anchors'."""
        kept = np.zeros(max(256, 2 * len(names)), ANCHOR)
        kept[: len(names)] = self.rows[[self.slots[name] for name in names]]
        self.rows = kept
        self.names = list(names)
        self.slots = {name: place for place, name in enumerate(names)}
