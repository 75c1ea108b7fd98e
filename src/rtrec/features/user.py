"""A viewer's record: what one user did lately, advanced event by event.

Rules
-----
- `advance` is called once per accepted event of the user, in log order; the record is a function of that
  sequence alone. Dict and list orders are part of it, and `user_codec` keeps them.
- Everything is bounded: the views that started first, the anchors seen longest ago, the weakest tastes and
  the oldest follows, blocks and attributes make room.
- Views stand in order of their start, familiarity in order of last contact, whatever the order of arrival
  (equal times: as they came). A late event never moves `last_ts_ms` back.
- A reversal is no activity: it takes its value out where the original stands, and touches nothing else.
- Tastes are Σ weight · 2^((ts − L)/h) with one landmark L per record, a multiple of 64·h. All decay alike,
  so shares need no clock and nothing needs a sweep; moving L scales by a power of two, which is exact.
- Spend follows an anchor's windows (`user_spend`).
"""

from bisect import insort_right
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from msgspec import Struct, field

from rtrec.events import schema
from rtrec.events.user_events import UserEvent
from rtrec.features import user_spend
from rtrec.settings import Users

MAX_VIEWS: Final = 50
MAX_FAMILIAR: Final = 100
MAX_TASTES: Final = 64
MAX_FOLLOWS: Final = schema.MAX_FOLLOWS
MAX_BLOCKED: Final = 2_000
MAX_ATTRIBUTES: Final = schema.MAX_ATTRIBUTES

VIEW_GAP_MS: Final = 1_800_000
"""Silence after which more watching of the same anchor is another view."""

LANDMARK_HALF_LIVES: Final = 64

WATCH_PER_TASTE_MS: Final = 60_000
MAX_WATCH_TASTE: Final = 10.0
VIEW_TASTE, CLICK_TASTE, GIFT_TASTE, NEGATIVE_TASTE = 1.0, 2.0, 3.0, -2.0


class View(Struct, array_like=True, gc=False):
    """One view: whom, what, for how long, since when. It reaches from `ts_ms` to `ts_ms + watch_ms`."""

    anchor_id: str
    category: str | None
    watch_ms: int
    ts_ms: int


class Familiarity(Struct, array_like=True, gc=False):
    """What a user and an anchor have had with each other."""

    views: int = 0
    watch_ms: int = 0
    gift_value: int = 0
    last_ts_ms: int = 0
    exposures_since_click: int = 0


class UserRecord(Struct, array_like=True, gc=False):
    """All that is kept of one user; fields are append-only, their order is stored.

    views: the 50 last started, oldest first.
    familiarity: the 100 anchors of latest contact by id, longest ago first.
    tastes: category → weight relative to `taste_landmark_ms`.
    spend: gift value by time, see `user_spend`.
    follows, blocked: ordered sets of anchor ids, oldest first.
    erased_ms: the newest erasure of this user known when the record began; 0 if none.
    """

    last_ts_ms: int = 0
    erased_ms: int = 0
    views: list[View] = field(default_factory=list)
    familiarity: dict[str, Familiarity] = field(default_factory=dict)
    taste_landmark_ms: int = 0
    tastes: dict[str, float] = field(default_factory=dict)
    spend: user_spend.Spend = field(default_factory=lambda: ({}, {}, {}))
    follows: dict[str, None] = field(default_factory=dict)
    blocked: dict[str, None] = field(default_factory=dict)
    attributes: dict[str, str | float | bool | list[str]] = field(default_factory=dict)


def advance(record: UserRecord, event: UserEvent, policy: Users) -> None:
    """Apply the user's next event. Types that say nothing about a user leave no trace.

    >>> from rtrec.events.schema import GIFT, Event
    >>> gift = UserEvent(GIFT, 10**12, "u", "a", "dance", Event("e", "gift", 10**12), value=30, count=3)
    >>> record = UserRecord()
    >>> advance(record, gift, Users())
    >>> record.familiarity["a"].gift_value, spend_at(record, 10**12), list(record.tastes)
    (30, (30, 30, 30), ['dance'])
    """
    if event.reversal:
        _reverse(record, event)
        return
    apply = _APPLY.get(event.type)
    if apply is None:
        return
    apply(record, event, policy)
    record.last_ts_ms = max(record.last_ts_ms, event.ts_ms)


