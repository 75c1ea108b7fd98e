"""Every anchor of one partition by brute force over its log: what `GET /v1/anchors/{id}` and `/v1/hot` must say.

Nothing is incremental but what the texts define in log order (acceptance, people, caps, rooms): a window is a sum
over the events in it, a decayed counter a sum of powers of two over all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp2
from typing import Any

from tests.oracle.acceptance import ACCEPTED, Acceptance, is_reversal
from tests.oracle.caps import Caps
from tests.oracle.ledger import Addition, Gift
from tests.oracle.passed import Original, Outcome, Passed
from tests.oracle.rooms import Rooms
from tests.oracle.rules import BLOCK_MS, HALF_LIVES, IDLE_MS, METRICS, NO_HEAT, WINDOWS, Event, Rules, identity

Sums = dict[str, dict[str, float]]


class Anchor:
    """One anchor's accepted events and what log order decides about them."""

    def __init__(self, anchor_id: str, rules: Rules) -> None:
        self.anchor_id = anchor_id
        self.rules = rules
        self.last_event_ms = 0
        self.additions: list[Addition] = []
        self.members: set[tuple[str, int, str]] = set()
        self.caps = Caps(rules)
        self.rooms = Rooms(rules.lease_ms)

    def add(self, event: Event, stamp_ms: int) -> Gift | None:
        """Take an accepted event that is no reversal; a gift is handed out for the ledger."""
        ts_ms: int = event["ts_ms"]
        self.last_event_ms = max(self.last_event_ms, ts_ms)
        self.rooms.see(event)
        user_id = str(event.get("user_id"))
        raw = counted(event)
        heat, stays = self.caps.add(user_id, ts_ms, raw)
        addition = Addition(ts_ms, raw, heat)
        self.additions.append(addition)
        self._add_person(event, user_id)
        if event["type"] != "gift":
            return None
        return Gift(self.anchor_id, user_id, event["value"], stamp_ms, addition, stays)

    def _add_person(self, event: Event, user_id: str) -> None:
        metric, block = person_metric(event), event["ts_ms"] // BLOCK_MS
        if metric is None or block < self.last_event_ms // BLOCK_MS - 1 or (metric, block, user_id) in self.members:
            return
        self.members.add((metric, block, user_id))
        heat, _ = self.caps.add(user_id, event["ts_ms"], {metric: 1})
        self.additions.append(Addition(event["ts_ms"], {metric: 1}, heat))

    def windows(self, at_ms: int) -> Sums:
        """Metric -> window -> sum, exactly as the contract defines it."""
        sums: Sums = {metric: dict.fromkeys(WINDOWS, 0) for metric in METRICS}
        for window, (hop_ms, width_ms) in WINDOWS.items():
            start_ms = (at_ms - width_ms) // hop_ms * hop_ms
            for addition in self.additions:
                if addition.ts_ms >= start_ms:
                    for metric, amount in addition.raw.items():
                        sums[metric][window] += amount
        return sums

    def decayed(self, at_ms: int) -> Sums:
        """Metric -> half-life -> sum."""
        sums: Sums = {metric: dict.fromkeys(HALF_LIVES, 0.0) for metric in METRICS}
        for name, half_life_ms in HALF_LIVES.items():
            for addition in self.additions:
                power = exp2((addition.ts_ms - at_ms) / half_life_ms)
                for metric, amount in addition.raw.items():
                    sums[metric][name] += amount * power
        return sums

    def heat_values(self, at_ms: int) -> dict[str, float]:
        """Weighted metric -> decayed, capped value; all are 0 once their weighted sum is at most 1e-9."""
        half_life_ms = HALF_LIVES[self.rules.half_life]
        values = {metric: 0.0 for metric in METRICS if self.rules.weights.get(metric, 0.0) > 0.0}
        for addition in self.additions:
            power = exp2((addition.ts_ms - at_ms) / half_life_ms)
            for metric in values.keys() & addition.heat.keys():
                values[metric] += addition.heat[metric] * power
        total = sum(self.rules.weights[metric] * value for metric, value in values.items())
        return values if total > NO_HEAT else dict.fromkeys(values, 0.0)

    def score(self, at_ms: int) -> float:
        """Heat."""
        return sum(self.rules.weights[metric] * value for metric, value in self.heat_values(at_ms).items())


