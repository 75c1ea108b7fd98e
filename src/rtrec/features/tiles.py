"""Tile rings: sums over six sliding windows without a sweep.

Rules
-----
- A level is (hop, window). An event adds to its tile `floor(ts / hop)` in every level, at its own time,
  late ones too while the tile stands.
- A ring holds window / hop + 1 tiles, all that a window can reach at any t ≥ the newest event: the value
  at t is the sum of tiles from floor((t - window) / hop) up to t.
- A ring's newest tile is given by the anchor's newest event time alone (`last_ms`): nothing else is
  stored, readers skip what t has left behind, and `advance` clears what time has passed over. So an idle
  anchor cools by itself.
- Tiles lie [tile, metric], all levels after one another, so that clearing a tile is clearing a row.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from rtrec.settings import METRICS

WINDOWS: Final = ("10s", "1m", "5m", "30m", "1h", "24h")
HOPS_MS: Final = np.array([1_000, 5_000, 30_000, 180_000, 300_000, 3_600_000], np.int64)
WINDOWS_MS: Final = np.array([10_000, 60_000, 300_000, 1_800_000, 3_600_000, 86_400_000], np.int64)
LENGTHS: Final = WINDOWS_MS // HOPS_MS + 1
STARTS: Final = np.concatenate([[0], np.cumsum(LENGTHS)[:-1]]).astype(np.int64)
TILES: Final = int(LENGTHS.sum())


@njit(cache=True, nogil=True)
def advance(tiles: Any, last_ms: Any, now_ms: Any) -> None:
    """Clear every tile between the newest event and a newer one. tiles: int64 [TILES, metrics]."""
    for level in range(HOPS_MS.shape[0]):
        head, to, length = last_ms // HOPS_MS[level], now_ms // HOPS_MS[level], LENGTHS[level]
        for bucket in range(max(head + 1, to - length + 1), to + 1):
            for metric in range(tiles.shape[1]):
                tiles[STARTS[level] + bucket % length, metric] = 0


@njit(cache=True, nogil=True)
def tiles_of(last_ms: Any, ts_ms: Any, out: Any) -> None:
    """The tile of `ts_ms` (≤ last_ms) in each level, -1 where it no longer stands. out: int64 [levels]."""
    for level in range(HOPS_MS.shape[0]):
        bucket, length = ts_ms // HOPS_MS[level], LENGTHS[level]
        stands = bucket > last_ms // HOPS_MS[level] - length
        out[level] = STARTS[level] + bucket % length if stands else -1


@njit(cache=True, nogil=True)
def add(tiles: Any, places: Any, metric: Any, value: Any) -> None:
    """Add to a metric's tile in each level. places: from `tiles_of`."""
    for level in range(places.shape[0]):
        if places[level] >= 0:
            tiles[places[level], metric] += value


@njit(cache=True, nogil=True)
def window_at(tiles: Any, last_ms: Any, at_ms: Any, level: Any, metrics: Any, out: Any) -> None:
    """One level's window of some metrics at `at_ms` (≥ last_ms). metrics: int64 [n]; out: int64 [n]."""
    hop, length = HOPS_MS[level], LENGTHS[level]
    for k in range(metrics.shape[0]):
        out[k] = 0
    for bucket in range(at_ms // hop - length + 1, last_ms // hop + 1):
        row = STARTS[level] + bucket % length
        for k in range(metrics.shape[0]):
            out[k] += tiles[row, metrics[k]]


_ALL: Final = np.arange(len(METRICS), dtype=np.int64)


@njit(cache=True, nogil=True)
def windows_at(tiles: Any, last_ms: Any, at_ms: Any, out: Any) -> None:
    """Every window of every metric at `at_ms` (≥ last_ms). out: int64 [levels, metrics]."""
    for level in range(HOPS_MS.shape[0]):
        window_at(tiles, last_ms, at_ms, level, _ALL, out[level])