def spend_at(record: UserRecord, now_ms: int) -> tuple[int, int, int]:
    """Gift value in the last 10 minutes, hour and day, as of `now_ms` or the newest event if that is later."""
    return user_spend.values_at(record.spend, max(now_ms, record.last_ts_ms))


def taste_shares(record: UserRecord) -> dict[str, float]:
    """Each category's share of the user's decayed taste; they add up to 1, or there are none."""
    total = sum(record.tastes.values())
    return {category: weight / total for category, weight in record.tastes.items()} if total > 0 else {}


def _impression(record: UserRecord, event: UserEvent, _: Users) -> None:
    _touch(record, event).exposures_since_click += 1


def _click(record: UserRecord, event: UserEvent, policy: Users) -> None:
    _touch(record, event).exposures_since_click = 0
    _taste(record, event, CLICK_TASTE, policy)


def _view_start(record: UserRecord, event: UserEvent, policy: Users) -> None:
    known = _touch(record, event)
    known.views += 1
    known.exposures_since_click = 0
    _open_view(record, event)
    _taste(record, event, VIEW_TASTE, policy)


def _watched(record: UserRecord, event: UserEvent, policy: Users) -> None:
    watch_ms = event.event.watch_ms or 0
    _touch(record, event).watch_ms += watch_ms
    (_view_of(record, event) or _open_view(record, event)).watch_ms += watch_ms
    _taste(record, event, min(watch_ms / WATCH_PER_TASTE_MS, MAX_WATCH_TASTE), policy)


def _gift(record: UserRecord, event: UserEvent, policy: Users) -> None:
    _touch(record, event).gift_value += event.value
    if event.value:
        user_spend.add(record.spend, event.ts_ms, event.value, max(event.ts_ms, record.last_ts_ms))
    _taste(record, event, GIFT_TASTE, policy)


def _seen(record: UserRecord, event: UserEvent, _: Users) -> None:
    _touch(record, event)


def _follow(record: UserRecord, event: UserEvent, _: Users) -> None:
    _touch(record, event)
    if event.event.on is False:
        record.follows.pop(event.anchor_id, None)
    else:
        _put_last(record.follows, event.anchor_id, None, MAX_FOLLOWS)


def _negative(record: UserRecord, event: UserEvent, policy: Users) -> None:
    _touch(record, event)
    _taste(record, event, NEGATIVE_TASTE, policy)
    if event.event.kind == "block":
        _put_last(record.blocked, event.anchor_id, None, MAX_BLOCKED)


def _profile(record: UserRecord, event: UserEvent, _: Users) -> None:
    """Named attributes are replaced, the others stay; a list of follows replaces the whole list."""
    for name, value in (event.event.set or {}).items():
        _put_last(record.attributes, name, value, MAX_ATTRIBUTES)
    if event.event.follows is not None:
        record.follows = dict.fromkeys(map(str, event.event.follows))


def _reverse(record: UserRecord, event: UserEvent) -> None:
    """Take a gift out where its tiles and its anchor still stand, never below 0."""
    user_spend.take(record.spend, event.ts_ms, event.value)
    known = record.familiarity.get(event.anchor_id)
    if known is not None:
        known.gift_value = max(0, known.gift_value - event.value)


