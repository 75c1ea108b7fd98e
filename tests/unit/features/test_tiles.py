from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtrec.features.anchor_table import N_METRICS
from rtrec.features.tiles import HOPS_MS, TILES, WINDOWS, WINDOWS_MS, add, advance, tiles_of, windows_at

T0 = 1_700_000_000_000 // 3_600_000 * 3_600_000


class Ring:
    """Tiles as the kernels drive them: time first, then the event's tiles."""

    def __init__(self) -> None:
        self.tiles = np.zeros((TILES, N_METRICS), np.int64)
        self.last_ms = 0
        self.events: list[tuple[int, int, int]] = []

    def add(self, ts_ms: int, metric: int, value: int) -> None:
        if ts_ms > self.last_ms:
            if self.last_ms:
                advance(self.tiles, self.last_ms, ts_ms)
            self.last_ms = ts_ms
        places = np.zeros(len(WINDOWS), np.int64)
        tiles_of(self.last_ms, ts_ms, places)
        add(self.tiles, places, metric, value)
        self.events.append((ts_ms, metric, value))

    def at(self, t_ms: int) -> NDArray[np.int64]:
        out = np.full((len(WINDOWS), N_METRICS), -1, np.int64)
        windows_at(self.tiles, self.last_ms, t_ms, out)
        return out

    def brute(self, t_ms: int) -> NDArray[np.int64]:
        """The contract's sum: ts ≥ floor((T - w) / hop) · hop."""
        out = np.zeros((len(WINDOWS), N_METRICS), np.int64)
        for level, (hop, window) in enumerate(zip(HOPS_MS.tolist(), WINDOWS_MS.tolist(), strict=True)):
            begin = (t_ms - window) // hop * hop
            for ts_ms, metric, value in self.events:
                if ts_ms >= begin:
                    out[level, metric] += value
        return out


def steps(least: int) -> st.SearchStrategy[int]:
    """Moves of time that land on hops, beside them, and far away."""
    edges = [d + e for d in (*HOPS_MS.tolist(), *WINDOWS_MS.tolist()) for e in (-1, 0, 1)]
    return st.one_of(st.sampled_from([0, 1, *edges]), st.integers(0, 100_000_000)).map(
        lambda d: d if least >= 0 else -d
    )


EVENTS = st.lists(
    st.tuples(st.one_of(steps(0), steps(-1)), st.integers(0, N_METRICS - 1), st.integers(0, 10**12)), max_size=40
)


@given(EVENTS, st.lists(steps(0), min_size=1, max_size=5))
def test_every_window_at_every_time_is_the_contracts_sum(events: Any, reads: list[int]) -> None:
    """Whatever the order of arrival, also for late events, at hop edges, and long after the last event."""
    ring, now = Ring(), T0
    for moved, metric, value in events:
        now += moved
        ring.add(now, metric, value)
    for passed in reads:
        t_ms = max(ring.last_ms, T0) + passed
        assert ring.at(t_ms).tolist() == ring.brute(t_ms).tolist()


@pytest.mark.parametrize("level", range(len(WINDOWS)), ids=WINDOWS)
def test_an_event_leaves_a_window_at_the_edge_of_its_hop(level: int) -> None:
    """An event at a hop's first millisecond stays for window + hop - 1 ms after it, and is gone at window + hop."""
    ring, stay = Ring(), int(WINDOWS_MS[level] + HOPS_MS[level])
    ring.add(T0, 0, 5)
    assert ring.at(T0 + stay - 1)[level, 0] == 5
    assert ring.at(T0 + stay)[level, 0] == 0


@pytest.mark.parametrize("level", range(len(WINDOWS)), ids=WINDOWS)
def test_a_late_event_counts_while_its_tile_stands(level: int) -> None:
    ring, stay = Ring(), int(WINDOWS_MS[level] + HOPS_MS[level])
    ring.add(T0 + stay - 1, 0, 1)
    ring.add(T0, 0, 5)
    assert ring.at(ring.last_ms)[level, 0] == 6
    gone = Ring()
    gone.add(T0 + stay, 0, 1)
    gone.add(T0, 0, 5)
    assert gone.at(gone.last_ms)[level, 0] == 1
