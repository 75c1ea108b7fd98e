"""HEAT: events by anchor become windows, heat and the ranking; duplicates end here; users' events go on.

Rules
-----
- The kernel (`heat_kernel`) advances slots in log order; this module brings it what it needs (slots, seen
  ids, ledger, people), and turns what it leaves into effects: dirty records, ranking scores, one new chunk
  each of seen ids, gifts and people.
- An anchor is `a/{id}` (numbers) and `m/{id}` (words); `heat_needs` names what must be loaded first.
- The ranking score is log2(S) + L / half-life: it does not change as time passes, so nothing is rescored.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.events.columns import EventChunk
from rtrec.events.hash_index import HashIndex
from rtrec.events.ids import hash_in
from rtrec.events.lines import Lines
from rtrec.events.rows import concatenated
from rtrec.events.schema import ANCHOR_PROFILE, GIFT, IMPRESSION
from rtrec.features import anchor_codec, anchor_meta
from rtrec.features.anchor_meta import EMPTY, AnchorMeta
from rtrec.features.anchor_table import BLOCK_MS, AnchorTable
from rtrec.features.anchor_values import N_ANCHOR_VALUES
from rtrec.features.heat_rules import HeatRules
from rtrec.stages import heat_kernel
from rtrec.stages.chunks import Chunks, Rows
from rtrec.stages.effects import Effects
from rtrec.stages.heat_kernel import ACCEPTED, GIFT_ROW, OUTCOME, reversed_key
from rtrec.stages.heat_ranking import rank_scores

REASONS: Final = {
    heat_kernel.TOO_LATE: "event.ts_ms: too_late, more than 25 h before the partition's newest event",
    heat_kernel.UNKNOWN_REVERSAL: (
        "gift.reversal_of: unknown_reversal, no gift of this anchor in the last 24 h has this id"
    ),
}
OUTCOMES: Final = ("accepted", "duplicate", "too_late", "unknown_reversal")

SEEN: Final = np.dtype([("key", "u8"), ("until", "i8")])
PERSON: Final = np.dtype([("key", "u8"), ("block", "i8")])


class _Meta(msgspec.Struct, array_like=True):
    version: int
    newest_ms: int
    half_life: int


def newest_of(meta: bytes) -> int:
    """The partition's newest accepted event time, of its stored `meta`."""
    return msgspec.msgpack.decode(meta, type=_Meta).newest_ms


@dataclass(frozen=True, slots=True)
class HeatResult:
    """A chunk's outcome: `OUTCOME` rows by event, what to commit, and what `user_events` needs of impressions.

    values: anchor values, a row an impression. words: per anchor, (place in the chunk, its words before that
    event) for every event that changed them.
    """

    effects: Effects
    outcomes: NDArray[Any]
    values: NDArray[np.float32]
    words: dict[str, list[tuple[int, AnchorMeta]]]


