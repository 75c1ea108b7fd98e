"""HEAT's one pass over a chunk in columns: accept, count, and featurize impressions, event by event.

Order of judgement: too late, duplicate, reversal (ledger), accepted. A refused event or a duplicate
changes nothing, also not the newest accepted time that later events are judged by.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from rtrec.events.hash_index import find, put
from rtrec.events.mixing import scramble
from rtrec.events.schema import (
    CLICK,
    COMMENT,
    FOLLOW,
    GIFT,
    IMPRESSION,
    LIKE,
    SHARE,
    VIEW_END,
    VIEW_START,
)
from rtrec.features.anchor_table import (
    CLICKS,
    COMMENTS,
    FOLLOWS,
    GIFT_VALUE,
    GIFTS,
    IMPRESSIONS,
    LIKES,
    SHARES,
    VIEWS,
    WATCH,
    WATCHERS,
)
from rtrec.features.anchor_update import (
    add_metric,
    apply_room,
    count_person,
    move_time,
    place_event,
    room_named,
    take_out,
)
from rtrec.features.anchor_values import LEVELS, SCRATCH, anchor_values
from rtrec.features.decay import HALF_LIVES_MS

ACCEPTED, DUPLICATE, TOO_LATE, UNKNOWN_REVERSAL = range(4)
STARTED, OPENED = 1, 2
REVERSAL_SALT: Final = 0x9E3779B97F4A7C15

GIFT_ROW: Final = np.dtype(
    [
        ("event", "u8"),
        ("key", "u8"),
        ("anchor", "u8"),
        ("user", "u8"),
        ("ts_ms", "i8"),
        ("value", "i8"),
        ("count", "i8"),
        ("added_value", "f8"),  # what it added to the anchor's heat, by metric
        ("added_count", "f8"),
        ("position", "i8"),
        ("expires", "i8"),
    ]
)
OUTCOME: Final = np.dtype(
    [
        ("status", "i8"),
        ("flags", "i8"),  # STARTED: the room took a live_start; OPENED: a room began
        ("category", "u8"),  # the anchor's when it met the event
        ("expires", "i8"),  # of the seen key
        ("gift", "i8"),  # ledger row of a gift, or of a reversal's original; -1 if none
        ("values", "i8"),  # an impression's row in `values`; -1 if none
        ("person", "u8"),  # key left by a first sight; 0 if none
    ]
)


@njit(cache=True, nogil=True)
def reversed_key(event: Any, position: Any) -> Any:
    """The seen key that marks a gift as reversed."""
    return scramble(event + np.uint64(position) ^ np.uint64(REVERSAL_SALT)) | np.uint64(1)


@njit(cache=True, nogil=True)
def count_event(r: Any, rules: Any, c: Any, keys: Any, blocks: Any, places: Any, factors: Any, out: Any) -> None:
    """Add one accepted event's metrics and people; `out.person` is the key a first sight left."""
    kind, user, position = c.type, c.user, c.position
    people = -1
    metric, value = np.int64(-1), np.int64(1)
    if kind == GIFT:
        people = 1  # its figures are `count_gift`'s
    elif kind == VIEW_START:
        metric, people = VIEWS, 0
    elif VIEW_START < kind <= VIEW_END:
        metric, value, people = WATCH, c.amount, 0
    elif kind == IMPRESSION:
        metric = IMPRESSIONS
    elif kind == CLICK:
        metric = CLICKS
    elif kind == COMMENT:
        metric, people = COMMENTS, 2
    elif kind == LIKE:
        metric, value, people = LIKES, c.count, 2
    elif kind == FOLLOW:
        metric, value, people = FOLLOWS, c.count, 2 if c.count > 0 else -1
    elif kind == SHARE:
        metric, people = SHARES, 2
    if metric >= 0:
        add_metric(r, rules, metric, value, user, position, places, factors)
    if people >= 0:
        new, out.person = count_person(r, people, user, c.ts_ms, keys, blocks)
        if new > 0:
            add_metric(r, rules, WATCHERS + people, np.int64(new), user, position, places, factors)


@njit(cache=True, nogil=True)
def count_gift(r: Any, rules: Any, c: Any, g: Any, expires: Any, places: Any, factors: Any) -> None:
    """Add a gift's figures and fill its ledger row."""
    g.added_count = add_metric(r, rules, GIFTS, c.count, c.user, c.position, places, factors)
    g.added_value = add_metric(r, rules, GIFT_VALUE, c.amount, c.user, c.position, places, factors)
    g.event, g.key, g.anchor, g.user = c.event, c.key, r.anchor, c.user
    g.ts_ms, g.value, g.count, g.position, g.expires = c.ts_ms, c.amount, c.count, c.position, expires


