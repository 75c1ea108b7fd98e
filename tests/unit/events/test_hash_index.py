import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.hash_index import HashIndex, find, put, put_all

KEYS = st.one_of(st.integers(1, 50), st.sampled_from([4_096 * k + 7 for k in range(30)]), st.integers(1, 2**64 - 1))
"""Small ones repeat, the middle ones fall on one place, the last are anywhere."""


@given(st.lists(st.tuples(KEYS, st.integers(-(2**63), 2**63 - 1)), max_size=300))
def test_it_is_a_dict(entries: list[tuple[int, int]]) -> None:
    """After any puts every key gives its newest value, others -1, and new keys were told apart from known ones."""
    index, model = HashIndex(), dict[int, int]()
    for key, value in entries:
        assert put(index.keys, index.values, np.uint64(key), value) == (key not in model)
        model[key] = value
    for key, value in model.items():
        assert index.values[find(index.keys, np.uint64(key))] == value
    for key in range(100, 200):
        assert (find(index.keys, np.uint64(key)) >= 0) == (key in model)


@given(st.lists(st.tuples(KEYS, st.integers(0, 9)), max_size=200), st.integers(0, 20_000))
def test_a_rebuild_holds_just_the_entries_with_room_for_more(entries: list[tuple[int, int]], more: int) -> None:
    """Later entries win, `used` counts distinct keys, and `more` fit while the map is at most half full."""
    index = HashIndex()
    index.rebuild(np.array([1, 2, 3], np.uint64), np.zeros(3, np.int64))
    keys = np.array([key for key, _ in entries], np.uint64)
    index.rebuild(keys, np.array([value for _, value in entries], np.int64), more)
    model = dict(entries)
    assert index.used == len(model)
    assert index.has_room(more)
    assert len(index.keys) & (len(index.keys) - 1) == 0
    assert {int(k): int(v) for k, v in zip(index.keys, index.values, strict=True) if k} == model


def test_it_says_when_it_has_no_room() -> None:
    """At most half full: 2,048 of 4,096 fit, one more does not."""
    index = HashIndex()
    assert index.has_room(2_048)
    assert not index.has_room(2_049)
    index.used = 48
    assert index.has_room(2_000)
    assert not index.has_room(2_001)


def test_half_full_with_one_home_place_still_finds_all() -> None:
    """2,048 keys that all belong on the last place wrap around the end."""
    index = HashIndex()
    keys = np.arange(1, 2_049, dtype=np.uint64) * np.uint64(4_096) - np.uint64(1)
    assert put_all(index.keys, index.values, keys, np.arange(2_048)) == 2_048
    assert [int(index.values[find(index.keys, key)]) for key in keys[::97]] == list(range(0, 2_048, 97))