class HeatState:
    """One partition's anchors and what judges its events, in memory.

    Parameters
    ----------
    max_slots: anchors kept in memory between chunks; others are read again when an event names them.
    """

    def __init__(self, rules: HeatRules, *, seen_ids: int, ledger_gifts: int, max_slots: int = 16_384) -> None:
        self.rules = rules
        self.table = AnchorTable()
        self.meta: dict[str, AnchorMeta] = {}
        self.categories: dict[int, str] = {}
        self.newest = np.zeros(1, np.int64)
        self.max_slots, self.seen_ids, self.ledger_gifts = max_slots, seen_ids, ledger_gifts
        self.seen, self.gifts, self.people = HashIndex(), HashIndex(), HashIndex()
        self.seen_chunks = Chunks("seen", SEEN, lambda rows: rows["until"])
        self.gift_chunks = Chunks("ledger", GIFT_ROW, lambda rows: rows["expires"])
        self.people_chunks = Chunks("people", PERSON, lambda rows: (rows["block"] + 1) * BLOCK_MS + rules["late_ms"][0])
        self.ledger: Rows = np.zeros(1_024, GIFT_ROW)
        self.ledger_users: list[str] = []

    @property
    def half_life(self) -> int:
        """Place of the heat half-life in `decay.HALF_LIVES`."""
        return int(self.rules["half_life"][0])

    @property
    def newest_ms(self) -> int:
        """Newest accepted event time of the partition, 0 before the first."""
        return int(self.newest[0])

    def load(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Take what is read whole at the start: seen ids, ledger, people, the partition's time."""
        listed = list(items)
        for chunks in (self.seen_chunks, self.gift_chunks, self.people_chunks):
            chunks.load(listed)
        stored = dict(listed).get("meta")
        if stored is not None:
            meta = msgspec.msgpack.decode(stored, type=_Meta)
            if meta.half_life != self.half_life:
                raise ValueError(
                    "heat.half_life: differs from the one this data was made with; "
                    "set it back, or replay into a new folder"
                )
            self.newest[0] = meta.newest_ms
        self._rebuild_seen(0)
        self._rebuild_people(0)
        self._rebuild_ledger(0)

    def admit(self, keys: Sequence[str], values: Sequence[bytes | None]) -> None:
        """Take the records that `heat_needs` asked for."""
        slots, records = [], []
        for key, value in zip(keys, values, strict=True):
            name = key[2:]
            if key.startswith("m/"):
                meta = anchor_meta.decode(value) if value is not None else EMPTY
                self.meta[name] = meta
                self.learn_category(meta.category)
            else:
                slot = self.table.slot(name)
                if value is not None:
                    slots.append(slot)
                    records.append(value)
        anchor_codec.decode_into(self.table.rows, slots, records, self.half_life)

    def make_room(self, events: int, gifts: int) -> None:
        """Room in every map for a chunk, so that the kernel never grows one."""
        if not self.seen.has_room(2 * events):
            self._rebuild_seen(2 * events)
        if not self.people.has_room(events):
            self._rebuild_people(events)
        if len(self.ledger_users) + gifts > len(self.ledger) or not self.gifts.has_room(2 * gifts):
            self._rebuild_ledger(gifts)

    def evict(self) -> None:
        """Drop the half of the anchors that has been silent longest, once there are too many in memory."""
        if len(self.categories) > self.max_slots + len(self.table):
            self.categories = {}
            for meta in self.meta.values():
                self.learn_category(meta.category)
        if len(self.table) > self.max_slots:
            times = self.table.rows["last_ms"][: len(self.table)]
            newest = np.sort(np.argsort(times, kind="stable")[len(self.table) - self.max_slots // 2 :])
            names = [self.table.names[place] for place in newest.tolist()]
            self.table.keep(names)
            self.meta = {name: self.meta[name] for name in names if name in self.meta}

    def learn_category(self, category: str | None) -> None:
        """Remember the word behind a category's hash."""
        if category is not None:
            self.categories[hash_in("category", category)] = category

    def _rebuild_seen(self, more: int) -> None:
        rows, _ = self.seen_chunks.rows(self.newest_ms)
        self.seen.rebuild(rows["key"], rows["until"], more)

    def _rebuild_people(self, more: int) -> None:
        rows, _ = self.people_chunks.rows(self.newest_ms)
        self.people.rebuild(rows["key"], rows["block"], more)

    def _rebuild_ledger(self, more: int) -> None:
        rows, users = self.gift_chunks.rows(self.newest_ms)
        self.ledger = np.zeros(max(1_024, 2 * (len(rows) + more)), GIFT_ROW)
        self.ledger[: len(rows)], self.ledger_users = rows, users
        places = np.arange(len(rows), dtype=np.int64)
        keys, both = np.concatenate([rows["event"], rows["key"]]), np.concatenate([places, places])
        self.gifts.rebuild(keys, both, 2 * more)


def heat_needs(state: HeatState, chunk: EventChunk) -> list[str]:
    """Keys of the records a chunk touches that are not in memory; makes room for them first."""
    state.evict()
    return [f"{kind}/{name}" for name in chunk.anchors if name not in state.table.slots for kind in "am"]


def heat(state: HeatState, chunk: EventChunk) -> HeatResult:
    """Advance the partition by a chunk whose needs are loaded."""
    columns, rows = chunk.columns, state.table
    state.make_room(len(chunk), int((columns["type"] == GIFT).sum()))
    places = [rows.slot(name) for name in chunk.anchors]
    slots = np.array([*places, -1], np.int64)[columns["anchor"]]
    outcomes = np.zeros(len(chunk), OUTCOME)
    values = np.zeros((int((columns["type"] == IMPRESSION).sum()), N_ANCHOR_VALUES), np.float32)
    heat_kernel.run(
        rows.rows, slots, state.rules, columns, state.ledger, len(state.ledger_users), state.gifts.keys,
        state.gifts.values, state.seen.keys, state.seen.values, state.people.keys, state.people.values,
        state.newest, outcomes, values,
    )  # fmt: skip
    effects = Effects()
    accepted = outcomes["status"] == ACCEPTED
    words = _write_words(state, chunk, slots, accepted, outcomes, effects)
    _write_records(state, np.unique(slots[accepted & (slots >= 0)]), effects)
    _write_chunks(state, chunk, accepted, outcomes, effects)
    for code, outcome in enumerate(OUTCOMES):
        effects.counts[outcome] = int((outcomes["status"] == code).sum())
    return HeatResult(effects, outcomes, values, words)


def _write_words(
    state: HeatState,
    chunk: EventChunk,
    slots: NDArray[np.int64],
    accepted: NDArray[np.bool_],
    outcomes: NDArray[Any],
    effects: Effects,
) -> dict[str, list[tuple[int, AnchorMeta]]]:
    """Names of rooms and declared attributes, for the few events that change them, in order."""
    flags, before = outcomes["flags"], dict[str, list[tuple[int, AnchorMeta]]]()
    changing = np.flatnonzero(accepted & ((flags != 0) | (chunk.columns["type"] == ANCHOR_PROFILE)) & (slots >= 0))
    for k in changing.tolist():
        event, name = chunk.events[k], state.table.names[slots[k]]
        meta = state.meta.get(name, EMPTY)
        before.setdefault(name, []).append((k, meta))
        if flags[k] & heat_kernel.OPENED:
            meta = meta.opened(None if event.live_id is None else str(event.live_id))
        if flags[k] & heat_kernel.STARTED:
            meta = meta.started(event)
            state.learn_category(event.category)
        if event.type == "anchor_profile":
            meta = meta.profiled(event)
        state.meta[name] = meta
        effects.writes.puts[f"m/{name}"] = anchor_meta.encode(meta)
    return before


def _write_records(state: HeatState, dirty: NDArray[np.int64], effects: Effects) -> None:
    if not len(dirty):
        return
    names = [state.table.names[slot] for slot in dirty.tolist()]
    records = anchor_codec.encode_slots(state.table.rows, dirty, state.half_life)
    effects.writes.puts.update(zip((f"a/{name}" for name in names), records, strict=True))
    scores = rank_scores(state.table.rows, dirty, state.rules)
    effects.writes.ranks.update(zip(names, scores.tolist(), strict=True))


def _write_chunks(
    state: HeatState, chunk: EventChunk, accepted: NDArray[np.bool_], outcomes: NDArray[Any], effects: Effects
) -> None:
    """One new chunk each of seen ids, gifts and people, within their bounds; the partition's time."""
    columns, now, writes = chunk.columns, state.newest_ms, effects.writes
    gift = accepted & (columns["type"] == GIFT)
    reversals, entered = gift & (columns["link"] != 0), gift & (columns["link"] == 0)
    seen = np.zeros(int(accepted.sum()), SEEN)
    seen["key"], seen["until"] = columns["key"][accepted], outcomes["expires"][accepted]
    if reversals.any():
        originals = state.ledger.take(outcomes["gift"][reversals])
        marks = np.zeros(len(originals), SEEN)
        marks["key"] = [reversed_key(row["event"], row["position"]) for row in originals]
        marks["until"] = originals["expires"]
        seen = concatenated([seen, marks])
    state.seen.used += len(seen)
    state.seen_chunks.add(seen, [], now, writes)
    gifts, events = np.flatnonzero(entered).tolist(), chunk.events
    users = events.user_ids(gifts) if isinstance(events, Lines) else [str(events[k].user_id) for k in gifts]
    state.ledger_users += users
    state.gifts.used += 2 * len(users)
    state.gift_chunks.add(state.ledger.take(outcomes["gift"][entered]), users, now, writes)
    new = outcomes["person"] != 0
    people = np.zeros(int(new.sum()), PERSON)
    people["key"], people["block"] = outcomes["person"][new], columns["ts_ms"][new] // BLOCK_MS
    state.people.used += len(people)
    state.people_chunks.add(people, [], now, writes)
    if dropped := state.seen_chunks.bound(state.seen_ids, writes):
        effects.counts["seen_overflow"] = dropped
    if dropped := state.gift_chunks.bound(state.ledger_gifts, writes):
        effects.counts["ledger_overflow"] = dropped
    if accepted.any():
        writes.puts["meta"] = msgspec.msgpack.encode(_Meta(1, now, state.half_life))


def canonical(state: HeatState, records: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """(part, bytes) of the partition's state for a digest, without trace of chunks or micro-batches.

    records: the store's `a/` and `m/` records by key. Expired seen ids, gifts and people are left out.
    """
    for key, value in records:
        yield "anchors", key.encode() + b"\x00" + value
    now = state.newest_ms
    parts = (
        ("dedupe", state.seen_chunks, "key"),
        ("ledger", state.gift_chunks, "event"),
        ("anchors", state.people_chunks, "key"),
    )
    for part, chunks, by in parts:
        yield part, np.sort(chunks.rows(now)[0], order=by).tobytes()
    yield "anchors", str(now).encode()
