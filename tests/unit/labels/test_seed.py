"""seed: exit_first, but for views that are neither short nor long."""

import pytest

from rtrec.events.schema import CLICK, VIEW_END, VIEW_HEARTBEAT, VIEW_START
from rtrec.settings import Labels
from tests.unit.labels.label_streams import Input, action, impression
from tests.unit.labels.verdicts import counted, verdicts

SEED = Labels(policy="seed", heads=("click", "long_view", "gift"))
S = 1_000
VIEWING = [impression(), action(CLICK, 2 * S), action(VIEW_START, 3 * S)]


def left(watched_ms: int) -> list[Input]:
    return [*VIEWING, action(VIEW_END, 40 * S, watch_ms=watched_ms)]


CASES = {
    "no click is a negative of all": ([impression()], 60 * S, "click- long_view- gift-"),
    "without an entry nothing is masked": ([impression(), action(VIEW_HEARTBEAT, 9 * S, watch_ms=9 * S)], 60 * S,
                                           "click- long_view- gift-"),
    "2 s are short": (left(2 * S), 0, "click+ long_view- gift-"),
    "more is masked": (left(2 * S + 1), 0, "click+ gift-"),
    "so is less than 30 s": (left(30 * S - 1), 0, "click+ gift-"),
    "30 s are long": (left(30 * S), 0, "click+ long_view+ gift-"),
    "a lapse judges as leaving does": ([*VIEWING, action(VIEW_HEARTBEAT, 13 * S, watch_ms=10 * S)], 103 * S,
                                       "click+ gift-"),
    "nothing is masked while the view goes on": (
        [*VIEWING, action(VIEW_HEARTBEAT, 13 * S, watch_ms=10 * S), action(VIEW_HEARTBEAT, 33 * S, watch_ms=20 * S)], 0,
        "click+ long_view+"),
}  # fmt: skip


@pytest.mark.parametrize(("inputs", "until_ms", "expected"), CASES.values(), ids=CASES.keys())
def test_seed_decides(inputs: list[Input], until_ms: int, expected: str) -> None:
    """Each rule gives the labels it says, when it says."""
    assert verdicts(SEED, inputs, until_ms) == expected


def test_what_is_masked_is_counted() -> None:
    """A view in between ends as `long_view/masked`, and 30 s reached later are no late positive."""
    more = [*left(10 * S), action(VIEW_HEARTBEAT, 41 * S, watch_ms=20 * S)]
    assert counted(SEED, more, 60 * S) == {"click/positive": 1, "long_view/masked": 1, "gift/negative": 1, "joined": 4}


def test_with_the_thresholds_together_nothing_is_masked() -> None:
    """short_view_ms at long_view_ms leaves nothing in between: exit_first."""
    together = Labels(policy="seed", heads=SEED.heads, short_view_ms=30 * S)
    assert verdicts(together, left(29 * S)) == "click+ long_view- gift-"
