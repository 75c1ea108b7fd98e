"""Gift spend of one user by window: sparse tiles, by the same rule as an anchor's windows.

Rules
-----
- At t a window (hop, w) is the sum of tiles from floor((t − w)/hop) · hop up to t.
- A level keeps at most w/hop + 1 tiles: what no window will reach any more goes when a tile is opened.
- Taking a reversed gift out changes only a tile that still stands, and never to below 0.
"""

from typing import Final

HOP_MS: Final = (60_000, 300_000, 3_600_000)
WINDOW_MS: Final = (600_000, 3_600_000, 86_400_000)
WINDOWS: Final = ("10m", "1h", "24h")

Spend = tuple[dict[int, int], dict[int, int], dict[int, int]]
"""Value by bucket (ts_ms // hop), a dict per level."""


def add(spend: Spend, ts_ms: int, value: int, newest_ms: int) -> None:
    """Add a gift's value at its time; `newest_ms` is the user's newest event time, this one included."""
    for level, tiles in enumerate(spend):
        hop_ms = HOP_MS[level]
        bucket = ts_ms // hop_ms
        if bucket in tiles:
            tiles[bucket] += value
        else:
            _open(tiles, bucket, value, (newest_ms - WINDOW_MS[level]) // hop_ms)


def _open(tiles: dict[int, int], bucket: int, value: int, first: int) -> None:
    """Begin a tile unless no window reaches it; tiles below `first` make room."""
    if bucket < first:
        return
    if tiles:
        for stale in [one for one in tiles if one < first]:
            del tiles[stale]
    tiles[bucket] = value


def take(spend: Spend, ts_ms: int, value: int) -> None:
    """Take a gift's value out at the original's time."""
    for tiles, hop_ms in zip(spend, HOP_MS, strict=True):
        bucket = ts_ms // hop_ms
        left = tiles.get(bucket, 0) - value
        if left > 0:
            tiles[bucket] = left
        else:
            tiles.pop(bucket, None)


def values_at(spend: Spend, now_ms: int) -> tuple[int, int, int]:
    """The windows' values as of `now_ms`, which lies before no event.

    >>> spend: Spend = ({}, {}, {})
    >>> add(spend, 7_200_000, 5, 7_200_000)
    >>> values_at(spend, 7_200_000), values_at(spend, 7_860_000), values_at(spend, 100_000_000)
    ((5, 5, 5), (0, 5, 5), (0, 0, 0))
    """
    ten_minutes, hour, day = (
        sum([value for bucket, value in tiles.items() if bucket >= (now_ms - window_ms) // hop_ms])
        for tiles, hop_ms, window_ms in zip(spend, HOP_MS, WINDOW_MS, strict=True)
    )
    return ten_minutes, hour, day
