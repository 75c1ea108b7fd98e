"""Promises of positions: of whatever is sent again, each event is met once, and in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtrec.stages.effects import Writes
from rtrec.stages.positions import KEY, Positions

POSITIONS = np.array([3, 4, 9, 11, 20, 21, 22, 40], np.int64)
"""A source's positions, with the holes of a source whose other events went elsewhere."""


def reloaded(positions: Positions) -> Positions:
    writes, found = Writes(), Positions()
    positions.write(writes)
    found.load(writes.puts[KEY])
    return found


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 8), st.integers(0, 8), st.booleans()), max_size=30))
def test_what_is_sent_again_is_met_once(batches: list[tuple[str, int, int, bool]]) -> None:
    """Batches repeat, overlap and are cut anew, never leaving a hole; consumers take over in between."""
    met, positions = dict[str, list[int]](a=[], b=[]), Positions()
    for source, wanted, size, taken_over in batches:
        first = min(wanted, len(met[source]))
        some = POSITIONS[first : first + size]
        met[source] += some[positions.fresh(source, some)].tolist()
        if taken_over:
            positions = reloaded(positions)
    for found in met.values():
        assert found == POSITIONS[: len(found)].tolist()
    furthest = {source: found[-1] for source, found in met.items() if found}
    assert positions.highest == furthest


def test_sources_are_counted_apart() -> None:
    positions = Positions()
    assert positions.fresh("events:0", np.array([5])).tolist() == [0]
    assert positions.fresh("events:1", np.array([5])).tolist() == [0]
    assert positions.fresh("events:0", np.array([5])).tolist() == []


def test_position_0_is_met_too_and_nothing_is_no_position() -> None:
    positions = Positions()
    assert positions.fresh("s", np.zeros(0, np.int64)).tolist() == []
    assert positions.highest == {}
    assert positions.fresh("s", np.array([0])).tolist() == [0]


def test_a_consumer_that_stored_nothing_begins_anew() -> None:
    positions = Positions()
    positions.load(None)
    assert positions.highest == {}
