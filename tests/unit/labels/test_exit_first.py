"""exit_first, rule by rule: what one impression and its actions become."""

import pytest

from rtrec.events.schema import (
    CLICK,
    COMMENT,
    FOLLOW,
    GIFT,
    LIKE,
    SHARE,
    VIEW_END,
    VIEW_HEARTBEAT,
    VIEW_START,
)
from rtrec.labels.policies import policy_of
from rtrec.settings import HEADS, Labels
from tests.unit.labels.label_streams import Input, action, impression
from tests.unit.labels.verdicts import verdicts

ALL_HEADS = Labels(heads=HEADS, auto_surfaces=("push",))
S = 1_000
CLICKED = [impression(), action(CLICK, 2 * S)]
VIEWING = [*CLICKED, action(VIEW_START, 3 * S)]


NO_CLICK = "click- long_view- gift- comment- follow- share-"
LEFT = "long_view- gift- comment- follow- share-"
CASES = {
    "nothing before the wait is over": ([impression()], 60 * S - 1, ""),
    "no click is a negative of all": ([impression()], 60 * S, NO_CLICK),
    "a click is positive at once": (CLICKED, 0, "click+"),
    "a view_start is as good as a click": ([impression(), action(VIEW_START, 9 * S)], 0, "click+"),
    "a click in the last millisecond counts": ([impression(), action(CLICK, 60 * S - 1)], 0, "click+"),
    "a click at the deadline is late": ([impression(), action(CLICK, 60 * S)], 0, NO_CLICK),
    "the second click adds nothing": ([*CLICKED, action(CLICK, 4 * S)], 0, "click+"),
    "30 s watched are a long view": ([*VIEWING, action(VIEW_HEARTBEAT, 33 * S, watch_ms=30 * S)], 0,
                                     "click+ long_view+"),
    "increments add up": ([*VIEWING, action(VIEW_HEARTBEAT, 18 * S, watch_ms=15 * S),
                           action(VIEW_HEARTBEAT, 33 * S, watch_ms=15 * S)], 0, "click+ long_view+"),
    "a total stands for lost increments": ([*VIEWING, action(VIEW_END, 34 * S, watch_ms=1, total_ms=31 * S)], 0,
                                           "click+ long_view+ gift- comment- follow- share-"),
    "leaving decides the rest": ([*VIEWING, action(VIEW_END, 8 * S, watch_ms=5 * S)], 0, f"click+ {LEFT}"),
    "a lapse decides the rest": (VIEWING, 93 * S, f"click+ {LEFT}"),
    "before the lapse nothing is decided": (VIEWING, 93 * S - 1, "click+"),
    "a heartbeat puts the lapse off": ([*VIEWING, action(VIEW_HEARTBEAT, 20 * S, watch_ms=1)], 110 * S - 1, "click+"),
    "a click without a view lapses too": (CLICKED, 92 * S, f"click+ {LEFT}"),
    "a gift within the view": ([*VIEWING, action(GIFT, 5 * S, value=1)], 0, "click+ gift+"),
    "a comment, a follow, a share": ([*VIEWING, action(COMMENT, 5 * S), action(FOLLOW, 6 * S), action(SHARE, 7 * S)],
                                     0, "click+ comment+ follow+ share+"),
    "an unfollow is no follow": ([*VIEWING, action(FOLLOW, 5 * S, on=False)], 0, "click+"),
    "a like is no label": ([*VIEWING, action(LIKE, 5 * S)], 0, "click+"),
    "the first gift counts, once": ([*VIEWING, action(GIFT, 5 * S, value=1), action(GIFT, 6 * S, value=1)], 0,
                                    "click+ gift+"),
    "a gift after leaving is late": ([*VIEWING, action(VIEW_END, 8 * S, watch_ms=1), action(GIFT, 9 * S, value=1)], 0,
                                     f"click+ {LEFT}"),
    "a gift without entry is none": ([impression(), action(GIFT, 5 * S, value=1)], 60 * S, NO_CLICK),
    "a gift that overtook its click": ([impression(), action(GIFT, 5 * S, value=1), action(CLICK, 4 * S)], 0,
                                       "click+ gift+"),
    "the newest of gifts that overtook it": (
        [impression(), action(GIFT, 8 * S, value=1), action(GIFT, 3 * S, value=1), action(CLICK, 5 * S)], 0,
        "click+ gift+"),
    "a gift before its click is not in the view": (
        [impression(), action(GIFT, 5 * S, value=1), action(CLICK, 6 * S)], 0, "click+"),
    "a view_end that overtook its view_start": (
        [impression(), action(VIEW_END, 9 * S, watch_ms=5 * S), action(VIEW_START, 4 * S)], 0, f"click+ {LEFT}"),
    "clicks do not enter where the surface does": (
        [impression(surface="push"), action(CLICK, 4 * S)], 60 * S, LEFT),
    "there, view_start does": (
        [impression(surface="push"), action(VIEW_START, 4 * S), action(GIFT, 5 * S, value=1)], 0, "gift+"),
}  # fmt: skip


@pytest.mark.parametrize(("inputs", "until_ms", "expected"), CASES.values(), ids=CASES.keys())
def test_exit_first_decides(inputs: list[Input], until_ms: int, expected: str) -> None:
    """Each rule of exit_first gives the labels it says, when it says."""
    assert verdicts(ALL_HEADS, inputs, until_ms) == expected


def test_a_view_is_judged_within_the_horizon_of_its_entry() -> None:
    """Heartbeats for ever do not keep an exposure open: 30 minutes after the entry the rest is negative."""
    beats = [action(VIEW_HEARTBEAT, at * S, watch_ms=0) for at in range(60, 1_802, 60)]
    assert verdicts(ALL_HEADS, [*VIEWING, *beats], 1_802 * S - 1) == "click+"
    assert verdicts(ALL_HEADS, [*VIEWING, *beats], 1_802 * S) == f"click+ {LEFT}"


def test_heads_not_configured_are_masked() -> None:
    """Only configured heads become examples."""
    assert verdicts(Labels(heads=("gift",)), [impression()], 60 * S) == "gift-"
    assert policy_of(Labels(heads=("gift", "click"))).heads(None) == 0b101


def test_a_deadline_that_moves_up_is_kept() -> None:
    """With a lapse shorter than the click's wait, an entry's deadline lies before the one it replaces."""
    assert verdicts(Labels(lapse_ms=5 * S), CLICKED, 7 * S) == "click+ long_view- gift-"
