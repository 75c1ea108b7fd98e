"""Streams of one or a few users' events, for tests of records and of PROFILE."""

import random
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from rtrec.events import schema
from rtrec.events.schema import TYPE_NAMES, Event
from rtrec.events.user_events import UserEvent
from rtrec.features.user import UserRecord, advance
from rtrec.settings import Users

T0 = 1_712_345_678_901
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CATEGORIES = ("dance", "music", "game", None)
USER_TYPES = (
    schema.IMPRESSION, schema.CLICK, schema.VIEW_START, schema.VIEW_HEARTBEAT, schema.VIEW_END, schema.GIFT,
    schema.COMMENT, schema.LIKE, schema.FOLLOW, schema.SHARE, schema.NEGATIVE, schema.USER_PROFILE,
)  # fmt: skip


def user_event(
    code: int,
    ts_ms: int,
    anchor_id: str = "a1",
    *,
    user_id: str = "u1",
    category: str | None = "dance",
    value: int = 0,
    reversal: bool = False,
    **fields: Any,
) -> UserEvent:
    """One event as HEAT hands it on."""
    event = Event("e", TYPE_NAMES[code], ts_ms, anchor_id=anchor_id, user_id=user_id, **fields)
    return UserEvent(code, ts_ms, user_id, anchor_id, category, event, value=value, reversal=reversal)


def recorded(*events: UserEvent, policy: Users | None = None) -> UserRecord:
    """The record after these events."""
    record = UserRecord()
    for event in events:
        advance(record, event, policy or Users())
    return record


@st.composite
def user_events(draw: st.DrawFn, users: int = 1, span_ms: int = 3 * DAY_MS) -> UserEvent:
    """Any event, in one of ten bursts over a span: repetition makes lateness, gaps and crowded tables."""
    code = draw(st.sampled_from(USER_TYPES))
    anchor = draw(st.integers(0, 8))
    fields: dict[str, Any] = {}
    if code in {schema.VIEW_HEARTBEAT, schema.VIEW_END}:
        fields["watch_ms"] = draw(st.sampled_from([0, 500, 30_000, 5_000_000]))
    if code == schema.FOLLOW:
        fields["on"] = draw(st.sampled_from([None, True, False]))
    if code == schema.NEGATIVE:
        fields["kind"] = draw(st.sampled_from(["block", "report", "not_interested"]))
    if code == schema.USER_PROFILE:
        fields["set"] = draw(st.sampled_from([None, {"city": "Kyiv", "age": 35.0}, {"tags": ["x", "y"], "vip": True}]))
        fields["follows"] = draw(st.sampled_from([None, [], ["a3", "a1"]]))
    return user_event(
        code,
        T0 + draw(st.integers(0, 9)) * span_ms // 9 + draw(st.integers(0, 20)) * 1_000,
        f"a{anchor}",
        user_id=f"u{draw(st.integers(0, users - 1))}",
        category=CATEGORIES[anchor % len(CATEGORIES)],
        value=draw(st.sampled_from([0, 10, 5_200])) if code == schema.GIFT else 0,
        reversal=code == schema.GIFT and draw(st.booleans()),
        **fields,
    )


def active_user(rng: random.Random, sessions: int) -> Iterator[UserEvent]:
    """A viewer with habits: sessions of three pages of eight, a seventh of them clicked and watched for minutes."""
    ts_ms = T0
    for _ in range(sessions):
        ts_ms += rng.randint(HOUR_MS, DAY_MS)
        for _ in range(3):
            page = [f"anchor{int(2_000 * rng.random() ** 3)}" for _ in range(8)]
            yield from (_of(schema.IMPRESSION, ts_ms, anchor_id) for anchor_id in page)
            for anchor_id in page:
                if rng.random() < 0.15:
                    visit = list(_visit(rng, ts_ms + rng.randint(500, 5_000), anchor_id))
                    yield from visit
                    ts_ms = visit[-1].ts_ms
            ts_ms += rng.randint(3_000, 60_000)


def _visit(rng: random.Random, ts_ms: int, anchor_id: str) -> Iterator[UserEvent]:
    yield _of(schema.CLICK, ts_ms, anchor_id)
    yield _of(schema.VIEW_START, ts_ms, anchor_id)
    for _ in range(int(rng.expovariate(1 / 4))):
        ts_ms += 30_000
        yield _of(schema.VIEW_HEARTBEAT, ts_ms, anchor_id, watch_ms=30_000)
        if rng.random() < 0.05:
            yield _of(schema.GIFT, ts_ms, anchor_id, value=rng.choice([10, 100, 5_200]))
        if rng.random() < 0.05:
            yield _of(schema.FOLLOW, ts_ms, anchor_id)
    watch_ms = rng.randint(0, 30_000)
    yield _of(schema.VIEW_END, ts_ms + watch_ms, anchor_id, watch_ms=watch_ms)


def _of(code: int, ts_ms: int, anchor_id: str, **fields: Any) -> UserEvent:
    return user_event(code, ts_ms, anchor_id, category=f"category{int(anchor_id[6:]) % 12}", **fields)
