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
from rtrec.features.tiles import WINDOWS_MS, clear, windows_at

LEVELS: Final = len(WINDOWS_MS)
N_ANCHOR_VALUES: Final = len(ANCHOR_VALUES)
LEAST_HEAT: Final = 1e-9
M1, M5, H1, H24 = 1, 2, 4, 5


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

    expired_before_ms: an anchor whose newest event is older shows zeros. w: int64 scratch [levels, metrics].
    """
    at = max(now_ms, r.last_ms)
    if r.last_ms == 0 or r.last_ms < expired_before_ms:
        clear(w)
    else:
        windows_at(r.tiles, r.last_ms, at, w)
    prior, worth = rules.ctr_prior, rules.ctr_prior_impressions
    live = live_at(r, at)
    out[0] = math.log1p(heat_at(r, rules, at)) if r.last_ms >= expired_before_ms else 0.0
    out[1] = math.log1p(viewers_at(r, at, w[M5, WATCHERS]))
    out[2] = math.log1p(w[M5, WATCHERS])
    out[3] = math.log1p(w[M1, VIEWS])
    out[4] = math.log1p(w[M5, VIEWS])
    out[5] = math.log1p(w[H1, VIEWS])
    out[6] = math.log1p(w[H1, IMPRESSIONS])
    out[7] = math.log1p(w[M5, GIFT_VALUE])
    out[8] = math.log1p(w[H1, GIFT_VALUE])
    out[9] = math.log1p(w[H24, GIFTS])
    out[10] = math.log1p(w[M5, COMMENTS])
    out[11] = math.log1p(w[M5, LIKES])
    out[12] = math.log1p(w[H1, FOLLOWS])
    out[13] = math.log1p(w[H1, SHARES])
    for k, level in ((14, M5), (15, H1), (16, H24)):
        out[k] = min((w[level, CLICKS] + prior * worth) / (w[level, IMPRESSIONS] + worth), 1.0)
    out[17] = math.log1p(w[H1, WATCH] / 1_000 / max(w[H1, VIEWS], 1))
    out[18] = min(w[H1, GIFTS] / (w[H1, VIEWS] + 10.0), 10.0)
    out[19] = math.log((1.0 + 5.0 * w[M1, VIEWS]) / (1.0 + w[M5, VIEWS]))
    out[20] = math.log1p(max(at - r.room_since_ms, 0) / 60_000) if live else 0.0
    out[21] = 1.0 if live else 0.0


@njit(cache=True, nogil=True)
def many_anchor_values(rows: Any, slots: Any, all_rules: Any, now_ms: Any, expired_before_ms: Any, out: Any) -> None:
    """`anchor_values` for many slots; a slot of -1 (an anchor never seen) reads as a new one's zeros and priors."""
    w = np.empty((LEVELS, N_METRICS), np.int64)
    rules = all_rules[0]
    for k in range(slots.shape[0]):
        if slots[k] >= 0:
            anchor_values(rows[slots[k]], rules, now_ms, expired_before_ms, w, out[k])
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
