"""Events for label tests: short constructors, and a seeded crowd that loses and reorders."""

import random
from typing import Any, NamedTuple

from rtrec.events.schema import (
    CLICK,
    COMMENT,
    FOLLOW,
    GIFT,
    IMPRESSION,
    LIKE,
    SHARE,
    TYPE_NAMES,
    VIEW_END,
    VIEW_HEARTBEAT,
    VIEW_START,
    Event,
)
from rtrec.events.user_events import UserEvent
from rtrec.labels.exposure import ScoredRow

T0 = 1_700_000_000_000
Input = tuple[UserEvent, bytes | None]
Step = tuple[str, Any]
"""An input of the stage: `event`, `scored`, `tick` or `erase`, and its value."""

_STEPS = ["impression"] * 8 + ["action"] * 16 + ["scored", "scored", "tick"]
_ACTIONS = [
    CLICK,
    CLICK,
    VIEW_START,
    VIEW_START,
    *[VIEW_HEARTBEAT] * 3,
    VIEW_END,
    GIFT,
    GIFT,
    COMMENT,
    LIKE,
    FOLLOW,
    SHARE,
]


def event(
    kind: int, at_ms: int, user_id: str = "u", anchor_id: str = "a", *, reversal: bool = False, **fields: Any
) -> UserEvent:
    """One user event `at_ms` after T0."""
    sent = Event("e", TYPE_NAMES[kind], T0 + at_ms, anchor_id=anchor_id, user_id=user_id, **fields)
    return UserEvent(kind, T0 + at_ms, user_id, anchor_id, None, sent, reversal=reversal)


def impression(at_ms: int = 0, row: bytes | None = b"shadow", user_id: str = "u", **fields: Any) -> Input:
    """An impression with its shadow row."""
    return event(IMPRESSION, at_ms, user_id, **fields), row


def action(kind: int, at_ms: int, user_id: str = "u", **fields: Any) -> Input:
    """What follows an impression."""
    return event(kind, at_ms, user_id, **fields), None


def random_steps(seed: int) -> list[Step]:
    """Up to 160 inputs of a few users and anchors within minutes, on a grid so that times collide.

    Most streams are nearly in order; some are not at all. All cross every kind of deadline.
    """
    random_of = random.Random(seed)
    count, disorder = random_of.randrange(160), random_of.choice([0.0, 0.05, 0.3, 1.0])
    grid_ms = random_of.choice([1_000, 1_000, 10_000])
    drawn = [_random_step(random_of, grid_ms * random_of.randrange(120)) for _ in range(count)]
    late = [at_ms + (random_of.randrange(40_000) if random_of.random() < disorder else 0) for at_ms, _ in drawn]
    return [drawn[place][1] for place in sorted(range(count), key=late.__getitem__)]


def _random_step(random_of: random.Random, at_ms: int) -> tuple[int, Step]:
    user_id, anchor_id = random_of.choice("uvw"), random_of.choice("ab")
    request_id = random_of.choice(["r", "s", None])
    what = random_of.choice(_STEPS) if random_of.random() < 0.99 else "erase"
    if what == "scored":
        row = random_of.choice([b"logged", b"again"])
        return at_ms, (what, ScoredRow(user_id, request_id or "r", anchor_id, T0 + at_ms, row))
    if what in ("tick", "erase"):
        return at_ms, (what, (user_id, T0 + at_ms))
    fields: dict[str, Any] = {"user_id": user_id, "anchor_id": anchor_id, "request_id": request_id}
    if what == "impression":
        surface, shadow = (
            random_of.choice(["feed", "feed", "push", None]),
            random_of.choice([b"shadow", b"shadow", None]),
        )
        return at_ms, ("event", impression(at_ms, shadow, surface=surface, position=random_of.randrange(3), **fields))
    return at_ms, ("event", _random_action(random_of, at_ms, fields))


def _random_action(random_of: random.Random, at_ms: int, fields: dict[str, Any]) -> Input:
    kind = random_of.choice(_ACTIONS)
    if kind in (VIEW_HEARTBEAT, VIEW_END):
        fields["watch_ms"] = random_of.randrange(0, 3_500, 500)
    if kind == VIEW_END:
        fields["total_ms"] = random_of.choice([None, 1_000, 4_000])
    if kind == FOLLOW:
        fields["on"] = random_of.choice([True, False, None])
    return action(kind, at_ms, reversal=kind == GIFT and random_of.random() < 0.3, **fields)


class Shaken(NamedTuple):
    """A stream as it arrives, and what of it can be joined."""

    inputs: list[Input]
    joinable: int
    """Actions that arrived and whose impression did."""


def shaken_crowd(impressions: int, seed: int, lost: float, reordered: float, by_ms: int) -> Shaken:
    """Viewers of a feed; a share of events is lost, a share arrives up to `by_ms` late.

    An anchor is shown to a user once, so that a joined action has found its own impression.
    """
    random_of, road = random.Random(seed), random.Random(seed + 1)
    arrivals: list[tuple[int, int, Input]] = []
    present: set[str] = set()
    actions: dict[str, int] = {}
    for place in range(impressions):
        at_ms, request_id = place * 200, f"r{place // 4}"
        user_id, anchor_id = f"u{place // 4 % 1_000}", f"a{place}"
        for step in _journey(random_of, at_ms, user_id, anchor_id, request_id):
            if road.random() < lost:
                continue
            delay_ms = road.randrange(by_ms) if road.random() < reordered else 0
            arrivals.append((step[0].ts_ms + delay_ms, len(arrivals), step))
            if step[0].type == IMPRESSION:
                present.add(anchor_id)
            else:
                actions[anchor_id] = actions.get(anchor_id, 0) + 1
    joinable = sum(count for anchor_id, count in actions.items() if anchor_id in present)
    return Shaken([step for _, _, step in sorted(arrivals, key=lambda one: one[:2])], joinable)


def _journey(random_of: random.Random, at_ms: int, user_id: str, anchor_id: str, request_id: str) -> list[Input]:
    fields: dict[str, Any] = {"user_id": user_id, "anchor_id": anchor_id, "request_id": request_id}
    steps = [impression(at_ms, row=request_id.encode(), **fields)]
    if random_of.random() > 0.3:
        return steps
    at_ms += random_of.randrange(200, 15_000)
    steps += [action(CLICK, at_ms, **fields), action(VIEW_START, at_ms + 100, **fields)]
    for _ in range(random_of.randrange(4)):
        at_ms += 30_000
        steps.append(action(VIEW_HEARTBEAT, at_ms, watch_ms=30_000, **fields))
        if random_of.random() < 0.2:
            steps.append(action(GIFT, at_ms + 1_000, value=5, **fields))
    left_ms = random_of.randrange(29_000)
    return [*steps, action(VIEW_END, at_ms + left_ms, watch_ms=left_ms, **fields)]
