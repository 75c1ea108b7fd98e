"""Negative sampling: of many negatives a share is told, each for the others too.

Rules
-----
- A negative is kept with probability r and weighs 1/r, so that its expected gradient is the whole one's, whatever
  the features; a fake negative's factor 1 − p comes on top.
- Whether it is kept is a hash of (user, anchor, time of the impression, head) alone: a replay decides alike, and
  impressions and heads decide apart.
"""

from xxhash import xxh3_64_intdigest

_ALL = 1 << 64


def kept(share: float, user_id: str, anchor_id: str, ts_ms: int, head: int) -> bool:
    """Whether this negative is among the `share` (0 … 1) that is told; head: place in `settings.HEADS`.

    >>> kept(1.0, "u", "a", 5, 0), [kept(0.5, "u", "a", ts_ms, 0) for ts_ms in range(6)]
    (True, [False, False, True, False, True, False])
    """
    return xxh3_64_intdigest(f"{head}\x00{ts_ms}\x00{user_id}\x00{anchor_id}".encode()) < share * _ALL
