"""LABEL against a brute-force oracle, under any cut into micro-batches, and its coverage of a shaken stream."""

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rtrec.events.schema import COMMENT, GIFT, SHARE, VIEW_END, VIEW_HEARTBEAT, VIEW_START
from rtrec.labels import pending
from rtrec.labels.exposure import VIEWS, Example
from rtrec.settings import HEADS, Labels
from rtrec.stages.label import LabelState, canonical, label, tick
from tests.unit.labels.brute import Brute
from tests.unit.labels.hosted import NAMES, numbers, run, streams
from tests.unit.labels.label_streams import T0, Input, Step, action, impression, shaken_crowd


def as_tuples(examples: list[Example]) -> list[tuple[Any, ...]]:
    return [msgspec.structs.astuple(one) for one in examples]


@pytest.mark.parametrize("name", NAMES)
@given(numbers, streams)
@settings(max_examples=80, deadline=None)
def test_the_join_equals_a_brute_force_oracle(name: str, of: Labels, stream: list[Step]) -> None:
    """The same examples in the same order and the same counts, bounds, erasures and reordering included."""
    policy = replace(of, policy=name)
    brute = Brute(policy)
    for what, value in stream:
        if what == "event":
            brute.meet(*value)
        elif what == "scored":
            brute.score(value)
        elif what == "tick":
            brute.tick(value[1])
        else:
            brute.erase(*value)
    host = run(policy, stream, set())
    assert as_tuples(host.examples) == brute.examples
    assert +host.counts == +brute.counts


@pytest.mark.parametrize("name", NAMES)
@given(numbers, streams, st.sets(st.integers(0, 120), max_size=20))
@settings(max_examples=50, deadline=None)
def test_batch_boundaries_and_restarts_leave_no_trace(
    name: str, of: Labels, stream: list[Step], cuts: set[int]
) -> None:
    """However a stream is cut, and wherever the state is stored and loaded, examples and stored bytes are equal."""
    policy = replace(of, policy=name)
    whole, cut, single = run(policy, stream, set()), run(policy, stream, cuts), run(policy, stream, None)
    assert cut.examples == whole.examples == single.examples
    assert list(canonical(cut.items.items())) == list(canonical(whole.items.items()))
    assert list(canonical(single.items.items())) == list(canonical(whole.items.items()))


@pytest.mark.parametrize("name", NAMES)
@given(numbers, streams)
@settings(max_examples=25, deadline=None)
def test_hints_made_anew_leave_no_trace(name: str, of: Labels, stream: list[Step]) -> None:
    """When a heap of hints is made anew changes neither what fires nor in which order."""
    policy = replace(of, policy=name)
    seldom = run(policy, stream, set())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pending, "SPARE_HINTS", 0)
        often = run(policy, stream, set())
    assert (often.examples, often.counts, often.items) == (seldom.examples, seldom.counts, seldom.items)


within = st.builds(
    lambda kind, at_ms, watch_ms: action(kind, at_ms, **({"watch_ms": watch_ms} if kind in VIEWS else {})),
    st.sampled_from([VIEW_HEARTBEAT, GIFT, COMMENT, SHARE]), st.integers(1_000, 19_000), st.sampled_from([0, 15_000]),
)  # fmt: skip
"""What may follow an entry before any deadline."""


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(within, max_size=8), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_before_any_deadline_the_order_of_arrival_does_not_matter(
    name: str, after: list[Input], left: bool, of: Random
) -> None:
    """An impression and its actions give the same examples in every order; but a view's end ends exit_first's wait."""
    policy = Labels(policy=name, heads=HEADS, long_view_ms=30_000)  # type: ignore[arg-type]  # a name of the four
    inputs = [impression(), action(VIEW_START, 1_000), *after]
    if left and name in ("fixed_window", "fast_slow"):
        inputs.append(action(VIEW_END, 19_500, watch_ms=15_000))
    shuffled = of.sample(inputs, len(inputs))
    in_order, in_disorder = (
        run(policy, [*(("event", one) for one in some), ("tick", ("u", T0 + 9_000_000))], None)
        for some in (sorted(inputs, key=lambda one: one[0].ts_ms), shuffled)
    )
    assert sorted(as_tuples(in_order.examples)) == sorted(as_tuples(in_disorder.examples))


def test_nearly_all_actions_are_joined_though_one_percent_is_lost_and_five_reordered() -> None:
    """At least 99 % of the actions whose impression arrived are joined; what is not is counted."""
    crowd = shaken_crowd(20_000, seed=11, lost=0.01, reordered=0.05, by_ms=30_000)
    state = LabelState(Labels())
    counts: Counter[str] = Counter()
    for first in range(0, len(crowd.inputs), 500):
        counts.update(label(state, crowd.inputs[first : first + 500])[0].counts)
    effects, _ = tick(state, crowd.inputs[-1][0].ts_ms + 3_600_000)
    counts.update(effects.counts)
    assert crowd.joinable > 15_000
    assert 0.99 <= counts["joined"] / crowd.joinable <= 1
    arrived = sum(one.type == 3 for one, _ in crowd.inputs)
    actions = len(crowd.inputs) - arrived
    assert counts["joined"] + counts["orphaned"] == actions
    for head in ("click", "long_view", "gift"):
        assert counts[f"{head}/positive"] + counts[f"{head}/negative"] == arrived
