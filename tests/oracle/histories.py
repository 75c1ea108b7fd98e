"""What one user's events, in the order PROFILE met them, add up to (contract, `GET /v1/users/{id}`).

A history is the whole list since the record began, reversals included; every function reads all of it anew.

- Order of arrival decides what a limit pushed out, what was set or followed last, and where a sum met its floor of 0;
  event time decides places in lists and weights. Equal times stand as they came.
- A contact with an anchor is any event of the user there; a reversal is none, and no activity.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import exp2, fsum
from typing import Any

from tests.oracle.passed import Passed
from tests.oracle.rules import Event

MAX_VIEWS = 50
MAX_FAMILIAR = 100
MAX_TASTES = 64
MAX_FOLLOWS = 2_000
MAX_BLOCKED = 2_000
MAX_ATTRIBUTES = 64

VIEW_GAP_MS = 1_800_000
SPEND_WINDOWS = {"10m": (60_000, 600_000), "1h": (300_000, 3_600_000), "24h": (3_600_000, 86_400_000)}
"""Window name -> (hop, width) in milliseconds."""

CONTACTS = frozenset({
    "impression", "click", "view_start", "view_heartbeat", "view_end", "gift", "comment", "like", "follow", "share",
    "negative",
})  # fmt: skip
WATCHED = frozenset({"view_heartbeat", "view_end"})
ACTIVITY = CONTACTS | {"user_profile"}

History = list[Passed]


def is_activity(met: Passed) -> bool:
    """Whether an event begins a record, or keeps it from expiring."""
    return met.original is None and met.event["type"] in ACTIVITY


@dataclass
class View:
    """One view: from its start to as much later as was watched."""

    anchor_id: str
    category: str | None
    start_ms: int
    place: int
    watch_ms: int = 0


def recent_views(history: History) -> list[dict[str, Any]]:
    """The 50 views that started last, newest first.

    Watching belongs to the anchor's newest view that had started by then, unless that was over for more than 30
    minutes (or is no longer kept): then it is a view of its own.
    """
    kept: list[View] = []
    for place, met in enumerate(history):
        event = met.event
        if event["type"] != "view_start" and event["type"] not in WATCHED:
            continue
        anchor_id, ts_ms = str(event["anchor_id"]), event["ts_ms"]
        view = View(anchor_id, met.category, ts_ms, place)
        started = [one for one in kept if one.anchor_id == anchor_id and one.start_ms <= ts_ms]
        if event["type"] in WATCHED:
            if started and ts_ms - (started[-1].start_ms + started[-1].watch_ms) <= VIEW_GAP_MS:
                view = started[-1]
            view.watch_ms += event["watch_ms"]
        if view not in kept:
            kept = sorted([*kept, view], key=lambda one: (one.start_ms, one.place))[-MAX_VIEWS:]
    return [
        {"anchor_id": one.anchor_id, "category": one.category, "watch_ms": one.watch_ms, "ts_ms": one.start_ms}
        for one in reversed(kept)
    ]


def familiarity(history: History) -> list[dict[str, Any]]:
    """The 100 anchors of latest contact, latest first, each with what happened since it came to be among them."""
    kept: dict[str, list[int]] = {}

    def last_contact(anchor_id: str) -> tuple[int, int]:
        """When it was, and the place in the history that first said so."""
        contacts = [place for place in kept[anchor_id] if history[place].original is None]
        ts_ms, place = max((history[place].event["ts_ms"], -place) for place in contacts)
        return ts_ms, -place

    for place, met in enumerate(history):
        if met.original is not None:
            kept.get(met.original.anchor_id, []).append(place)
        elif met.event["type"] in CONTACTS:
            kept.setdefault(str(met.event["anchor_id"]), []).append(place)
        if len(kept) > MAX_FAMILIAR:
            del kept[min(kept, key=last_contact)]
    return [
        {"anchor_id": anchor_id, "last_ts_ms": last_contact(anchor_id)[0]}
        | _figures([history[place] for place in kept[anchor_id]])
        for anchor_id in sorted(kept, key=last_contact, reverse=True)
    ]


def _figures(mets: History) -> dict[str, int]:
    """Of one anchor; exposures are impressions that arrived after the last click or view_start did."""
    kinds = ["reversal" if met.original is not None else met.event["type"] for met in mets]
    entries = [place for place, kind in enumerate(kinds) if kind in {"click", "view_start"}]
    return {
        "views": kinds.count("view_start"),
        "watch_ms": sum(met.event["watch_ms"] for met in mets if met.event["type"] in WATCHED),
        "gift_value": _floored(map(gift_change, mets)),
        "exposures_since_click": kinds[entries[-1] + 1 if entries else 0 :].count("impression"),
    }


def gift_change(met: Passed) -> int:
    """What an event does to the sum of gifts: more, less, or nothing."""
    if met.original is not None:
        return -met.original.value
    return int(met.event["value"]) if met.event["type"] == "gift" else 0


def _floored(changes: Iterable[int]) -> int:
    """A sum that never goes below 0: a reversal may find that its gift went with what a limit pushed out."""
    total = 0
    for change in changes:
        total = max(0, total + change)
    return total


def gift_value(history: History, at_ms: int) -> dict[str, int]:
    """Spend by window: all tiles from floor((T - w)/hop) · hop on."""
    sums = {}
    for name, (hop_ms, width_ms) in SPEND_WINDOWS.items():
        tiles: dict[int, list[int]] = defaultdict(list)
        for met in history:
            ts_ms = met.event["ts_ms"] if met.original is None else met.original.ts_ms
            tiles[ts_ms // hop_ms].append(gift_change(met))
        first = (at_ms - width_ms) // hop_ms
        sums[name] = sum(_floored(changes) for tile, changes in tiles.items() if tile >= first)
    return sums


def taste_weight(event: Event) -> float:
    """What an event says of its category."""
    match event["type"]:
        case "view_start":
            return 1.0
        case "view_heartbeat" | "view_end":
            return min(float(event["watch_ms"]) / 60_000, 10.0)
        case "click":
            return 2.0
        case "gift":
            return 3.0
        case "negative":
            return -2.0
    return 0.0


def taste_shares(history: History, half_life_ms: int) -> dict[str, float]:
    """Category -> share of decayed weight; one that falls to 0 begins anew, beyond 64 the weakest goes.

    Weights a thousand half-lives apart are more than a float holds: keep a record's days below 900 half-lives.
    """
    kept: dict[str, list[tuple[int, float]]] = {}

    def strength(category: str) -> float:
        """As of the newest of all: later ones only scale."""
        newest_ms = max(ts_ms for added in kept.values() for ts_ms, _ in added)
        return fsum(weight * exp2((ts_ms - newest_ms) / half_life_ms) for ts_ms, weight in kept[category])

    for met in history:
        weight = taste_weight(met.event) if met.original is None else 0.0
        if met.category is None or not weight:
            continue
        kept.setdefault(met.category, []).append((met.event["ts_ms"], weight))
        if weight < 0 and strength(met.category) <= 0:
            del kept[met.category]
        if len(kept) > MAX_TASTES:
            del kept[min(kept, key=strength)]
    strengths = {category: strength(category) for category in kept}
    return {category: one / sum(strengths.values()) for category, one in strengths.items()}


def follows(history: History) -> list[str]:
    """Whom the user follows, oldest first: the last word in order of arrival counts."""
    kept: list[str] = []
    for event in (met.event for met in history):
        if event["type"] == "user_profile" and event.get("follows") is not None:
            kept = list(dict.fromkeys(map(str, event["follows"])))
        elif event["type"] == "follow":
            kept = [one for one in kept if one != str(event["anchor_id"])]
            if event.get("on") is not False:
                kept.append(str(event["anchor_id"]))
        kept = kept[-MAX_FOLLOWS:]
    return kept


def blocked(history: History) -> list[str]:
    """Whom the user blocked, the latest block last."""
    events = (met.event for met in reversed(history))
    latest = dict.fromkeys(str(e["anchor_id"]) for e in events if e["type"] == "negative" and e["kind"] == "block")
    return list(latest)[:MAX_BLOCKED][::-1]


def attributes(history: History) -> dict[str, Any]:
    """The 64 names set last, each with its last value; numbers are floats."""
    latest: dict[str, Any] = {}
    for event in (met.event for met in reversed(history)):
        for name, value in reversed((event.get("set") or {}).items() if event["type"] == "user_profile" else ()):
            latest.setdefault(name, float(value) if type(value) is int else value)
    return dict(list(latest.items())[:MAX_ATTRIBUTES])
