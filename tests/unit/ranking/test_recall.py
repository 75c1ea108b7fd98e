import numpy as np

from rtrec.features.anchor_table import ANCHOR
from rtrec.ranking.recall import NEW_MS, merge, newest_rooms

NOW = 1_712_345_678_901


def test_new_rooms_are_those_of_the_last_ten_minutes_newest_first() -> None:
    """Equal ones in order of place; a row without a room is none."""
    rows = np.zeros(7, ANCHOR)
    rows["room_since_ms"] = [NOW - NEW_MS, NOW - 5, NOW - NEW_MS + 1, 0, NOW, NOW - 5, NOW - 3_600_000]
    assert newest_rooms(rows, NOW).tolist() == [4, 1, 5, 2]
    assert newest_rooms(rows[:0], NOW).tolist() == []


def test_an_anchor_stands_once_under_the_first_source_that_names_it() -> None:
    merged = merge([("followed", ["a", "b", "a"]), ("hot", []), ("new", ["c", "b"]), ("app", ["a", "d"])])
    assert list(merged.items()) == [("a", "followed"), ("b", "followed"), ("c", "new"), ("d", "app")]
