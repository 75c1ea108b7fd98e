"""A partition under HEAT as a host drives it, with a store of plain bytes, and streams of events for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rtrec.events.codec import decode
from rtrec.events.columns import make_chunk
from rtrec.events.ids import hash_id
from rtrec.events.schema import TYPES, Event
from rtrec.events.user_events import UserEvent
from rtrec.features import anchor_codec, anchor_meta
from rtrec.features.anchor_json import anchor_json
from rtrec.features.anchor_table import ANCHOR, Anchors
from rtrec.features.heat_rules import HeatRules, heat_rules
from rtrec.settings import Events, Features, Heat
from rtrec.stages.heat import OUTCOMES, HeatState, canonical, heat, heat_needs
from rtrec.stages.heat_events import user_chunk
from tests.unit.events.event_cases import escaped, valid

T0 = 1_712_345_700_000  # a multiple of 5 min
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
PREFIXES = ("ledger/", "meta", "people/", "seen/")


def made(type_name: str, ts_ms: int, **fields: Any) -> Event:
    """An event of anchor `a` by user `u`, its id made of what it is unless given."""
    users = {"user_id": "u"} if "user_id" in valid(type_name) else {}
    given = {"anchor_id": "a", **users, **fields, "ts_ms": ts_ms}
    event = valid(type_name, **{"event_id": f"{hash_id(f'{type_name}{sorted(given.items())}'):x}", **given})
    found = decode(escaped(event))
    assert isinstance(found, Event), found
    return found


class Host:
    """One partition: turns, commits, and a new worker when asked. Positions are the events' numbers."""

    def __init__(self, heat_policy: Heat | None = None, *, max_slots: int = 16_384, seen_ids: int = 100_000) -> None:
        self.rules: HeatRules = heat_rules(heat_policy or Heat(), Events(), Features())
        self.store: dict[str, bytes] = {}
        self.ranks: dict[str, float] = {}
        self.passed: list[UserEvent] = []
        self.position = 0
        self._slots, self._seen = max_slots, seen_ids
        self.take_over()

    def take_over(self) -> None:
        """Another worker starts from what was committed."""
        self.state = HeatState(self.rules, seen_ids=self._seen, ledger_gifts=10_000, max_slots=self._slots)
        self.state.load((key, value) for key, value in sorted(self.store.items()) if key.startswith(PREFIXES))

    def feed(self, *events: Event) -> list[str]:
        """One micro-batch, committed; each event's outcome."""
        chunk = make_chunk(events, range(self.position, self.position + len(events)))
        self.position += len(events)
        needs = heat_needs(self.state, chunk)
        self.state.admit(needs, [self.store.get(key) for key in needs])
        result = heat(self.state, chunk)
        self.passed += user_chunk(self.state, chunk, result).user_events()
        for key, value in result.effects.writes.puts.items():
            if value is None:
                self.store.pop(key, None)
            else:
                self.store[key] = value
        for member, score in result.effects.writes.ranks.items():
            assert score is not None
            self.ranks[member] = score
        outcomes = [OUTCOMES[status] for status in result.outcomes["status"]]
        assert dict(result.effects.counts) == {name: outcomes.count(name) for name in OUTCOMES}
        return outcomes

    def row(self, anchor: str = "a") -> Anchors:
        """An anchor's row as the store has it."""
        rows = np.zeros(1, ANCHOR)
        anchor_codec.decode_into(rows, [0], [self.store[f"a/{anchor}"]], self.state.half_life)
        return rows

    def show(self, at_ms: int, anchor: str = "a") -> dict[str, Any]:
        """`GET /v1/anchors/{id}` of the store."""
        words = self.store.get(f"m/{anchor}")
        meta = anchor_meta.decode(words) if words is not None else anchor_meta.AnchorMeta()
        return anchor_json(anchor, self.row(anchor), meta, self.rules, at_ms, self.state.newest_ms)

    def digest(self) -> list[tuple[str, bytes]]:
        """What the digest hashes, by a worker that starts now."""
        fresh = HeatState(self.rules, seen_ids=self._seen, ledger_gifts=10_000)
        fresh.load((key, value) for key, value in sorted(self.store.items()) if key.startswith(PREFIXES))
        return list(canonical(fresh, ((k, v) for k, v in sorted(self.store.items()) if k.startswith(("a/", "m/")))))


def passed_of(host: Host) -> list[tuple[Any, ...]]:
    """What went on to PROFILE and LABEL, comparable."""
    return [
        (e.type, e.ts_ms, e.user_id, e.anchor_id, e.category, e.event.event_id, e.value, e.count, e.reversal,
         e.anchor_values, e.anchor_attributes)
        for e in host.passed
    ]  # fmt: skip


TIMES = st.one_of(
    st.integers(0, 20 * MINUTE_MS),
    st.integers(0, 27 * HOUR_MS),
    st.sampled_from([0, 999, 1_000, 10 * MINUTE_MS, 10 * MINUTE_MS + 1, 24 * HOUR_MS, 25 * HOUR_MS, 26 * HOUR_MS]),
)
KINDS = ("gift", "gift", *TYPES)


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    """Few anchors, users, rooms and ids, so that duplicates, reversals, evictions and changes of rooms meet."""
    kind = draw(st.sampled_from(KINDS))
    fields: dict[str, Any] = {"anchor_id": draw(st.sampled_from("abc"))}
    if "user_id" in valid(kind):
        fields["user_id"] = f"u{draw(st.integers(0, 20))}"
    if draw(st.booleans()):
        fields["live_id"] = draw(st.sampled_from(["l1", "l2", "l3"]))
    if kind == "gift":
        fields |= {"value": draw(st.integers(0, 30_000)), "count": draw(st.integers(0, 5))}
        if draw(st.booleans()):
            fields["txn_id"] = f"t{draw(st.integers(0, 15))}"
        if draw(st.integers(0, 3)) == 0:
            fields["reversal_of"] = f"{draw(st.sampled_from('te'))}{draw(st.integers(0, 15))}"
    if kind in {"view_heartbeat", "view_end"}:
        fields["watch_ms"] = draw(st.integers(0, 60_000))
    if kind == "live_start":
        fields["category"] = draw(st.sampled_from(["dance", "music", None]))
    if kind == "live_heartbeat":
        fields["viewers"] = draw(st.integers(0, 50))
    if kind.endswith("_profile"):
        fields["set"] = {draw(st.sampled_from("xyz")): draw(st.integers(0, 3))}
    return made(kind, T0 + draw(TIMES), event_id=f"e{draw(st.integers(0, 40))}", **fields)


def fed(events: Sequence[Event], cuts: Sequence[int], **options: Any) -> Host:
    """A host that took the events in micro-batches of these sizes, over and over, and a take-over for a size of 0."""
    host, at, k = Host(**options), 0, 0
    while at < len(events):
        size = cuts[k % len(cuts)]
        k += 1
        if size == 0:
            host.take_over()
            continue
        host.feed(*events[at : at + size])
        at += size
    return host
