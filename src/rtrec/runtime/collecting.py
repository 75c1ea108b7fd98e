"""How often Python looks for cycles among objects: rarely, in processes that work through a stream.

What is loaded when the work begins stays for good, and what passes through holds no cycles: walking all of it again
and again cost a third of a replay.
"""

import gc
from typing import Final

COLLECT_AFTER: Final = (100_000, 50, 100)
"""Allocations, and collections of the younger generation, between two collections of each generation."""


def collect_rarely() -> None:
    """From here on; what is there now is never walked again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