@dataclass
class Partition:
    """The oracle: feed it a partition's log, then ask."""

    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        self.acceptance = Acceptance(self.rules)
        self.anchors: dict[str, Anchor] = {}
        self.verdicts: list[str] = []

    @property
    def newest_ms(self) -> int | None:
        """The newest accepted event time."""
        return self.acceptance.newest_ms

    def feed(self, log: Iterable[tuple[Event, int]]) -> "Partition":
        """Take (event, append_ms) in log order; verdicts are kept in `verdicts`."""
        for event, append_ms in log:
            self.take(event, append_ms)
        return self

    def take(self, event: Event, append_ms: int | None = None) -> Outcome:
        """Take the log's next event and say what becomes of it.

        append_ms: None where INGEST has judged `future` already, as in the topic of an anchor partition.
        """
        verdict, original = self.acceptance.judge(event, event["ts_ms"] if append_ms is None else append_ms)
        self.verdicts.append(verdict)
        if verdict != ACCEPTED:
            return Outcome(verdict)
        self._apply(event, original)
        return Outcome(verdict, self._passed(event, original))

    def _passed(self, event: Event, original: Gift | None) -> Passed | None:
        if event.get("user_id") is None:
            return None
        anchor = None if event["type"] == "user_profile" else self.anchors.get(str(event.get("anchor_id")))
        category = None if anchor is None else anchor.rooms.category
        if original is None:
            return Passed(event, category)
        gift = Original(original.user_id, original.anchor_id, original.addition.ts_ms, original.value)
        return Passed(event, category, gift)

    def _apply(self, event: Event, original: Gift | None) -> None:
        if is_reversal(event):
            assert original is not None
            original.reverse()
            return
        anchor_id = identity(event.get("anchor_id"))
        if anchor_id is None or event["type"] == "user_profile":
            return
        if anchor_id not in self.anchors:
            self.anchors[anchor_id] = Anchor(anchor_id, self.rules)
        gift = self.anchors[anchor_id].add(event, self.newest_ms or 0)
        if gift is not None:
            self.acceptance.keep(event, gift)

    def idle(self, anchor: Anchor) -> bool:
        """Whether an anchor is more than 25 h of the partition's time behind."""
        return (self.newest_ms or 0) - anchor.last_event_ms > IDLE_MS

    def show(self, anchor_id: str, at_ms: int) -> dict[str, Any] | None:
        """The parts of the contract's answer that the anchor side decides; None for an unknown anchor."""
        anchor = self.anchors.get(anchor_id)
        if anchor is None:
            return None
        as_of_ms = max(at_ms, anchor.last_event_ms)
        idle = self.idle(anchor)
        last_event_ms = anchor.last_event_ms
        if idle:
            anchor = Anchor(anchor_id, self.rules)
        windows = anchor.windows(as_of_ms)
        room = anchor.rooms.current
        live = room is not None and room.live(as_of_ms)
        told = None if room is None else room.told_viewers(as_of_ms)
        return {
            "anchor_id": anchor_id,
            "as_of_ms": as_of_ms,
            "live": live,
            "live_id": room.live_id if live and room is not None and not room.live_id.startswith("nameless") else None,
            "live_since_ms": room.start_ms if live and room is not None else None,
            "viewers": windows["watchers"]["5m"] if told is None else told,
            "idle": idle,
            "last_event_ms": last_event_ms,
            "windows": windows,
            "decayed": anchor.decayed(as_of_ms),
            "heat_values": anchor.heat_values(as_of_ms),
            "score": anchor.score(as_of_ms),
        }

    def hot(self, at_ms: int) -> list[tuple[str, float]]:
        """All live anchors with their heat at `at_ms`, hottest first, ties by id. No anchor may be ahead of it."""
        rows = []
        for anchor in self.anchors.values():
            room = anchor.rooms.current
            if room is not None and room.live(max(at_ms, anchor.last_event_ms)) and not self.idle(anchor):
                rows.append((anchor.anchor_id, anchor.score(at_ms)))
        return sorted(rows, key=lambda row: (-row[1], row[0]))


def counted(event: Event) -> dict[str, int]:
    """The ten counters an event adds to (contract, *Events*)."""
    match event["type"]:
        case "view_start":
            return {"views": 1}
        case "view_heartbeat" | "view_end":
            return {"watch_ms": event["watch_ms"]}
        case "gift":
            return {"gifts": _or(event.get("count"), 1), "gift_value": event["value"]}
        case "like":
            return {"likes": _or(event.get("count"), 1)}
        case "follow":
            return {"follows": 1} if _or(event.get("on"), True) else {}
        case "impression" | "click" | "comment" | "share":
            return {event["type"] + "s": 1}
    return {}


def person_metric(event: Event) -> str | None:
    """The people counter an event's user belongs in."""
    match event["type"]:
        case "view_start" | "view_heartbeat" | "view_end":
            return "watchers"
        case "gift":
            return "gifters"
        case "comment" | "like" | "share":
            return "interactors"
        case "follow":
            return "interactors" if _or(event.get("on"), True) else None
    return None


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
