from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtrec.events.ids import hash_id, hash_in
from rtrec.events.mixing import mix, slot_of
from rtrec.features.table import ATTRIBUTE_TOKENS, DENSE, DENSE_INDEX, FEATURE_SET, SPARSE
from rtrec.features.vector import (
    MAX_POSITION,
    N_DENSE,
    N_SPARSE,
    NO_POSITION,
    ROW,
    WIDTH,
    Rows,
    attribute_tokens,
    column_names,
    make_rows,
    vectors,
)
from rtrec.settings import Attribute, Features

AT = 1_712_345_678_901
SLOTS_LOG2 = 18
COLUMN = {name: place for place, name in enumerate(column_names())}


def rows_of(
    n: int = 1,
    *,
    user: str | None = "u",
    surface: str | None = "feed",
    seed: int = 0,
    dense: tuple[str, float] | None = None,
) -> Rows:
    """Rows of candidates a0, a1, …, with numbers a model may meet."""
    random = np.random.default_rng(seed)
    numbers = random.uniform(0, 5, (n, N_DENSE)).astype(np.float32)
    if dense is not None:
        numbers[:, DENSE_INDEX[dense[0]]] = dense[1]
    tokens = [[int(t) for t in random.integers(1, 2**63, k % 4)] for k in range(n)]
    categories = ["dance" if k % 3 else None for k in range(n)]
    return make_rows(Features(), AT, user, [f"a{k}" for k in range(n)], categories, surface, numbers, tokens)


def slot(column: str, a: int, b: int = 0) -> int:
    """The slot a sparse column has for values a and b: `mix(column + 1, a, b)`'s top bits."""
    return int(slot_of(np.uint64(mix(np.uint64(COLUMN[column] + 1), np.uint64(a), np.uint64(b))), SLOTS_LOG2))


def entry(rows: Rows, column: str, positions: NDArray[np.int64] | None = None) -> tuple[int, float]:
    index, value = vectors(rows, positions, SLOTS_LOG2)
    return int(index[0, COLUMN[column]]), float(value[0, COLUMN[column]])


def test_a_row_gives_the_same_vector_alone_or_in_a_batch() -> None:
    """And after being stored and read: what is trained is what was scored."""
    rows = rows_of(30)
    index, value = vectors(rows, None, SLOTS_LOG2)
    for k in range(30):
        one = np.frombuffer(rows[k : k + 1].tobytes(), ROW)
        alone_index, alone_value = vectors(one, None, SLOTS_LOG2)
        assert alone_index[0].tolist() == index[k].tolist()
        assert alone_value[0].tolist() == value[k].tolist()


def test_columns_are_the_tables_in_its_order() -> None:
    assert column_names()[: N_DENSE + N_SPARSE] == [one.name for one in (*DENSE, *SPARSE)]
    assert (len(column_names()), N_DENSE, N_SPARSE) == (WIDTH, len(DENSE), len(SPARSE))
    rows = rows_of()
    _, value = vectors(rows, None, SLOTS_LOG2)
    assert (16 * value[0, :N_DENSE]).tolist() == rows["dense"][0].tolist()
    assert rows["feature_set"][0] == FEATURE_SET


@given(st.integers(0, 2**32), st.integers(1, 26))
def test_slots_are_within_range_and_values_are_the_numbers_or_1_or_0_or_the_clocks(seed: int, slots_log2: int) -> None:
    rows = rows_of(5, seed=seed)
    index, value = vectors(rows, np.arange(-1, 4) * 40, slots_log2)
    assert index.min() >= 0
    assert index.max() < 1 << slots_log2
    clock = [COLUMN["hour"], COLUMN["weekday"]]
    assert (value[:, clock] == 0.25).all()
    assert set(np.delete(value, clock, axis=1)[:, N_DENSE:].ravel().tolist()) <= {0.0, 1.0}


def test_dense_slots_are_the_same_for_every_row_and_all_different() -> None:
    index, _ = vectors(rows_of(4), None, 22)
    assert len({tuple(row[:N_DENSE]) for row in index.tolist()}) == 1
    assert len(set(index[0, : N_DENSE + N_SPARSE].tolist())) == N_DENSE + N_SPARSE