@njit(cache=True, nogil=True)
def reverse_gift(r: Any, rules: Any, g: Any, places: Any, factors: Any) -> None:
    """Take a ledger row's figures out, at its time."""
    place_event(r, g.ts_ms, places, factors)
    take_out(r, rules, GIFTS, g.count, g.added_count, g.user, g.position, places, factors)
    take_out(r, rules, GIFT_VALUE, g.value, g.added_value, g.user, g.position, places, factors)


@njit(cache=True, nogil=True)
def find_gift(gifts: Any, gift_keys: Any, gift_rows: Any, c: Any, anchor: Any, newest_ms: Any) -> Any:
    """The ledger row that a reversal names, by event_id or txn_id, if it stands and is this anchor's; else -1."""
    for wanted in (c.link, c.link_txn):
        place = find(gift_keys, wanted)
        if place >= 0:
            row = gift_rows[place]
            if gifts[row].expires >= newest_ms and gifts[row].anchor == anchor:
                return row
    return np.int64(-1)


@njit(cache=True, nogil=True)
def run(
    rows: Any, slots: Any, all_rules: Any, columns: Any,
    gifts: Any, gifts_used: Any, gift_keys: Any, gift_rows: Any,
    seen: Any, seen_until: Any, people: Any, people_blocks: Any,
    newest: Any, outs: Any, values: Any,
) -> Any:  # fmt: skip
    """Advance anchors by a chunk.

    rows: `ANCHOR` rows; slots: of each event's anchor, -1 for none; gifts, gifts_used, gift_keys, gift_rows: the
    ledger and its index; seen, people: hash maps with room; newest [1]: newest accepted time; outs: `OUTCOME`
    rows to fill; values: float32, a row an impression. Returns the ledger's new length.
    """
    w, places = np.empty(SCRATCH, np.int64), np.empty(LEVELS, np.int64)
    factors = np.empty(HALF_LIVES_MS.shape[0])
    rules = all_rules[0]
    impressions = 0
    for k in range(columns.shape[0]):
        c, out, i, now = columns[k], outs[k], slots[k], newest[0]
        out.gift, out.values = -1, -1
        if c.ts_ms < now - rules.late_ms:
            out.status = TOO_LATE
            continue
        place = find(seen, c.key)
        if place >= 0 and seen_until[place] >= now:
            out.status = DUPLICATE
            continue
        reversal = c.type == GIFT and c.link != np.uint64(0)
        if reversal:
            out.gift = find_gift(gifts, gift_keys, gift_rows, c, rows[i].anchor, now)
            if out.gift < 0:
                out.status = UNKNOWN_REVERSAL
                continue
            mark = reversed_key(gifts[out.gift].event, gifts[out.gift].position)
            if find(seen, mark) >= 0:
                out.status = DUPLICATE
                continue
            put(seen, seen_until, mark, gifts[out.gift].expires)
        newest[0] = max(now, c.ts_ms)
        out.expires = newest[0] + (rules.duplicate_gift_ms if c.type == GIFT else rules.duplicate_ms)
        put(seen, seen_until, c.key, out.expires)
        if i < 0:
            continue
        r = rows[i]
        if reversal:
            reverse_gift(r, rules, gifts[out.gift], places, factors)
            out.category = r.category
            continue
        if c.type == IMPRESSION:
            anchor_values(r, rules, c.ts_ms, newest[0] - rules.late_ms, w, values[impressions])
            out.values = impressions
            impressions += 1
        move_time(r, rules.half_life, c.ts_ms)
        room = r.room
        if apply_room(r, c.type, room_named(r, c.type, c.live, c.event), c.ts_ms, c.amount, c.link, rules.lease_ms):
            out.flags |= STARTED
        if r.room != room:
            out.flags |= OPENED
        place_event(r, c.ts_ms, places, factors)
        if c.type == GIFT:
            count_gift(r, rules, c, gifts[gifts_used], out.expires, places, factors)
            put(gift_keys, gift_rows, c.event, gifts_used)
            if c.key != c.event:
                put(gift_keys, gift_rows, c.key, gifts_used)
            out.gift = gifts_used
            gifts_used += 1
        count_event(r, rules, c, people, people_blocks, places, factors, out)
        out.category = r.category
    return gifts_used
