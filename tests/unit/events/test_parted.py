"""Every part is what picking its rows one target after another would give."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.parted import NONE, by_target, one_part, renumber

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 5)), max_size=40)


@given(rows)
def test_parts_are_what_picking_target_after_target_gives(made: list[tuple[int, int]]) -> None:
    """Targets grow, rows keep their order, and lists hold what is named and nothing else, in the list's order."""
    target, places = (np.array([row[k] for row in made], np.int64) for k in (0, 1))
    known = [f"item{k}" for k in range(6)]
    found = by_target(target)
    numbers, lists = renumber(places[found.order], found.borders, known)
    assert found.targets == sorted({row[0] for row in made})
    for part, (one, rows_of) in enumerate(zip(found.targets, found.slices(), strict=True)):
        mine = [place for other, place in made if other == one]
        assert lists[part] == [known[place] for place in sorted(set(mine) - {NONE})]
        named = [NONE if place == NONE else lists[part].index(known[place]) for place in mine]
        assert numbers[rows_of].tolist() == named


def test_a_single_part_may_be_empty() -> None:
    """Nothing for one target is still one message."""
    found = one_part(np.zeros(0, np.int64))
    assert found.slices() == [slice(0, 0)]
    assert renumber(np.zeros(0, np.int64), found.borders, ["a"])[1] == [[]]
