"""A user's record as dense features, alone and paired with candidates, in the order of `features.table`.

Called once per request with up to 1,000 candidates: lists of Python floats, one array at the end.
"""

from collections.abc import Sequence
from math import log1p
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtrec.features.table import PAIR_VALUES, USER_VALUES
from rtrec.features.user import Familiarity, UserRecord, spend_at, taste_shares

MAX_FAMILIARITY: Final = 5
MAX_EXPOSURES: Final = 10
MINUTE_MS: Final = 60_000

FOLLOWS: Final = 5
TASTE: Final = 6
EXPOSED: Final = 7
"""Columns of `PAIR_VALUES`; those before FOLLOWS come from familiarity and are 0 for an anchor never met. EXPOSED
is the user's alone: numbers are append-only, and it came later."""


def user_values(record: UserRecord | None, now_ms: int) -> NDArray[np.float32]:
    """The user's own features, shape [len(USER_VALUES)]; zeros for a guest or an unknown user."""
    if record is None:
        return np.zeros(len(USER_VALUES), np.float32)
    views = record.views
    watched_s = sum(view.watch_ms for view in views) / 1_000
    _, spent_1h, spent_24h = spend_at(record, now_ms)
    return np.array(
        (
            1.0,
            log1p(len(views)),
            log1p(watched_s / len(views)) if views else 0.0,
            log1p(spent_1h),
            log1p(spent_24h),
            log1p(len(record.follows)),
            log1p(len({view.category for view in views if view.category is not None})),
        ),
        np.float32,
    )


def pair_values(
    record: UserRecord | None, anchor_ids: Sequence[str], categories: Sequence[str | None], now_ms: int
) -> NDArray[np.float32]:
    """The features of the user with each candidate, shape [n, len(PAIR_VALUES)].

    anchor_ids, categories: the candidates and what they stream, None if unknown; equally long.

    >>> pair_values(UserRecord(follows={"a": None}), ["a", "b"], [None, "dance"], 0)[:, 5].tolist()
    [1.0, 0.0]
    """
    if record is None:
        return np.zeros((len(anchor_ids), len(PAIR_VALUES)), np.float32)
    width, follows, shares = len(PAIR_VALUES), record.follows, taste_shares(record)
    flat = [0.0] * (width * len(anchor_ids))
    for row, known in enumerate(map(record.familiarity.get, anchor_ids)):
        if known is not None:
            flat[row * width : row * width + FOLLOWS] = _familiar(known, now_ms)
    flat[FOLLOWS::width] = [anchor_id in follows for anchor_id in anchor_ids]
    flat[TASTE::width] = [0.0 if category is None else shares.get(category, 0.0) for category in categories]
    exposed = log1p(sum(known.exposures_since_click for known in record.familiarity.values()))
    flat[EXPOSED::width] = [exposed] * len(anchor_ids)
    return np.array(flat, np.float32).reshape(len(anchor_ids), width)


def familiarity_bucket(views: int) -> int:
    """Views of an anchor as 0, 1, 2-3, 4-7, 8-15, 16+.

    >>> [familiarity_bucket(views) for views in (0, 1, 3, 4, 15, 16, 999)]
    [0, 1, 2, 3, 4, 5, 5]
    """
    return min(views.bit_length(), MAX_FAMILIARITY)


def _familiar(known: Familiarity, now_ms: int) -> tuple[float, float, float, float, float]:
    return (
        familiarity_bucket(known.views),
        log1p(known.watch_ms / 1_000),
        log1p(known.gift_value),
        log1p(max(0, now_ms - known.last_ts_ms) / MINUTE_MS),
        min(known.exposures_since_click, MAX_EXPOSURES),
    )
