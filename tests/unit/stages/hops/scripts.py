"""Seeded inputs of the chain: events that become examples, hostile lines, and what comes beside events."""

import json
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rtrec.features.vector import N_DENSE, make_rows
from rtrec.labels import scored
from rtrec.settings import Attribute, Features, Labels, Learner, Settings
from rtrec.settings_cluster import Cluster
from rtrec.stages.control import erase_message
from rtrec.stages.hops.label import SCORED, TICKS
from rtrec.stages.hops.profile import CONTROL
from tests.replay.hostility import hostile_line
from tests.replay.streams import Event, Shape, stream
from tests.unit.events.event_cases import valid
from tests.unit.stages.hops.chain import EVENTS

FEATURES = Features(attributes=(Attribute(name="city", of="user", crosses=("x",)), Attribute(name="x", of="anchor")))
LABELS, LEARNER = Labels(click_wait_ms=20_000, lapse_ms=30_000), Learner(slots_log2=12, l1=0.01)
SHOWN = frozenset({"like", "comment", "share", "follow", "negative"})


def settings(partitions: int) -> Settings:
    """Small ones, with attributes of users and anchors in every row."""
    return Settings(features=FEATURES, labels=LABELS, learner=LEARNER, cluster=Cluster(partitions=partitions))


class Segment(NamedTuple):
    """Messages of one topic that come one after another."""

    topic: str
    values: list[bytes]


def lively(seed: int, events: int) -> list[Event]:
    """A stream in which users see anchors and click: impressions of requests, some followed by a click and a view."""
    rng, out = random.Random(seed), list[Event]()
    shape = Shape(seed, events, anchors=5, users=12, step_ms=2_500, very_late=0.05)
    for k, event in enumerate(stream(shape)):
        if event["type"] in SHOWN and rng.random() < 0.6:
            shown = {"type": "impression", "request_id": f"r{k}", "surface": "feed", "position": rng.randrange(9)}
            out.append({name: event[name] for name in ("event_id", "ts_ms", "anchor_id", "user_id")} | shown)
            out += _followed(rng, out[-1])
        elif event["type"] == "anchor_profile":
            out.append(event | {"set": {"x": rng.choice(["a", "b"])}})
        else:
            out.append(event)
    return out


def _followed(rng: random.Random, shown: Event) -> list[Event]:
    """A click, and sometimes a gift and a long view, at once."""
    if rng.random() < 0.5:
        return []
    who = {name: shown[name] for name in ("anchor_id", "user_id", "request_id")}
    click = {"event_id": f"c{shown['event_id']}", "type": "click", "ts_ms": shown["ts_ms"] + rng.randrange(9_000)} | who
    view = {"event_id": f"v{shown['event_id']}", "type": "view_end", "ts_ms": click["ts_ms"] + 1, "watch_ms": 31_000}
    gift = {"event_id": f"g{shown['event_id']}", "type": "gift", "ts_ms": click["ts_ms"], "value": 7} | who
    return rng.choice([[click], [click, view | who], [click, gift, view | who]])


def with_hostile(seed: int, events: Sequence[Event]) -> list[bytes]:
    """Their lines, with hostile ones in between."""
    rng, good = random.Random(seed), valid("gift", anchor_id="a0", user_id="u1")
    lines: list[bytes] = []
    for event in events:
        if rng.random() < 0.04 and len(line := hostile_line(rng, good)) < 60_000:
            lines.append(line)
        lines.append(json.dumps(event).encode())
    return lines


def script(seed: int, events: int, *, sides: bool) -> list[Segment]:
    """Events, and between runs of them erasures, logged rows of what is shown next, and ticks."""
    rng, happened = random.Random(seed), lively(seed, events)
    if not sides:
        return [Segment(EVENTS, with_hostile(seed, happened))]
    segments: list[Segment] = []
    while happened:
        some, happened = happened[: (size := rng.randrange(10, 60))], happened[size:]
        segments.append(_logged(rng, some))
        segments.append(Segment(EVENTS, with_hostile(rng.randrange(999), some)))
        now_ms = max(event["ts_ms"] for event in some)
        users = [str(event["user_id"]) for event in some if "user_id" in event]
        if users and rng.random() < 0.6:
            user_id = rng.choice(users)
            segments.append(Segment(CONTROL, [erase_message(user_id, now_ms - rng.choice([0, 61_000, 200_000]))[1]]))
        if rng.random() < 0.5:
            ticks = [str(now_ms + rng.randrange(60_000)).encode() for _ in range(rng.randrange(1, 3))]
            segments.append(Segment(TICKS, ticks))
    return [segment for segment in segments if segment.values]


def _logged(rng: random.Random, events: Sequence[Event]) -> Segment:
    """Rows that the API logged of some of the impressions."""
    shown = [event for event in events if "position" in event and "request_id" in event and rng.random() < 0.4]
    return Segment(SCORED, [_row_of(rng, event) for event in shown])


def _row_of(rng: random.Random, shown: Event) -> bytes:
    user_id, anchor_id, at_ms = str(shown["user_id"]), shown["anchor_id"], shown["ts_ms"]
    dense = np.full((1, N_DENSE), rng.random(), np.float32)
    rows: Any = make_rows(FEATURES, at_ms, user_id, [anchor_id], ["dance"], "feed", dense, [[]])
    return scored.encode(shown["request_id"], user_id, at_ms, "default", "c", 0, [anchor_id], rows.tobytes())