def _touch(record: UserRecord, event: UserEvent) -> Familiarity:
    """The familiarity with the event's anchor, at its place by last contact."""
    familiarity, ts_ms = record.familiarity, event.ts_ms
    known = familiarity.get(event.anchor_id)
    if known is None:
        known = Familiarity()
    elif ts_ms <= known.last_ts_ms:
        return known
    else:
        del familiarity[event.anchor_id]
    known.last_ts_ms = ts_ms
    if ts_ms >= record.last_ts_ms:
        familiarity[event.anchor_id] = known
    else:
        _insert_late(familiarity, event.anchor_id, known)
    if len(familiarity) > MAX_FAMILIAR:
        del familiarity[next(iter(familiarity))]
    return known


def _insert_late(familiarity: dict[str, Familiarity], anchor_id: str, known: Familiarity) -> None:
    """Put a latecomer where its time belongs: lift off what is newer, and lay it back."""
    newer = []
    while familiarity:
        last = familiarity.popitem()
        newer.append(last)
        if last[1].last_ts_ms <= known.last_ts_ms:
            familiarity.update([newer.pop()])
            break
    familiarity[anchor_id] = known
    familiarity.update(reversed(newer))


def _open_view(record: UserRecord, event: UserEvent) -> View:
    view = View(event.anchor_id, event.category, 0, event.ts_ms)
    views = record.views
    if views and event.ts_ms < views[-1].ts_ms:
        insort_right(views, view, key=attrgetter("ts_ms"))
    else:
        views.append(view)
    if len(views) > MAX_VIEWS:
        del views[0]
    return view


def _view_of(record: UserRecord, event: UserEvent) -> View | None:
    """The anchor's newest view that had started by then, if it is not over for 30 minutes."""
    anchor_id, ts_ms = event.anchor_id, event.ts_ms
    for view in reversed(record.views):
        if view.anchor_id == anchor_id and view.ts_ms <= ts_ms:
            return view if ts_ms <= view.ts_ms + view.watch_ms + VIEW_GAP_MS else None
    return None


def _taste(record: UserRecord, event: UserEvent, weight: float, policy: Users) -> None:
    """Add a weight at the event's time to its category; at or below 0 the taste is gone."""
    category, half_life_ms = event.category, policy.taste_half_life_ms
    if category is None or not weight:
        return
    if event.ts_ms - record.taste_landmark_ms >= LANDMARK_HALF_LIVES * half_life_ms:
        _move_landmark(record, event.ts_ms, half_life_ms)
    tastes = record.tastes
    now = tastes.get(category, 0.0) + weight * 2.0 ** ((event.ts_ms - record.taste_landmark_ms) / half_life_ms)
    if now > 0:
        tastes[category] = now
        if len(tastes) > MAX_TASTES:
            del tastes[min(tastes, key=tastes.__getitem__)]
    else:
        tastes.pop(category, None)


def _move_landmark(record: UserRecord, ts_ms: int, half_life_ms: int) -> None:
    landmark_ms = ts_ms - ts_ms % (LANDMARK_HALF_LIVES * half_life_ms)
    if record.tastes:
        scale = 2.0 ** ((record.taste_landmark_ms - landmark_ms) / half_life_ms)
        record.tastes = {category: left for category, weight in record.tastes.items() if (left := weight * scale) > 0}
    record.taste_landmark_ms = landmark_ms


def _put_last(ordered: dict[str, Any], name: str, value: object, at_most: int) -> None:
    """Set a name as the newest one; the oldest makes room."""
    ordered.pop(name, None)
    ordered[name] = value
    if len(ordered) > at_most:
        del ordered[next(iter(ordered))]


_APPLY: Final[dict[int, Callable[[UserRecord, UserEvent, Users], None]]] = {
    schema.IMPRESSION: _impression,
    schema.CLICK: _click,
    schema.VIEW_START: _view_start,
    schema.VIEW_HEARTBEAT: _watched,
    schema.VIEW_END: _watched,
    schema.GIFT: _gift,
    schema.COMMENT: _seen,
    schema.LIKE: _seen,
    schema.FOLLOW: _follow,
    schema.SHARE: _seen,
    schema.NEGATIVE: _negative,
    schema.USER_PROFILE: _profile,
}
