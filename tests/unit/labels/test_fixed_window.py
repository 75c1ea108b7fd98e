"""fixed_window: whatever happens within the window, and nothing else."""

import pytest

from rtrec.events.schema import (
    CLICK,
    COMMENT,
    GIFT,
    VIEW_END,
    VIEW_HEARTBEAT,
    VIEW_START,
)
from rtrec.settings import Labels
from tests.unit.labels.label_streams import Input, action, impression
from tests.unit.labels.verdicts import counted, verdicts

S = 1_000
WINDOW = Labels(policy="fixed_window", heads=("click", "long_view", "gift"), window_ms=100 * S, auto_surfaces=("push",))
NONE = "click- long_view- gift-"
CASES = {
    "nothing before the window's end": ([impression()], 100 * S - 1, ""),
    "what did not happen is negative": ([impression()], 100 * S, NONE),
    "positives are told at once": ([impression(), action(CLICK, 99 * S)], 0, "click+"),
    "the window is half-open": ([impression(), action(CLICK, 100 * S)], 0, NONE),
    "a view_start is as good as a click": ([impression(), action(VIEW_START, S)], 0, "click+"),
    "a gift counts without an entry": ([impression(), action(GIFT, S, value=1)], 100 * S, "gift+ click- long_view-"),
    "so does what was watched": ([impression(), action(VIEW_HEARTBEAT, 40 * S, watch_ms=30 * S)], 100 * S,
                                 "long_view+ click- gift-"),
    "leaving ends nothing": (
        [impression(), action(VIEW_START, S), action(VIEW_END, 2 * S, watch_ms=S), action(GIFT, 3 * S, value=1)], 0,
        "click+ gift+"),
    "nor does a lapse": ([impression(), action(VIEW_START, S)], 95 * S, "click+"),
    "what is not configured is not told": ([impression(), action(COMMENT, S)], 0, ""),
    "click is masked where the surface enters": ([impression(surface="push"), action(CLICK, S)], 100 * S,
                                                 "long_view- gift-"),
}  # fmt: skip


@pytest.mark.parametrize(("inputs", "until_ms", "expected"), CASES.values(), ids=CASES.keys())
def test_fixed_window_decides(inputs: list[Input], until_ms: int, expected: str) -> None:
    """Each rule gives the labels it says, when it says."""
    assert verdicts(WINDOW, inputs, until_ms) == expected


def test_what_comes_after_the_window_is_a_late_positive() -> None:
    """Until the horizon, once a head; a head that was positive has none."""
    late = [impression(), action(CLICK, S), action(CLICK, 101 * S), action(GIFT, 102 * S, value=1),
            action(GIFT, 103 * S, value=1), action(GIFT, 1_800 * S, value=1)]  # fmt: skip
    assert counted(WINDOW, late, 1_801 * S) == {
        "click/positive": 1, "long_view/negative": 1, "gift/negative": 1, "joined": 4, "late_positive": 1,
    }  # fmt: skip


def test_a_window_beyond_the_horizon_is_kept() -> None:
    """The horizon bounds late positives, never the window."""
    wide = Labels(policy="fixed_window", heads=("gift",), window_ms=3_600 * S)
    assert verdicts(wide, [impression(), action(GIFT, 3_599 * S, value=1)]) == "gift+"
