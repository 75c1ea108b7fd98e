"""The seeded stream of the chaos test: users' lives with late, doubled and reversed events, among hostile lines.

The same story gives the same lines. Every impression has a position of its own, so that its examples name it, and some
are followed by what makes labels positive: a click, a long view, a gift.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from tests.replay.hostility import hostile_line
from tests.replay.streams import Event, Shape
from tests.replay.user_streams import Lives, user_stream

OVERSIZED_BYTES = 100_000
FOLLOWED = 0.4
LATER_LINES = 60
LEAPS = 2
"""Leaps of time by days, and silences of weeks, in a stream: each makes late what other producers still have."""


class Line(NamedTuple):
    """What is produced. key: what a producer places it by; good: whether it is an event."""

    key: bytes | None
    value: bytes
    good: bool


class Story(NamedTuple):
    """What a stream is made of; hostile: share of lines that are no events."""

    seed: int
    events: int
    anchors: int = 24
    users: int = 150
    hostile: float = 0.02


def story_lines(story: Story) -> list[Line]:
    """All lines, in the order they happened."""
    rng = random.Random(story.seed ^ 0xBAD)
    leaps = LEAPS / story.events
    shape = Shape(
        story.seed, events=story.events, anchors=story.anchors, users=story.users, step_ms=400, very_late=0.002,
        duplicates=0.05, reversals=0.05, jumps=leaps, drills=0.0005,
    )  # fmt: skip
    events = [*_with_visits(user_stream(Lives(shape, silences=leaps)), rng)]
    gift = next(event for event in events if event["type"] == "gift" and isinstance(event.get("user_id"), str))
    lines = []
    for number, event in enumerate(events):
        placed = event | {"position": number} if event["type"] == "impression" else event
        lines.append(Line(_key(event), json.dumps(placed).encode(), good=True))
        if rng.random() < story.hostile:
            bad = hostile_line(rng, gift | {"event_id": f"bad{number}"})
            lines.append(Line(rng.choice([None, _key(event)]), bad, good=False))
    oversized = json.dumps(gift | {"event_id": "oversized", "gift_id": "x" * OVERSIZED_BYTES}).encode()
    lines.insert(rng.randrange(len(lines)), Line(None, oversized, good=False))
    return lines


def parts(lines: list[Line], count: int) -> list[list[Line]]:
    """The lines in so many parts of equal length, in order."""
    return [lines[len(lines) * n // count : len(lines) * (n + 1) // count] for n in range(count)]


def _with_visits(events: list[Event], rng: random.Random) -> Iterator[Event]:
    """The events, and visits that some impressions lead to, among those that come soon after."""
    later: defaultdict[int, list[Event]] = defaultdict(list)
    for number, event in enumerate(events):
        yield event
        yield from later.pop(number, ())
        if event["type"] == "impression" and rng.random() < FOLLOWED:
            for place, step in enumerate(_visit(event, rng)):
                later[number + 1 + rng.randrange(LATER_LINES)].append(step | {"event_id": f"v{number}.{place}"})


def _visit(shown: Event, rng: random.Random) -> Iterator[Event]:
    """What the user does in the room."""
    of = {name: shown[name] for name in ("anchor_id", "user_id")}
    at_ms = shown["ts_ms"] + rng.randrange(1, 70_000)
    yield of | {"type": rng.choice(["click", "view_start"]), "ts_ms": at_ms}
    for _ in range(rng.randrange(3)):
        at_ms += rng.randrange(1, 30_000)
        yield of | {"type": "view_heartbeat", "ts_ms": at_ms, "watch_ms": rng.randrange(25_000)}
    if rng.random() < 0.3:
        yield of | {"type": "gift", "ts_ms": at_ms + 1, "value": rng.randrange(1, 500)}
    if rng.random() < 0.5:
        yield of | {"type": "view_end", "ts_ms": at_ms + rng.randrange(20_000), "watch_ms": rng.randrange(30_000)}


def _key(event: Event) -> bytes:
    return str(event.get("anchor_id") or event.get("user_id")).encode()
