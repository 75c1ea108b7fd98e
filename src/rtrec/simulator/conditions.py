"""What a platform may be given beside the plain one, to try the learner: each off unless asked for.

Rules
-----
- With `PLAIN` a world and its stream are what they are without this module, byte for byte.
- Whatever is drawn for a condition comes from a generator of its own: it moves nobody else's dice.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import Final, NamedTuple

ATTENTION_LOSS: Final = 0.04
"""Share of attention lost per place down the list, where nothing else is asked for."""
STYLES: Final = ("lively", "calm", "funny", "elegant", "edgy")


class Conditions(NamedTuple):
    """One platform's; log-odds are of a click, times in milliseconds.

    surfaces: where feeds are shown, each as often.
    examination: surface → η: the card at place k (0 is the first) is looked at with probability (1 + k)^-η, the
        position-based model of Joachims et al. 2017, §4.
    newcomers: share of viewers and anchors who come one after the other, over `newcomers_ms`.
    styles: spread of the log-odds that an anchor's style adds for everybody, and again for viewers of a gender; above 0
        every anchor declares its `style` when it first goes live.
    tide: spread of the log-odds that an anchor's appeal moves by; a new value every `tide_ms`, in between on a line.
    returns: share of clicks that come later, exponential around `return_ms`, while the viewer goes on scrolling.
    """

    surfaces: tuple[str, ...] = ("feed",)
    examination: Mapping[str, float] = MappingProxyType({})
    newcomers: float = 0.0
    newcomers_ms: int = 3_600_000
    styles: float = 0.0
    tide: float = 0.0
    tide_ms: int = 600_000
    returns: float = 0.0
    return_ms: int = 120_000


PLAIN: Final = Conditions()


def examined(conditions: Conditions, surface: str, position: int) -> float:
    """The chance that the card at a place is looked at.

    >>> [examined(Conditions(examination={"feed": 1.0}), "feed", place) for place in (0, 1, 3)]
    [1.0, 0.5, 0.25]
    """
    steepness = conditions.examination.get(surface)
    if steepness is None:
        return 1.0 / (1.0 + ATTENTION_LOSS * position)
    return float((1.0 + position) ** -steepness)


def present(conditions: Conditions, everybody: int, since_start_ms: int) -> int:
    """How many of `everybody`, in their order, have come by a time.

    >>> [present(Conditions(newcomers=0.5, newcomers_ms=100), 10, at_ms) for at_ms in (0, 50, 100, 900)]
    [5, 8, 10, 10]
    """
    return everybody - int(
        everybody * conditions.newcomers * (1.0 - min(since_start_ms / conditions.newcomers_ms, 1.0))
    )


def comes_after_ms(conditions: Conditions, everybody: int, place: int) -> int:
    """How long after the start the one at a place comes; 0 for who is there from the start.

    >>> [comes_after_ms(Conditions(newcomers=0.5, newcomers_ms=100), 10, place) for place in (0, 4, 5, 9)]
    [0, 0, 20, 100]
    """
    first = present(conditions, everybody, 0)
    return conditions.newcomers_ms * max(place + 1 - first, 0) // max(everybody - first, 1)


@lru_cache(maxsize=1_024)
def style_appeal(seed: int, spread: float, style: str, gender: str) -> float:
    """What a style adds for viewers of a gender."""
    everybody = Random(f"style-{seed}-{style}").gauss(0.0, spread)
    return everybody + Random(f"style-{seed}-{style}-{gender}").gauss(0.0, spread)


def tide(conditions: Conditions, seed: int, anchor_id: str, at_ms: int) -> float:
    """What the moment adds to an anchor's appeal.

    >>> tide(Conditions(tide=1.0), 1, "a", 0) == tide(Conditions(tide=1.0), 1, "a", 0) != 0
    True
    """
    knot, after_ms = divmod(at_ms, conditions.tide_ms)
    before, behind = (_knot(seed, conditions.tide, anchor_id, one) for one in (knot, knot + 1))
    return before + (behind - before) * after_ms / conditions.tide_ms


@lru_cache(maxsize=65_536)
def _knot(seed: int, spread: float, anchor_id: str, knot: int) -> float:
    return Random(f"tide-{seed}-{anchor_id}-{knot}").gauss(0.0, spread)


def delay_ms(conditions: Conditions, rng: Random) -> int:
    """How much later a click comes than it was decided; 0 for at once."""
    if conditions.returns == 0.0 or rng.random() >= conditions.returns:
        return 0
    return math.ceil(rng.expovariate(1.0 / conditions.return_ms))
