"""An anchor's dense features at a time: the one reader, at an impression (HEAT) and at scoring alike.

Order and meaning: `features.table.ANCHOR_VALUES`.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit

from rtrec.features.anchor_table import (
    CLICKS,
    COMMENTS,
    ENDED,
    FOLLOWS,
    GIFT_VALUE,
    GIFTS,
    IMPRESSIONS,
    LIKES,
    N_METRICS,
    SHARES,
    VIEWS,
    WATCH,
    WATCHERS,
)
from rtrec.features.decay import HALF_LIVES_MS, landmark, power
from rtrec.features.table import ANCHOR_VALUES
from rtrec.features.tiles import WINDOWS_MS, window_at

LEVELS: Final = len(WINDOWS_MS)
N_ANCHOR_VALUES: Final = len(ANCHOR_VALUES)
LEAST_HEAT: Final = 1e-9
M1, M5, H1, H24 = (np.int64(level) for level in (1, 2, 4, 5))
_OF_MINUTE: Final = np.array([VIEWS], np.int64)
_OF_FIVE: Final = np.array([WATCHERS, VIEWS, GIFT_VALUE, COMMENTS, LIKES, CLICKS, IMPRESSIONS], np.int64)
_OF_HOUR: Final = np.array([VIEWS, IMPRESSIONS, GIFT_VALUE, FOLLOWS, SHARES, CLICKS, WATCH, GIFTS], np.int64)
_OF_DAY: Final = np.array([GIFTS, CLICKS, IMPRESSIONS], np.int64)
"""The metrics of each level that features are made of: a quarter of all."""
SCRATCH: Final = 19
"""Their windows, level after level."""


@njit(cache=True, nogil=True)
def heat_at(r: Any, rules: Any, at_ms: Any) -> Any:
    """An anchor's heat at `at_ms` (≥ its newest event); at most 1e-9 is 0."""
    hl = HALF_LIVES_MS[rules.half_life]
    total = 0.0
    for metric in range(N_METRICS):
        value = r.heat[metric]
        if GIFTS <= metric <= GIFT_VALUE:
            value += r.heat_low[metric - GIFTS]
        total += rules.weights[metric] * value
    total *= power(at_ms, landmark(r.last_ms, hl), hl)
    return total if total > LEAST_HEAT else 0.0


@njit(cache=True, nogil=True)
def live_at(r: Any, at_ms: Any) -> Any:
    """Started, not ended, and within the lease of its last activity."""
    return r.room != np.uint64(0) and not (r.room_flags & ENDED) and at_ms < r.room_active_ms + r.room_lease_ms


@njit(cache=True, nogil=True)
def viewers_at(r: Any, at_ms: Any, watchers_5m: Any) -> Any:
    """The newest heartbeat's viewers while it is fresh, else the people of the last five minutes."""
    fresh = r.viewers_ms > 0 and at_ms - r.viewers_ms <= r.room_lease_ms
    return r.viewers if fresh else watchers_5m


@njit(cache=True, nogil=True)
def anchor_values(r: Any, rules: Any, now_ms: Any, expired_before_ms: Any, w: Any, out: Any) -> None:
    """Fill `out` (float32 [N_ANCHOR_VALUES]) for an anchor at `now_ms`, or at its newest event if that is later.

    expired_before_ms: an anchor whose newest event is older shows zeros. w: int64 scratch [SCRATCH].
    """
    last = r.last_ms
    at = max(now_ms, last)
    minute, five, hour, day = w[0:1], w[1:8], w[8:16], w[16:19]
    expired = last == 0 or last < expired_before_ms
    if expired:
        for k in range(SCRATCH):
            w[k] = 0
    else:
        window_at(r.tiles, last, at, M1, _OF_MINUTE, minute)
        window_at(r.tiles, last, at, M5, _OF_FIVE, five)
        window_at(r.tiles, last, at, H1, _OF_HOUR, hour)
        window_at(r.tiles, last, at, H24, _OF_DAY, day)
    watchers, views_5m, value_5m, comments, likes = five[0], five[1], five[2], five[3], five[4]
    clicks_5m, impressions_5m = five[5], five[6]
    views, impressions, value, follows, shares = hour[0], hour[1], hour[2], hour[3], hour[4]
    clicks, watch_ms, gifts = hour[5], hour[6], hour[7]
    gifts_24h, clicks_24h, impressions_24h = day[0], day[1], day[2]
    prior, worth = rules.ctr_prior, rules.ctr_prior_impressions
    live = live_at(r, at)
    out[0] = 0.0 if expired else math.log1p(heat_at(r, rules, at))
    out[1] = math.log1p(viewers_at(r, at, watchers))
    out[2] = math.log1p(watchers)
    out[3] = math.log1p(minute[0])
    out[4] = math.log1p(views_5m)
    out[5] = math.log1p(views)
    out[6] = math.log1p(impressions)
    out[7] = math.log1p(value_5m)
    out[8] = math.log1p(value)
    out[9] = math.log1p(gifts_24h)
    out[10] = math.log1p(comments)
    out[11] = math.log1p(likes)
    out[12] = math.log1p(follows)
    out[13] = math.log1p(shares)
    out[14] = min((clicks_5m + prior * worth) / (impressions_5m + worth), 1.0)
    out[15] = min((clicks + prior * worth) / (impressions + worth), 1.0)
    out[16] = min((clicks_24h + prior * worth) / (impressions_24h + worth), 1.0)
    out[17] = math.log1p(watch_ms / 1_000 / max(views, 1))
    out[18] = min(gifts / (views + 10.0), 10.0)
    out[19] = math.log((1.0 + 5.0 * minute[0]) / (1.0 + views_5m))
    out[20] = math.log1p(max(at - r.room_since_ms, 0) / 60_000) if live else 0.0
    out[21] = 1.0 if live else 0.0


@njit(cache=True, nogil=True)
def many_anchor_values(rows: Any, slots: Any, all_rules: Any, now_ms: Any, expired_before_ms: Any, out: Any) -> None:
    """`anchor_values` for many slots; a slot of -1 (an anchor never seen) reads as a new one's zeros and priors.

    expired_before_ms: of each slot's partition, [n].
    """
    rules, w = all_rules[0], np.empty(SCRATCH, np.int64)
    for k in range(slots.shape[0]):
        if slots[k] >= 0:
            anchor_values(rows[slots[k]], rules, now_ms, expired_before_ms[k], w, out[k])
        else:
            for j in range(N_ANCHOR_VALUES):
                out[k, j] = rules.ctr_prior if 14 <= j <= 16 else 0.0


@njit(cache=True, nogil=True)
def many_heats(rows: Any, slots: Any, all_rules: Any, now_ms: Any, heats: Any, live: Any) -> None:
    """Heat and liveness of many slots at `now_ms`, or at an anchor's newest event if that is later; -1 is neither."""
    rules = all_rules[0]
    for k in range(slots.shape[0]):
        heats[k], live[k] = 0.0, False
        if slots[k] >= 0:
            r = rows[slots[k]]
            at = max(now_ms, r.last_ms)
            heats[k], live[k] = heat_at(r, rules, at), live_at(r, at)
