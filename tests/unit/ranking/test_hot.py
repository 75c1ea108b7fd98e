import math
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.ranking.hot import hottest

Board = dict[str, tuple[float, bool]]
"""anchor → (heat, whether it is live and matches)"""


def pages(scores: dict[str, float], size: int) -> Iterator[Sequence[tuple[str, float]]]:
    """As a store pages: highest first, equal scores by anchor."""
    ranked = sorted(scores.items(), key=lambda one: (-one[1], one[0]))
    for begin in range(0, len(ranked), size):
        yield ranked[begin : begin + size]


def score_of(heat: float) -> float:
    """What does not change with time: log2 of the heat on a landmark; 0 without heat."""
    return math.log2(heat) + 2_854_000.0 if heat > 0 else 0.0


def answer(board: Board, n: int, size: int = 3, scores: dict[str, float] | None = None) -> list[tuple[str, float]]:
    ranked = scores or {name: score_of(heat) for name, (heat, _) in board.items()}
    return hottest(pages(ranked, size), lambda names: [board[x][0] if board[x][1] else None for x in names], n)


def brute(board: Board, n: int) -> list[tuple[str, float]]:
    shown = [(name, heat) for name, (heat, live) in board.items() if live]
    return sorted(shown, key=lambda one: (-one[1], one[0]))[:n]


NAMES = st.text("abcd", min_size=1, max_size=3)
HEATS = st.one_of(st.sampled_from([0.0, 0.0, 1.0, 2.0, 2.0 + 1e-15, 2.0 - 1e-15]), st.floats(1e-9, 1e12))


@given(st.dictionaries(NAMES, st.tuples(HEATS, st.booleans()), max_size=40), st.integers(1, 50), st.integers(1, 10))
def test_the_answer_is_that_of_sorting_all(board: Board, n: int, size: int) -> None:
    """Ties, no heat, anchors that are not live among them, more asked for than there are; whatever the page size."""
    assert answer(board, n, size) == brute(board, n)


def test_equal_heats_whose_scores_differ_by_rounding_are_ordered_by_anchor() -> None:
    """Scores of one heat may differ in the last bits: everything within 1e-8 of the n-th is looked at."""
    board = dict.fromkeys("abcdef", (4.0, True))
    scores = {name: 100.0 + k * 1.5e-9 for k, name in enumerate("abcdef")}
    assert [name for name, _ in answer(board, 2, 1, scores)] == ["a", "b"]


def test_anchors_without_heat_fill_up_by_name() -> None:
    """Also where a score says there was heat once: what is 0 now ties with all that is 0."""
    board = {"z": (5.0, True), "y": (0.0, True), "b": (0.0, True), "a": (0.0, False)}
    assert answer(board, 3) == [("z", 5.0), ("b", 0.0), ("y", 0.0)]
    scores = {"z": 100.0, "y": 50.0, "b": 0.0, "a": 0.0}
    assert answer(board, 2, 1, scores) == [("z", 5.0), ("b", 0.0)]


@pytest.mark.parametrize("n", [1, 5])
def test_pages_are_read_only_as_far_as_needed(n: int) -> None:
    """A thousand anchors, the first ones live: one page is enough."""
    board = {f"a{k:04}": (2_000.0 - k, True) for k in range(1_000)}
    read = 0

    def counted() -> Iterator[Sequence[tuple[str, float]]]:
        nonlocal read
        for page in pages({name: score_of(heat) for name, (heat, _) in board.items()}, 10):
            read += 1
            yield page

    hottest(counted(), lambda names: [board[x][0] for x in names], n)
    assert read == 1


def test_nobody_is_hot_on_an_empty_board() -> None:
    assert answer({}, 10) == []
    assert answer({"a": (3.0, False)}, 10) == []
