"""Paths lead to one value or to nothing, and what is no path is known before the first message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.mapping_paths import MAX_STEPS, Steps, first_of, parse_path, reader


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("id", ("id",)), ("$.id", ("id",)), ("$id", ("$id",)), ("a.b.c", ("a", "b", "c")),
        ("a[0][12].b", ("a", 0, 12, "b")), ('["a b"]', ("a b",)), ('$["a.b"].c', ("a.b", "c")),
        ('a["]\\""]', ("a", ']"')), ("$.用户.id-x", ("用户", "id-x")), ("a.0", ("a", "0")),
    ],
)  # fmt: skip
def test_a_path_is_names_and_places(text: str, steps: Steps) -> None:
    assert parse_path(text) == steps


@pytest.mark.parametrize(
    "text",
    [
        "", "$", "$.", ".", ".a", "a.", "a..b", "a b", "[0]", "$[0].a", "a[", "a[]", "a[-1]", "a[x]", "a[0]b", "a]",
        "a['b']", 'a["]', 'a[""]', 'a["\\x"]', "a[*]", "a[0", "a.[0]", "a" * 257, ".".join(["a"] * (MAX_STEPS + 1)),
        "a[9999999]", 7, None, {},
    ],
)  # fmt: skip
def test_what_is_no_path_is_none(text: object) -> None:
    assert parse_path(text) is None


@given(steps=st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1) | st.integers(0, 5), max_size=6))
def test_a_path_finds_what_was_put_there_and_nothing_elsewhere(steps: list[str | int]) -> None:
    """For paths of every depth; a step that finds another kind of value finds nothing."""
    path: Steps = ("top", *steps)
    value: Any = "it"
    for step in reversed(path):
        value = {step: value} if isinstance(step, str) else [None] * step + [value]
    assert reader(path)(value) == "it"
    others: list[dict[str, Any]] = [{}, {"top": 7}, {"top": "text"}, {"top": []}, {"top": {}}, {"top": None}]
    for other in others:
        assert reader((*path, "beyond"))(other) is None
        assert reader((*path, 0))(other) is None


def test_the_first_that_is_there() -> None:
    both = first_of([reader(("a",)), reader(("b", 0))])
    assert (both({"a": 0, "b": [1]}), both({"a": None, "b": [1]}), both({"b": []})) == (0, 1, None)
