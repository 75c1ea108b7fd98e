"""What one event does to one anchor, in log order: time, room, counters, people, heat. For kernels.

Rules
-----
- Every step is event by event, never per batch: floats accumulate in offset order, so that batch
  boundaries and kills leave no trace.
- People: +1 for a user's first event of a kind in a 5-minute block of event time. The block of the anchor's
  newest event and the one before are kept; an event of an older block adds no person. Up to 1,024 users a
  block are told apart exactly; beyond, users are told apart by one of 65,536 bits and counted by linear
  counting (Whang et al. 1990: n = -m ln(empty share)), within 2 % up to 300,000 a block.
- Caps: `added = clip(cap_user - s_user(ts), 0, min(value, cap_event))` over a table of 16 users; a newcomer
  takes a free slot, or the smallest one if its value exceeds that slot's sum at ts, and starts from 0.
- Rooms: an unseen live_id opens a room unless it is older than the current one; the room it replaces, and
  any that ended unseen, never come back. A live_start without live_id opens a nameless one where none is open.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit

from rtrec.events.hash_index import find, put
from rtrec.events.mixing import scramble
from rtrec.events.schema import COMMENT, GIFT, LIKE, LIVE_END, LIVE_HEARTBEAT, LIVE_START, VIEW_END, VIEW_START
from rtrec.features.anchor_table import (
    BLOCK_MS,
    CAP_USERS,
    ENDED,
    GIFTS,
    IMPLIED,
    N_METRICS,
    PAST_ROOMS,
    PEOPLE_KINDS,
    REVERSIBLE,
)
from rtrec.features.decay import HALF_LIVES_MS, landmark, power, rebase, two_sum
from rtrec.features.tiles import add, advance, tiles_of

EXACT_USERS: Final = 1_024
BLOCK_BITS: Final = 65_536
LEAST_FACTOR: Final = 1e-300
"""An event a thousand half-lives late weighs nothing; its slot's sum at that time is then without bound."""


@njit(cache=True, nogil=True)
def rebase_heat(r: Any, factor: Any) -> None:
    """Bring heat and cap slots to the next landmark."""
    for metric in range(N_METRICS):
        r.heat[metric] *= factor
        for k in range(CAP_USERS):
            r.cap_sum[metric, k] *= factor
    for low in range(REVERSIBLE):
        r.heat_low[low] *= factor


@njit(cache=True, nogil=True)
def move_time(r: Any, half_life: Any, ts_ms: Any) -> None:
    """Bring an anchor's rings, landmarks and people blocks to a newer event's time; late events change nothing."""
    last = r.last_ms
    if ts_ms <= last:
        return
    r.last_ms = ts_ms
    if last == 0:
        return
    advance(r.tiles, last, ts_ms)
    for h in range(HALF_LIVES_MS.shape[0]):
        factor = rebase(last, ts_ms, HALF_LIVES_MS[h])
        if factor != 1.0:
            for metric in range(N_METRICS):
                r.decayed[h, metric] *= factor
            for low in range(REVERSIBLE):
                r.decayed_low[h, low] *= factor
            if h == half_life:
                rebase_heat(r, factor)
    blocks = ts_ms // BLOCK_MS - last // BLOCK_MS
    if blocks > 0:
        for kind in range(PEOPLE_KINDS):
            r.people[kind, 1] = r.people[kind, 0] if blocks == 1 else 0
            r.people_bits[kind, 1] = r.people_bits[kind, 0] if blocks == 1 else 0
            r.people[kind, 0] = 0
            r.people_bits[kind, 0] = 0


@njit(cache=True, nogil=True)
def is_past_room(r: Any, room: Any) -> Any:
    """Whether a live_id is one that this anchor has closed."""
    for k in range(PAST_ROOMS):
        if r.past_rooms[k] == room:
            return True
    return False


@njit(cache=True, nogil=True)
def remember_room(r: Any, room: Any) -> None:
    """Note a live_id as closed for good; the eighth-oldest is forgotten."""
    r.past_rooms[r.past_next] = room
    r.past_next = (r.past_next + 1) % PAST_ROOMS


