"""fast_slow, rule by rule: one fake negative early, and the positive whenever it comes."""

import pytest

from rtrec.events.schema import CLICK, GIFT, VIEW_END, VIEW_HEARTBEAT, VIEW_START
from rtrec.labels.exposure import ScoredRow
from rtrec.labels.join import Join
from rtrec.settings import Labels
from rtrec.stages.label import LabelState, label, tick
from tests.unit.labels.label_streams import T0, Input, action, impression
from tests.unit.labels.verdicts import counted, verdicts

S = 1_000
FAST = Labels(policy="fast_slow", heads=("click", "long_view", "gift"), fast_ms=10 * S, auto_surfaces=("push",))
FAKES = "click~ long_view~ gift~"
VIEWING = [impression(), action(VIEW_START, 3 * S)]
GIVEN = action(GIFT, 1_500 * S, value=1)
CASES = {
    "nothing before it is early": ([impression()], 10 * S - 1, ""),
    "every head is told early": ([impression()], 10 * S, FAKES),
    "and never again": ([impression()], 9_000 * S, FAKES),
    "a positive that is sooner brings its own": (VIEWING, 0, "click~ click+"),
    "the others are told in time": (VIEWING, 10 * S, "click~ click+ long_view~ gift~"),
    "a late click is told again": ([impression(), action(CLICK, 900 * S)], 9_000 * S, f"{FAKES} click+"),
    "until the horizon": ([impression(), action(CLICK, 1_800 * S - 1)], 0, f"{FAKES} click+"),
    "at the horizon it is nobody's": ([impression(), action(CLICK, 1_800 * S)], 9_000 * S, FAKES),
    "the horizon counts anew from the entry": ([*VIEWING, action(GIFT, 1_803 * S - 1, value=1)], 0,
                                               "click~ click+ long_view~ gift~ gift+"),
    "leaving ends nothing": ([*VIEWING, action(VIEW_END, 5 * S, watch_ms=S), GIVEN], 0,
                             "click~ click+ long_view~ gift~ gift+"),
    "the second gift adds nothing": ([*VIEWING, GIVEN, action(GIFT, 1_600 * S, value=1)], 0,
                                     "click~ click+ long_view~ gift~ gift+"),
    "a gift without an entry is none": ([impression(), GIVEN], 1_900 * S, FAKES),
    "but with one that comes later": (
        [impression(), GIVEN, action(CLICK, 1_400 * S)], 0, f"{FAKES} click+ gift+"),
    "watching adds up over the horizon": (
        [*VIEWING, *[action(VIEW_HEARTBEAT, at * S, watch_ms=15 * S) for at in (20, 500)]], 0,
        "click~ click+ long_view~ gift~ long_view+"),
    "click is masked where the surface enters": ([impression(surface="push"), action(VIEW_START, S)], 10 * S,
                                                 "long_view~ gift~"),
    "an impression that its action overtook": ([action(CLICK, 20 * S), impression()], 0, f"{FAKES} click+"),
    "one whose horizon its action overtook": ([action(CLICK, 1_801 * S), impression()], 0, FAKES),
}  # fmt: skip


@pytest.mark.parametrize(("inputs", "until_ms", "expected"), CASES.values(), ids=CASES.keys())
def test_fast_slow_decides(inputs: list[Input], until_ms: int, expected: str) -> None:
    """Each rule gives the labels it says, when it says."""
    assert verdicts(FAST, inputs, until_ms) == expected


def test_what_did_not_come_expires() -> None:
    """Each head ends once, as positive or expired; its fake negative stands beside."""
    assert counted(FAST, [impression(), action(CLICK, 20 * S)], 9_000 * S) == {
        "click/positive": 1, "long_view/expired": 1, "gift/expired": 1, "joined": 1,
        "click/fake_negative": 1, "long_view/fake_negative": 1, "gift/fake_negative": 1,
    }  # fmt: skip


def test_fast_ms_beyond_the_horizon_is_the_horizon() -> None:
    """No impression leaves without its fake negative."""
    assert verdicts(Labels(policy="fast_slow", heads=("click",), fast_ms=9_000 * S), [impression()], 1_800 * S) == (
        "click~"
    )


def test_positives_weigh_as_much_as_what_is_left_of_the_fakes() -> None:
    """Both weigh 1: the learner multiplies the fake one by 1 − p."""
    _, examples = label(LabelState(FAST), VIEWING)
    assert [(one.label, one.fake, one.weight) for one in examples] == [(0, True, 1.0), (1, False, 1.0)]


def test_fake_negative_and_positive_have_one_row() -> None:
    """A logged row is preferred until the fake negative is told by the one there is; heads told later take it."""
    join = Join(Labels(policy="fast_slow", heads=("click", "gift")))
    join.meet([impression(request_id="r"), action(VIEW_START, S)])
    join.scored(ScoredRow("u", "r", "a", T0, b"logged"))
    join.advance(T0 + 10 * S)
    join.scored(ScoredRow("u", "r", "a", T0, b"again"))
    join.meet([action(GIFT, 20 * S, value=1)])
    assert [(one.head, one.label, one.row) for one in join.examples] == [
        (0, 0, b"shadow"), (0, 1, b"shadow"), (2, 0, b"logged"), (2, 1, b"logged"),
    ]  # fmt: skip


def test_without_features_nothing_is_told_early_or_late() -> None:
    """The first verdict gives the impression up, its fake negative too."""
    assert counted(FAST, [impression(row=None), action(CLICK, 20 * S)], 9_000 * S) == {
        "no_features": 1, "click/no_features": 1, "long_view/no_features": 1, "gift/no_features": 1, "joined": 1,
    }  # fmt: skip


def test_what_waits_for_its_positive_survives_a_reload() -> None:
    """After a restart the fake negative is not told again, and the positive is."""
    state = LabelState(FAST)
    items = dict(label(state, [impression()])[0].writes.puts)
    items.update(tick(state, T0 + 10 * S)[0].writes.puts)
    again = LabelState(FAST)
    again.load((key, value) for key, value in items.items() if value is not None)
    assert tick(again, T0 + 20 * S)[1] == []
    _, examples = label(again, [action(CLICK, 30 * S)])
    assert [(one.head, one.label) for one in examples] == [(0, 1)]


def test_a_gift_given_back_is_counted_where_it_was_a_positive() -> None:
    """Long after the view: the tombstone, or what is still open, remembers."""
    back = action(GIFT, 1_500 * S, value=1, reversal=True)
    assert counted(FAST, [*VIEWING, GIVEN, back], 1_600 * S)["reversed"] == 1


def test_another_policy_goes_on_where_fast_slow_stood() -> None:
    """What was told early gets no second negative when the configuration changes; positives still count."""
    state = LabelState(FAST)
    items = dict(label(state, [impression(), impression(anchor_id="b")])[0].writes.puts)
    items.update(tick(state, T0 + 10 * S)[0].writes.puts)
    again = LabelState(Labels(policy="exit_first", heads=FAST.heads))
    again.load((key, value) for key, value in items.items() if value is not None)
    _, examples = label(again, [action(CLICK, 30 * S)])
    examples += tick(again, T0 + 9_000 * S)[1]
    assert [(one.head, one.label) for one in examples] == [(0, 1)]
    assert (again.counts["click/expired"], again.counts["gift/expired"]) == (1, 2)
