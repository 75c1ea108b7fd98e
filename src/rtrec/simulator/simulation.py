"""A whole platform as one stream of events, for tests, benchmarks and `rtrec simulate`.

Rules
-----
- Pure and seeded: the same arguments give the same events, and `start_ms` only shifts their times and ids.
- The feed ranks by charm and chance, never by taste: so the stream holds a preference that popularity does
  not show, and a learner can find.
"""

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final

from rtrec.simulator.conditions import PLAIN, Conditions, present
from rtrec.simulator.crowd import Crowd
from rtrec.simulator.pace import Fields, Pace
from rtrec.simulator.world import Anchor, Viewer, World

FEED_SIZE: Final = 8
ORGANIC_SHARE: Final = 0.15
"""Share of visits that come by search or a shared link: no impression, no label, but heat."""
EVENTS_PER_STEP: Final = 8.3
"""Measured: events that one feed request or organic visit causes in the end, on average."""
PICKS: Final = 5
"""How often a viewer who has time is looked for before a busy one takes a second screen."""


class Simulation:
    """A seeded platform.

    Parameters
    ----------
    seed: decides everything.
    viewers, anchors: how many there are.
    events_per_s: about how many events a second of event time holds.
    conditions: what is otherwise than on the plain platform.

    >>> events = list(Simulation(seed=1, viewers=50, anchors=10).events(500, start_ms=1_700_000_000_000))
    >>> len(events), events == list(Simulation(seed=1, viewers=50, anchors=10).events(500, 1_700_000_000_000))
    (500, True)
    """

    def __init__(
        self,
        seed: int,
        viewers: int,
        anchors: int,
        events_per_s: float = 100.0,
        pace: Pace | None = None,
        conditions: Conditions = PLAIN,
    ) -> None:
        self.world = World(seed, viewers, anchors, conditions)
        self._seed, self._pace = seed, pace or Pace()
        heartbeats_per_s = 1_000.0 * anchors / self._pace.room_heartbeat_ms
        self._steps_per_s = max(events_per_s - heartbeats_per_s, events_per_s / 10.0) / EVENTS_PER_STEP

    def events(self, n: int, start_ms: int) -> Iterator[Fields]:
        """The first `n` events, in order of time, from `start_ms` on."""
        return islice(self._stream(start_ms), n)

    def _stream(self, start_ms: int) -> Iterator[Fields]:
        rng = Random(f"events-{self._seed}")
        crowd = Crowd(self.world, rng, self._pace, f"s{self._seed}.{start_ms}.", start_ms)
        at_ms = start_ms
        while True:
            yield from crowd.due(at_ms)
            viewer, live = self._somebody(crowd, rng, at_ms, at_ms - start_ms), crowd.live()
            if live and rng.random() < ORGANIC_SHARE:
                crowd.visit(viewer, popular(rng, live, 1)[0], at_ms, {"surface": "search"})
            elif live:
                feed = popular(rng, live, FEED_SIZE)
                crowd.show(viewer, [one.anchor_id for one in feed], at_ms, crowd.next_id(), self._surface(rng))
            at_ms += 1 + int(rng.expovariate(self._steps_per_s / 1_000.0))

    def _surface(self, rng: Random) -> str:
        surfaces = self.world.conditions.surfaces
        return surfaces[0] if len(surfaces) == 1 else rng.choice(surfaces)

    def _somebody(self, crowd: Crowd, rng: Random, now_ms: int, since_start_ms: int) -> Viewer:
        come = present(self.world.conditions, len(self.world.viewers), since_start_ms)
        for _ in range(PICKS):
            viewer = self.world.viewers[rng.randrange(come)]
            if crowd.free(viewer, now_ms):
                break
        return viewer


def popular(rng: Random, anchors: list[Anchor], n: int) -> list[Anchor]:
    """Up to `n` different anchors, charming ones earlier, chance beside charm (a Plackett-Luce draw)."""
    drawn = sorted(anchors, key=lambda one: rng.expovariate(1.0) * 2.0 ** (-4.0 * one.charm))
    return drawn[:n]
