"""Negative sampling keeps the share it says, decides alike every time, and the sum of weights stands."""

from collections import Counter

import pytest

from rtrec.events.schema import CLICK
from rtrec.labels.sampling import kept
from rtrec.settings import Labels
from rtrec.stages.label import LabelState, label, tick
from tests.unit.labels.hosted import NAMES
from tests.unit.labels.label_streams import T0, Input, action, impression

S = 1_000
SHOWN: list[Input] = [impression(at, user_id=f"u{at}") for at in range(4_000)]
CLICKS: list[Input] = [action(CLICK, 5 * S + at, user_id=f"u{at}") for at in range(0, 4_000, 10)]


def test_the_share_is_kept() -> None:
    """Within four standard errors, for any head, and nothing at all is left out at 1."""
    for head in range(6):
        for share in (0.05, 0.3, 0.9):
            n = sum(kept(share, f"u{one}", "a", T0 + one, head) for one in range(10_000))
            assert abs(n - 10_000 * share) < 4 * (10_000 * share * (1 - share)) ** 0.5
    assert all(kept(1.0, f"u{one}", "a", T0, 0) for one in range(10_000))


def test_heads_users_anchors_and_times_decide_apart() -> None:
    """Two negatives that differ in one of them are both kept at about the square of the share."""
    base = [kept(0.5, f"u{one}", "a", T0, 0) for one in range(4_000)]
    for other in (
        [kept(0.5, f"u{one}", "a", T0, 1) for one in range(4_000)],
        [kept(0.5, f"u{one}", "a", T0 + 1, 0) for one in range(4_000)],
        [kept(0.5, f"u{one}", "b", T0, 0) for one in range(4_000)],
        [kept(0.5, f"v{one}", "a", T0, 0) for one in range(4_000)],
    ):
        assert 850 < sum(a and b for a, b in zip(base, other, strict=True)) < 1_150


@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_the_negatives_weighs_what_all_do(name: str) -> None:
    """Positives are all told and weigh 1; negatives, fake ones too, weigh 1 / share, and the others are counted."""
    state = LabelState(Labels(policy=name, heads=("click",), negative_share=0.25))  # type: ignore[arg-type]
    examples = label(state, SHOWN + CLICKS)[1] + tick(state, T0 + 9_000 * S)[1]
    weights = Counter(one.label for one in examples for _ in range(int(one.weight)))
    assert {(one.label, one.weight) for one in examples} == {(0, 4.0), (1, 1.0)}
    negatives = 4_000 if name == "fast_slow" else 3_600
    assert weights[1] == 400
    assert abs(weights[0] - negatives) < 4 * (negatives * 3) ** 0.5
    told = state.counts["click/fake_negative" if name == "fast_slow" else "click/negative"]
    assert told + state.counts["click/sampled_out"] == negatives
    assert all(one.fake == (name == "fast_slow") for one in examples if not one.label)


def test_a_replay_decides_alike() -> None:
    """Batches do not matter, and neither does when a deadline fires."""
    policy = Labels(heads=("click",), negative_share=0.25)
    whole, cut = LabelState(policy), LabelState(policy)
    first = label(whole, SHOWN)[1] + tick(whole, T0 + 9_000 * S)[1]
    again = [one for shown in SHOWN for one in label(cut, [shown])[1]]
    for at_ms in range(0, 100 * S, S):
        again += tick(cut, T0 + at_ms)[1]
    assert again == first


def test_what_was_left_out_can_be_a_late_positive() -> None:
    """A negative that was not told was one all the same."""
    out = next(one for one in range(99) if not kept(0.5, f"u{one}", "a", T0, 0))
    state = LabelState(Labels(heads=("click",), negative_share=0.5))
    label(state, [impression(user_id=f"u{out}"), action(CLICK, 70 * S, user_id=f"u{out}")])
    assert (state.counts["click/sampled_out"], state.counts["late_positive"]) == (1, 1)
