"""What happens in one visit: how long it lasts, and what the viewer does meanwhile.

Liking (log-odds, see `World.match`) drives all of it: who likes an anchor stays longer and gives more.
"""

import math
from collections.abc import Iterator
from random import Random
from typing import Final

from rtrec.simulator.pace import Fields, Pace
from rtrec.simulator.world import Viewer

WATCH_SPREAD: Final = 0.7
WATCH_BY_LIKING: Final = 0.25
SHORTEST_VISIT_MS: Final = 200
LONGEST_VISIT: Final = 6
"""A visit lasts at most so many times the pace's median."""

REACTIONS: Final = (("comment", 0.25), ("like", 0.40), ("follow", 0.05), ("share", 0.04))
GIFT_CHANCE: Final = 0.07
DISLIKE_CHANCE: Final = 0.05
BLOCK_SHARE: Final = 0.1

SMALLEST_GIFT: Final = 10
LARGEST_GIFT: Final = 50_000
GIFT_TAIL: Final = 1.2
"""Pareto's α of gift values: below 2 the variance is infinite, as money on live platforms is."""


def watch_ms_of(rng: Random, match: float, pace: Pace) -> int:
    """How long a viewer stays, in milliseconds: log-normal, longer where the anchor is liked."""
    median_ms = pace.watch_ms * math.exp(WATCH_BY_LIKING * match)
    drawn_ms = int(median_ms * rng.lognormvariate(0.0, WATCH_SPREAD))
    return min(max(drawn_ms, SHORTEST_VISIT_MS), LONGEST_VISIT * pace.watch_ms)


def gift_value(rng: Random) -> int:
    """A gift's value in coins, heavy-tailed.

    >>> values = [gift_value(Random(seed)) for seed in range(1000)]
    >>> min(values) >= SMALLEST_GIFT, max(values) > 50 * sorted(values)[500]
    (True, True)
    """
    return min(int(SMALLEST_GIFT * rng.paretovariate(GIFT_TAIL)), LARGEST_GIFT)


def reactions(rng: Random, viewer: Viewer, match: float, watch_ms: int) -> Iterator[tuple[int, str, Fields]]:
    """What a viewer does in a visit, as (milliseconds after entering, event type, its fields)."""
    warmth = 2.0 / (1.0 + math.exp(-match))
    for kind, chance in REACTIONS:
        if rng.random() < chance * warmth:
            yield rng.randrange(watch_ms), kind, _reaction(rng, kind)
    if rng.random() < GIFT_CHANCE * warmth * viewer.generosity:
        yield rng.randrange(watch_ms), "gift", {"value": gift_value(rng), "count": 1 + int(rng.expovariate(1.0))}
    if rng.random() < DISLIKE_CHANCE * (2.0 - warmth):
        kind = "block" if rng.random() < BLOCK_SHARE else "not_interested"
        yield watch_ms - 1, "negative", {"kind": kind}


def _reaction(rng: Random, kind: str) -> Fields:
    if kind == "comment":
        return {"length": 1 + int(rng.expovariate(0.05))}
    return {"count": 1 + int(rng.expovariate(0.5))} if kind == "like" else {}