@njit(cache=True, nogil=True)
def meet_room(r: Any, kind: Any, live: Any, ts_ms: Any, lease_ms: Any) -> Any:
    """Apply an event to the anchor's room; whether it belongs to the current one, opened by it or before."""
    if live != np.uint64(0) and live != r.room:
        if is_past_room(r, live):
            return False
        if kind == LIVE_END or (r.room != np.uint64(0) and ts_ms < r.room_since_ms):
            remember_room(r, live)
            return False
        if r.room != np.uint64(0):
            remember_room(r, r.room)
        r.room = live
        r.room_since_ms = ts_ms
        r.room_active_ms = 0
        r.room_lease_ms = lease_ms
        r.room_flags = IMPLIED
        r.viewers_ms = 0
    return r.room != np.uint64(0)


@njit(cache=True, nogil=True)
def room_named(r: Any, kind: Any, live: Any, event: Any) -> Any:
    """An event's live_id; a live_start without one that finds no open room names its room after itself."""
    if live == np.uint64(0) and kind == LIVE_START and (r.room == np.uint64(0) or r.room_flags & ENDED):
        return event
    return live


@njit(cache=True, nogil=True)
def apply_room(r: Any, kind: Any, live: Any, ts_ms: Any, amount: Any, category: Any, lease_ms: Any) -> Any:
    """Lifecycle of one event. Returns whether it is a live_start that the current room took."""
    if not meet_room(r, kind, live, ts_ms, lease_ms) or r.room_flags & ENDED:
        return False
    if kind == LIVE_END:
        r.room_flags |= ENDED
        return False
    if kind == LIVE_START:
        r.room_since_ms = ts_ms
        r.room_lease_ms = amount if amount >= 0 else lease_ms
        r.room_flags &= ~IMPLIED
        r.category = category
    elif kind == LIVE_HEARTBEAT and amount >= 0 and ts_ms >= r.viewers_ms:
        r.viewers, r.viewers_ms = amount, ts_ms
    if kind <= LIVE_HEARTBEAT or VIEW_START <= kind <= VIEW_END or kind in (COMMENT, LIKE, GIFT):
        r.room_active_ms = max(r.room_active_ms, ts_ms)
    return kind == LIVE_START


@njit(cache=True, nogil=True)
def linear_count(bits: Any) -> Any:
    """People behind `bits` set of BLOCK_BITS, rounded down."""
    empty = max(BLOCK_BITS - bits, 1) / BLOCK_BITS
    return np.int64(-BLOCK_BITS * math.log(empty))


@njit(cache=True, nogil=True)
def member_key(anchor: Any, kind: Any, block: Any, member: Any) -> Any:
    """The key of a member (a user's hash, or a bit) of an anchor's block."""
    return scramble(scramble(anchor ^ np.uint64(kind + 1)) + np.uint64(block)) ^ scramble(member) | np.uint64(1)


@njit(cache=True, nogil=True)
def count_person(r: Any, kind: Any, user: Any, ts_ms: Any, keys: Any, blocks: Any) -> Any:
    """How many people this event adds (beyond the exact part sometimes more than 1), and the key it left, or 0."""
    block = ts_ms // BLOCK_MS
    age = r.last_ms // BLOCK_MS - block
    none = np.uint64(0)
    if age > 1:
        return 0, none
    exact = member_key(r.anchor, kind, block, user)
    if find(keys, exact) >= 0:
        return 0, none
    if r.people[kind, age] < EXACT_USERS:
        r.people[kind, age] += 1
        put(keys, blocks, exact, block)
        return 1, exact
    bit = member_key(r.anchor, kind + PEOPLE_KINDS, block, user % np.uint64(BLOCK_BITS))
    if find(keys, bit) >= 0:
        return 0, none
    put(keys, blocks, bit, block)
    before = r.people_bits[kind, age]
    r.people_bits[kind, age] = before + 1
    added = linear_count(before + 1) - linear_count(before)
    r.people[kind, age] += added
    return added, bit