def test_ids_and_pairs_have_the_slots_of_their_hashes() -> None:
    rows = make_rows(Features(), AT, "u", ["a"], ["dance"], "feed", np.zeros((1, N_DENSE), np.float32), [[]])
    user, anchor, dance, feed = hash_id("u"), hash_id("a"), hash_in("category", "dance"), hash_in("surface", "feed")
    for column, a, b in [
        ("anchor", anchor, 0), ("user", user, 0), ("category", dance, 0), ("user×category", user, dance),
        ("user×anchor", user, anchor), ("surface", feed, 0), ("surface×position", feed, 2),
    ]:  # fmt: skip
        assert entry(rows, column) == (slot(column, a, b), 1.0), column


def test_what_is_absent_has_value_0() -> None:
    """A guest, no category, no surface: none of their tokens or pairs counts."""
    rows = make_rows(Features(), AT, None, ["a"], [None], None, np.zeros((1, N_DENSE), np.float32), [[]])
    _, value = vectors(rows, None, SLOTS_LOG2)
    absent = {name for name, place in COLUMN.items() if place >= N_DENSE and value[0, place] == 0.0}
    assert absent == {
        "user", "category", "user×category", "user×anchor", "surface", "surface×position",
        *(f"attribute {k}" for k in range(ATTRIBUTE_TOKENS)),
    }  # fmt: skip


@pytest.mark.parametrize(("position", "place"), [(NO_POSITION, 1), (0, 2), (5, 7), (63, 65), (64, 65), (10**12, 65)])
def test_positions_are_trained_as_they_were(position: int, place: int) -> None:
    """Unknown is a value of its own, and beyond 63 all are one."""
    rows = rows_of()
    positions = np.array([position])
    assert entry(rows, "position", positions) == (slot("position", place), 1.0)
    assert entry(rows, "surface×position", positions)[0] == slot("surface×position", hash_in("surface", "feed"), place)
    assert min(position, MAX_POSITION) + 2 == place


def test_bias_features_are_served_at_position_0() -> None:
    """So the place a candidate had when it was shown cannot move its score."""
    served, _ = vectors(rows_of(), None, SLOTS_LOG2)
    trained, _ = vectors(rows_of(), np.zeros(1, np.int64), SLOTS_LOG2)
    assert served.tolist() == trained.tolist()


@pytest.mark.parametrize(
    ("column", "dense", "value", "bucket"),
    [
        ("user×anchor familiarity", "familiarity", 0, 1),
        ("user×anchor familiarity", "familiarity", 5, 6),
        ("heat bucket", "heat_log", 0.49, 1),
        ("heat bucket", "heat_log", 0.5, 2),
        ("heat bucket", "heat_log", 30, 61),
        ("taste bucket", "taste_share", 0.0, 1),
        ("taste bucket", "taste_share", 1.0, 11),
        ("exposures bucket", "pair_exposures", 10, 11),
        ("ctr bucket", "ctr_1h", 1.0, 64),
        ("ctr bucket", "ctr_1h", 0.5, 61),
        ("ctr bucket", "ctr_1h", 0.0, 4),
    ],
)
def test_numbers_fall_into_buckets(column: str, dense: str, value: float, bucket: int) -> None:
    assert entry(rows_of(dense=(dense, value)), column) == (slot(column, bucket), 1.0)


@pytest.mark.parametrize(("views", "doublings"), [(0, 0), (1, 1), (2, 1), (3, 2), (6, 2), (7, 3), (50, 5)])
def test_a_share_of_few_views_is_another_token_than_one_of_many(views: int, doublings: int) -> None:
    """Without it, who has watched nothing looks like one who has watched everything but this category."""
    rows = rows_of(dense=("user_views_log", float(np.log1p(np.float32(views)))))
    rows["dense"][:, DENSE_INDEX["taste_share"]] = 0.0
    assert entry(rows, "taste×views") == (slot("taste×views", 1, doublings), 1.0)


@pytest.mark.parametrize(("exposures", "doublings"), [(0, 0), (1, 1), (3, 2), (10, 3), (255, 8)])
def test_who_has_just_come_is_another_token_than_who_has_seen_much_and_clicked_nothing(
    exposures: int, doublings: int
) -> None:
    """Neither has a view, and one of them clicks far more often."""
    rows = rows_of(dense=("user_exposures_log", float(np.log1p(np.float32(exposures)))))
    rows["dense"][:, DENSE_INDEX["user_views_log"]] = 0.0
    assert entry(rows, "views×exposures") == (slot("views×exposures", 1, doublings), 1.0)


