"""What the simulator knows of its impressions and a model can only learn: the chance of each click."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rtrec.simulator.pace import Fields
from rtrec.simulator.world import World


class Truth(NamedTuple):
    """One impression's.

    preference: P(click) if the card is looked at. click: P(click) at the place where it stood.
    """

    ts_ms: int
    user_id: str
    anchor_id: str
    preference: float
    click: float


def truths(world: World, events: Iterable[Fields]) -> Iterator[Truth]:
    """The truth of every impression of a stream of this world, in the stream's order."""
    visits = Counter[tuple[str, str]]()
    for event in events:
        pair = str(event.get("user_id")), str(event.get("anchor_id"))
        if event["type"] == "view_start":
            visits[pair] += 1
        elif event["type"] == "impression":
            viewer, anchor, at_ms = world.viewer[pair[0]], world.anchor[pair[1]], int(str(event["ts_ms"]))
            position, surface = int(str(event["position"])), str(event["surface"])
            preference = world.preference(viewer, anchor, visits[pair], at_ms)
            click = world.click_probability(viewer, anchor, visits[pair], position, surface, at_ms)
            yield Truth(at_ms, *pair, preference, click)