@njit(cache=True, nogil=True)
def capped(r: Any, rules: Any, metric: Any, value: Any, user: Any, factor: Any, position: Any) -> Any:
    """What `value` may add to the metric's heat. factor: weight of the event on the landmark."""
    allowed = min(value, rules.event_caps[metric])
    if rules.user_caps[metric] == np.inf:
        return allowed
    factor = max(factor, LEAST_FACTOR)
    place = -1
    for k in range(CAP_USERS):
        if r.cap_user[metric, k] == user:
            place = k
            break
    if place < 0:
        smallest = 0
        for k in range(CAP_USERS):
            if r.cap_user[metric, k] == np.uint64(0):
                place = k
                break
            if r.cap_sum[metric, k] < r.cap_sum[metric, smallest]:
                smallest = k
        if place < 0 and value > r.cap_sum[metric, smallest] / factor:
            place = smallest
        if place >= 0:
            r.cap_user[metric, place] = user
            r.cap_sum[metric, place] = 0.0
            r.cap_since[metric, place] = position
    held = r.cap_sum[metric, place] / factor if place >= 0 else 0.0
    added = max(min(rules.user_caps[metric] - held, allowed), 0.0)
    if place >= 0:
        r.cap_sum[metric, place] += added * factor
    return added


@njit(cache=True, nogil=True)
def uncap(r: Any, rules: Any, metric: Any, added: Any, user: Any, factor: Any, position: Any) -> None:
    """Take a reversed addition out of the user's cap slot if the tenancy that took it still stands."""
    if rules.user_caps[metric] == np.inf:
        return
    for k in range(CAP_USERS):
        if r.cap_user[metric, k] == user and r.cap_since[metric, k] <= position:
            r.cap_sum[metric, k] = max(r.cap_sum[metric, k] - added * factor, 0.0)


@njit(cache=True, nogil=True)
def place_event(r: Any, ts_ms: Any, places: Any, factors: Any) -> None:
    """Where an event at `ts_ms` (≤ the newest) stands: its tile per level, its weight per half-life on the landmark."""
    tiles_of(r.last_ms, ts_ms, places)
    for h in range(HALF_LIVES_MS.shape[0]):
        factors[h] = power(landmark(r.last_ms, HALF_LIVES_MS[h]), ts_ms, HALF_LIVES_MS[h])


@njit(cache=True, nogil=True)
def add_figures(r: Any, half_life: Any, metric: Any, value: Any, added: Any, places: Any, factors: Any) -> None:
    """Add to a metric's tiles, decayed counters and heat; reversible metrics without losing a bit."""
    add(r.tiles, places, metric, value)
    low = metric - GIFTS
    for h in range(HALF_LIVES_MS.shape[0]):
        amount = value * factors[h]
        if 0 <= low < REVERSIBLE:
            r.decayed[h, metric], r.decayed_low[h, low] = two_sum(r.decayed[h, metric], r.decayed_low[h, low], amount)
        else:
            r.decayed[h, metric] += amount
    amount = added * factors[half_life]
    if 0 <= low < REVERSIBLE:
        r.heat[metric], r.heat_low[low] = two_sum(r.heat[metric], r.heat_low[low], amount)
    else:
        r.heat[metric] += amount


@njit(cache=True, nogil=True)
def add_metric(r: Any, rules: Any, metric: Any, value: Any, user: Any, position: Any, places: Any, factors: Any) -> Any:
    """Count `value` of a metric everywhere. Returns what it added to heat. places, factors: from `place_event`."""
    if value == 0:
        return 0.0
    added = capped(r, rules, metric, float(value), user, factors[rules.half_life], position)
    add_figures(r, rules.half_life, metric, value, added, places, factors)
    return added


@njit(cache=True, nogil=True)
def take_out(
    r: Any, rules: Any, metric: Any, value: Any, added: Any, user: Any, position: Any, places: Any, factors: Any
) -> None:
    """Undo `add_metric` of a gift: the original's figures at the original's time (where `place_event` put it)."""
    if value != 0:
        uncap(r, rules, metric, added, user, factors[rules.half_life], position)
        add_figures(r, rules.half_life, metric, -value, -added, places, factors)
