"""How far a consumer came in each source of its hop: what is not above the highest position was met before.

Rules
-----
- A source sends each consumer its events in order of their positions, and the next batch only after the last one
  was acknowledged whole: so the highest position met says all, and a repeated one changes nothing.
- Kept under `positions` in the consumer's own commit, with the state that the events made.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.stages.effects import Writes

KEY: Final = "positions"


class Positions:
    """Highest positions by source.

    >>> met = Positions()
    >>> met.fresh("events:0", np.array([3, 5])).tolist(), met.fresh("events:0", np.array([3, 5, 7])).tolist()
    ([0, 1], [2])
    """

    def __init__(self) -> None:
        self.highest: dict[str, int] = {}

    def load(self, stored: bytes | None) -> None:
        """Take what was stored, if anything was."""
        if stored is not None:
            self.highest = msgspec.msgpack.decode(stored, type=dict[str, int])

    def fresh(self, source: str, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of the positions that were not met before; they are met now. positions: growing."""
        highest = self.highest.get(source, -1)
        places = np.flatnonzero(positions > highest)
        if len(places):
            self.highest[source] = int(positions[-1])
        return places

    def write(self, writes: Writes) -> None:
        """Note them for the commit."""
        writes.puts[KEY] = msgspec.msgpack.encode(self.highest)
