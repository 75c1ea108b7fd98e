"""Who is there, and the truth that a model can only learn: the chance that this viewer clicks this anchor.

Rules
-----
- Everything is drawn from one seed; nothing reads a clock.
- A taste is a viewer's own preference over categories plus what viewers of the same city, gender and age
  share, so that ids, categories and declared attributes all carry some of it.
- Charm is an anchor's appeal to everybody. It is small beside taste: popularity alone predicts clicks
  badly, which is what a heat ranking cannot see and a learned one can.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from rtrec.simulator.conditions import PLAIN, STYLES, Conditions, examined, style_appeal, tide

CATEGORIES: Final = ("dance", "music", "gaming", "chat", "food", "outdoor", "sports", "beauty")
CITIES: Final = ("Beijing", "Shanghai", "Chengdu", "Guangzhou", "Harbin", "Xi'an")
GENDERS: Final = ("f", "m")
AGES: Final = (16, 65)

BASE_LOG_ODDS: Final = -3.4
OWN_TASTE: Final = 0.7
SHARED_TASTE: Final = 0.7
LOVED_CATEGORIES: Final = 2
LOVED_TASTE: Final = 2.4
FAVOURITES: Final = 3
FAVOURITE_TASTE: Final = 1.2
CHARM: Final = 0.3
FAMILIAR_TASTE: Final = 0.15


@dataclass(frozen=True, slots=True)
class Anchor:
    """A streamer. `charm` is what it adds to anybody's log-odds of a click; `style` counts where styles do."""

    anchor_id: str
    category: str
    region: str
    charm: float
    style: str


@dataclass(frozen=True, slots=True)
class Viewer:
    """A viewer. `taste` is log-odds by category, `generosity` scales the chance of a gift (mean about 1)."""

    user_id: str
    city: str
    gender: str
    age: int
    taste: Mapping[str, float]
    favourites: frozenset[str]
    generosity: float


class World:
    """Viewers and anchors drawn from one seed, under conditions.

    >>> one, other = World(7, viewers=20, anchors=5), World(7, viewers=20, anchors=5)
    >>> one.viewers == other.viewers, one.anchors == other.anchors
    (True, True)
    """

    def __init__(self, seed: int, viewers: int, anchors: int, conditions: Conditions = PLAIN) -> None:
        self.seed, self.conditions = seed, conditions
        rng = Random(f"world-{seed}")
        self.anchors = tuple(_anchor(rng, place) for place in range(anchors))
        shared = _shared_tastes(rng)
        self.viewers = tuple(_viewer(rng, place, self.anchors, shared) for place in range(viewers))
        self.anchor = {one.anchor_id: one for one in self.anchors}
        self.viewer = {one.user_id: one for one in self.viewers}

    def match(self, viewer: Viewer, anchor: Anchor, visits: int = 0, at_ms: int = 0) -> float:
        """How much this viewer likes this anchor at a time, in log-odds; 0 is what the average pair has."""
        liking = viewer.taste[anchor.category] + anchor.charm
        if anchor.anchor_id in viewer.favourites:
            liking += FAVOURITE_TASTE
        if self.conditions.styles:
            liking += style_appeal(self.seed, self.conditions.styles, anchor.style, viewer.gender)
        if self.conditions.tide:
            liking += tide(self.conditions, self.seed, anchor.anchor_id, at_ms)
        return liking + FAMILIAR_TASTE * min(math.log1p(visits), 2.0)

    def preference(self, viewer: Viewer, anchor: Anchor, visits: int = 0, at_ms: int = 0) -> float:
        """P(click) of an anchor that the viewer looks at: the truth behind what a list shows of it."""
        return 1.0 / (1.0 + math.exp(-BASE_LOG_ODDS - self.match(viewer, anchor, visits, at_ms)))

    def click_probability(
        self, viewer: Viewer, anchor: Anchor, visits: int = 0, position: int = 0, surface: str = "feed", at_ms: int = 0
    ) -> float:
        """P(click) of an anchor shown at a place (0 is the first) to a viewer who was there `visits` times.

        >>> world = World(7, viewers=1, anchors=1)
        >>> first, tenth = (world.click_probability(world.viewers[0], world.anchors[0], 0, at) for at in (0, 9))
        >>> 0 < tenth < first < 1
        True
        """
        attention = examined(self.conditions, surface, position)
        return attention / (1.0 + math.exp(-BASE_LOG_ODDS - self.match(viewer, anchor, visits, at_ms)))


def _anchor(rng: Random, place: int) -> Anchor:
    """Categories go round, so that every one has anchors however few there are."""
    style = Random(f"style-of-{place}").choice(STYLES)
    return Anchor(f"a{place}", CATEGORIES[place % len(CATEGORIES)], rng.choice(CITIES), rng.gauss(0.0, CHARM), style)


def _shared_tastes(rng: Random) -> dict[tuple[str, str], float]:
    """What viewers of a city, gender or age band have in common, by category."""
    groups = (*CITIES, *GENDERS, *(f"{band}0s" for band in range(1, 7)))
    return {(group, category): rng.gauss(0.0, SHARED_TASTE) for group in groups for category in CATEGORIES}


def _viewer(rng: Random, place: int, anchors: tuple[Anchor, ...], shared: Mapping[tuple[str, str], float]) -> Viewer:
    city, gender, age = rng.choice(CITIES), rng.choice(GENDERS), rng.randint(*AGES)
    loved = rng.sample(CATEGORIES, LOVED_CATEGORIES)
    taste = {
        category: rng.gauss(0.0, OWN_TASTE)
        + sum(shared[group, category] for group in (city, gender, f"{age // 10}0s"))
        + (LOVED_TASTE if category in loved else 0.0)
        for category in CATEGORIES
    }
    favourites = rng.sample(anchors, min(FAVOURITES, len(anchors)))
    generosity = rng.lognormvariate(-0.5, 1.0)
    return Viewer(f"u{place}", city, gender, age, taste, frozenset(one.anchor_id for one in favourites), generosity)
