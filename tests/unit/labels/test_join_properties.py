"""LABEL against a brute-force oracle, under any cut into micro-batches, and its coverage of a shaken stream."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.labels.exposure import Example
from rtrec.settings import HEADS, Labels
from rtrec.stages.control import ERASED_AHEAD_MS
from rtrec.stages.label import LabelState, canonical, erase, label, scored, tick
from tests.unit.labels.brute import Brute
from tests.unit.labels.label_streams import Step, random_steps, shaken_crowd

NAMES = ("exit_first", "seed", "fixed_window", "fast_slow")
policies = st.builds(
    Labels,
    policy=st.sampled_from(NAMES),
    heads=st.lists(st.sampled_from(HEADS), min_size=1, unique=True).map(tuple),
    click_wait_ms=st.sampled_from([3_000, 30_000, 90_000]),
    long_view_ms=st.just(3_000),
    short_view_ms=st.just(1_000),
    window_ms=st.sampled_from([2_000, 30_000, 300_000]),
    fast_ms=st.sampled_from([0, 3_000, 300_000]),
    negative_share=st.sampled_from([1.0, 1.0, 0.5]),
    lapse_ms=st.sampled_from([2_000, 20_000]),
    horizon_ms=st.sampled_from([20_000, 200_000]),
    auto_surfaces=st.just(("push",)),
    pending_per_user=st.sampled_from([1, 4, 40]),
    pending_total=st.sampled_from([1, 6, 60]),
)
streams = st.integers(0, 2**32).map(random_steps)


class Host:
    """A stage host that keeps what effects write, and may start anew from it between turns."""

    def __init__(self, policy: Labels) -> None:
        self.policy = policy
        self.items: dict[str, bytes] = {}
        self.state = LabelState(policy)
        self.examples: list[Example] = []
        self.counts: Counter[str] = Counter()

    def turn(self, what: str, inputs: list[Any]) -> None:
        if what == "event":
            self._keep(label(self.state, inputs))
        elif what == "scored":
            self._keep(scored(self.state, inputs))
        for user_id, at_ms in inputs if what in ("tick", "erase") else ():
            erased_ms = at_ms - ERASED_AHEAD_MS
            self._keep(tick(self.state, at_ms) if what == "tick" else erase(self.state, user_id, erased_ms))

    def _keep(self, done: tuple[Any, list[Example]]) -> None:
        effects, examples = done
        for key, value in effects.writes.puts.items():
            if value is None:
                del self.items[key]
            else:
                self.items[key] = value
        self.examples += examples
        self.counts.update(effects.counts)

    def restart(self) -> None:
        self.state = LabelState(self.policy)
        self.state.load(reversed(self.items.items()))


def run(policy: Labels, stream: list[Step], cuts: set[int] | None) -> Host:
    """Feed a stream: at each cut a turn ends and the host restarts; with None each input is a turn of its own."""
    host = Host(policy)
    batch: list[Any] = []
    for place, (what, value) in enumerate(stream):
        batch.append(value)
        last = place + 1 == len(stream) or stream[place + 1][0] != what
        if last or cuts is None or place in cuts:
            host.turn(what, batch)
            batch = []
        if cuts and place in cuts:
            host.restart()
    return host


def as_tuples(examples: list[Example]) -> list[tuple[Any, ...]]:
    return [msgspec.structs.astuple(one) for one in examples]


@given(policies, streams)
@settings(max_examples=400, deadline=None)
def test_the_join_equals_a_brute_force_oracle(policy: Labels, stream: list[Step]) -> None:
    """The same examples in the same order and the same counts, bounds, erasures and reordering included."""
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


@given(policies, streams, st.sets(st.integers(0, 120), max_size=20))
@settings(max_examples=200, deadline=None)
def test_batch_boundaries_and_restarts_leave_no_trace(policy: Labels, stream: list[Step], cuts: set[int]) -> None:
    """However a stream is cut, and wherever the state is stored and loaded, examples and stored bytes are equal."""
    whole, cut, single = run(policy, stream, set()), run(policy, stream, cuts), run(policy, stream, None)
    assert cut.examples == whole.examples == single.examples
    assert list(canonical(cut.items.items())) == list(canonical(whole.items.items()))
    assert list(canonical(single.items.items())) == list(canonical(whole.items.items()))


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