@given(st.integers(10**11, 4 * 10**12), st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kathmandu", "America/New_York"]))
def test_hour_and_weekday_are_the_zones(at_ms: int, zone: str) -> None:
    """Summer time and quarters of an hour included."""
    rows = make_rows(Features(zone=zone), at_ms, "u", ["a"], [None], None, np.zeros((1, N_DENSE), np.float32), [[]])
    local = datetime.fromtimestamp(at_ms // 1_000, UTC).astimezone(ZoneInfo(zone))
    assert (int(rows["hour"][0]), int(rows["weekday"][0])) == (local.hour, local.weekday())
    assert entry(rows, "hour") == (slot("hour", local.hour + 1), 0.25)
    assert entry(rows, "weekday") == (slot("weekday", local.weekday() + 1), 0.25)


CITY = Attribute(name="city", of="user", crosses=("category", "style"))
STYLE = Attribute(name="style", of="anchor")
AGE = Attribute(name="age", of="user", type="number")
DEVICE = Attribute(name="device", of="context")


def tokens(declared: list[Attribute], category: str | None = None, **of: dict[str, Any]) -> list[int]:
    return attribute_tokens(declared, of, category)


def test_attributes_are_tokens_then_their_crosses() -> None:
    """The seed's city × dancing × lively: a token each, then city × category and city × style."""
    beijing, lively = hash_in("user.city", "Beijing"), hash_in("anchor.style", "lively")
    dance = hash_in("category", "dance")
    found = tokens([CITY, STYLE, DEVICE], "dance", user={"city": "Beijing"}, anchor={"style": "lively"})
    crosses = [int(mix(np.uint64(7), np.uint64(beijing), np.uint64(one))) for one in (dance, lively)]
    assert found == [beijing, lively, *crosses]


def test_equal_words_of_different_attributes_are_different_tokens() -> None:
    same = [Attribute(name="city", of=of) for of in ("user", "anchor", "context")]
    where = {"city": "X"}
    assert (
        len(set(tokens(same[:1], user=where) + tokens(same[1:2], anchor=where) + tokens(same[2:], context=where))) == 3
    )


def test_lists_give_a_token_each_at_most_four_and_crosses_with_each() -> None:
    assert len(tokens([STYLE], anchor={"style": ["a", "b", "c", "d", "e"]})) == 4
    found = tokens([CITY, STYLE], user={"city": "B"}, anchor={"style": ["a", "b"]})
    assert len(found) == len(set(found)) == 5


def test_numbers_are_bucketed_by_half_doublings_of_either_sign() -> None:
    """35 and 36 are one bucket, 35 and 70 are not, nor are 3 and -3; what is no number is a word."""

    def age(value: Any) -> list[int]:
        return tokens([AGE], user={"age": value})

    assert age(35.0) == age(36) != age(70)
    assert age(3) != age(-3)
    assert age(0) == age(0.0)
    assert age("old") == [hash_in("user.age", "old")]


def test_tokens_beyond_their_places_are_left_out() -> None:
    many = [Attribute(name=f"n{k}", of="user") for k in range(30)]
    assert len(tokens(many, user={f"n{k}": "x" for k in range(30)})) == ATTRIBUTE_TOKENS


def test_attribute_tokens_are_entries_of_the_vector() -> None:
    found = tokens([STYLE], anchor={"style": ["a", "b"]})
    rows = make_rows(Features(), AT, "u", ["a"], [None], None, np.zeros((1, N_DENSE), np.float32), [found])
    index, value = vectors(rows, None, SLOTS_LOG2)
    places = slice(COLUMN["attribute 0"], COLUMN["attribute 2"])
    assert index[0, places].tolist() == [slot_of(np.uint64(token), SLOTS_LOG2) for token in found]
    assert value[0, COLUMN["attribute 0"] :].tolist() == [1.0, 1.0] + [0.0] * (ATTRIBUTE_TOKENS - 2)


def test_tokens_use_all_their_64_bits() -> None:
    """Small and large ones in one row: no way through a float or a signed number."""
    found = [1, 2**53 + 1, 2**63 - 1, 2**63 + 1, 2**64 - 1]
    rows = make_rows(Features(), AT, "u", ["a"], [None], None, np.zeros((1, N_DENSE), np.float32), [found])
    assert rows["attributes"][0, :5].tolist() == found
