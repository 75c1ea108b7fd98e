"""Events for label tests: short constructors, and a seeded crowd that loses and reorders."""

import random
from typing import Any, NamedTuple

from rtrec.events.schema import (
    CLICK,
    GIFT,
    IMPRESSION,
    TYPE_NAMES,
    VIEW_END,
    VIEW_HEARTBEAT,
    VIEW_START,
    Event,
)
from rtrec.events.user_events import UserEvent

T0 = 1_700_000_000_000
Input = tuple[UserEvent, bytes | None]


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
