"""Stage by stage over topics, or embedded in one process: the same state, byte for byte."""

from collections.abc import Sequence

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.ports import Owner
from rtrec.stages import learn
from rtrec.stages.hops.label import EXAMPLES
from tests.unit.stages.hops.chain import EVENTS, Calm, Chain
from tests.unit.stages.hops.embedded import (
    Embedded,
    embedded,
    joined_examples,
    letters_of,
    parts_of,
    positions_of,
    taken_examples,
)
from tests.unit.stages.hops.learner import Learner, scorer_of
from tests.unit.stages.hops.scripts import Segment, script, settings

FEWER = hypothesis.settings(max_examples=hypothesis.settings().max_examples // 5)
SIZES = st.lists(st.sampled_from([1, 4, 11, 40]), min_size=2, max_size=4)
HEADS = ("click", "long_view", "gift")
STAGES = ("ingest", "heat", "profile", "label")


def drained(segments: Sequence[Segment], sizes: Sequence[int]) -> tuple[Chain, Learner]:
    """A chain that took everything, each segment in micro-batches of these sizes before the next one came."""
    chain = Chain(settings(1))
    calm, learner = Calm(chain, sizes), Learner(chain, {})
    for topic, values in segments:
        chain.send(topic, values)
        calm.drain()
        for size in sizes:
            list(learner.turn(size))
    list(learner.turn(10_000))
    return chain, learner


def check(chain: Chain, learner: Learner, run: Embedded) -> None:
    """Everything that is kept and everything that went out."""
    ours, theirs = parts_of(chain, learned=learner.hop.state), run.parts()
    assert ours.keys() == theirs.keys()
    for part in theirs:
        assert ours[part] == theirs[part], part
    assert letters_of(chain) == sorted(run.letters)
    assert joined_examples(taken_examples(chain)) == joined_examples(run.examples)
    assert learner.hop.state.examples == run.journey.learn.examples


@FEWER
@given(st.integers(0, 50), SIZES, st.sampled_from([1, 13, 1_000]))
def test_events_leave_what_they_leave_embedded(seed: int, sizes: list[int], size: int) -> None:
    """Anchors, users, dedupe, ledger, labels, weights, dead letters: however either was cut into micro-batches."""
    segments = script(seed, 90, sides=False)
    chain, learner = drained(segments, sizes)
    check(chain, learner, embedded(chain, segments, size))


@FEWER
@given(st.integers(0, 50), SIZES, st.sampled_from([1, 13, 1_000]))
def test_so_do_erasures_logged_rows_and_ticks_between_them(seed: int, sizes: list[int], size: int) -> None:
    segments = script(seed, 90, sides=True)
    chain, learner = drained(segments, sizes)
    check(chain, learner, embedded(chain, segments, size))


@pytest.mark.parametrize("seed", range(5))
def test_micro_batches_that_agree_leave_the_same_messages_of_examples(seed: int) -> None:
    """All topics at once in one turn of each stage: control before rows before events before ticks, as embedded."""
    chain, run, offset = Chain(settings(1)), Embedded(settings(1)), 0
    calm, learner = Calm(chain), Learner(chain, {})
    segments = script(seed, 200, sides=True)
    for first in range(0, len(segments), 4):
        merged: dict[str, list[bytes]] = {}
        for topic, values in segments[first : first + 4]:
            merged.setdefault(topic, []).extend(values)
        for topic, values in merged.items():
            chain.send(topic, values)
        for stage in STAGES:
            calm.turn(Owner(stage, 0))
        list(learner.turn(1_000))
        events = chain.topics[EVENTS, 0][offset:]
        positions = positions_of(chain, 0)
        placed = [record._replace(offset=positions.get(f"events:0:{record.offset}", 0)) for record in events]
        run.turn(placed, [Segment(topic, values) for topic, values in merged.items() if topic != EVENTS])
        offset += len(events)
    check(chain, learner, run)
    assert [record.value for record in chain.topics[EXAMPLES, 0]] == run.examples


def test_the_scripts_hold_what_these_tests_are_about() -> None:
    """Examples of both labels and every head, refusals of both stages, erasures that took something."""
    chain, learner = drained(script(3, 400, sides=True), [1_000])
    counts = embedded(chain, script(3, 400, sides=True)).journey.label.counts
    assert learner.hop.state.examples > 200
    assert all(counts[f"{head}/{label}"] for head in HEADS for label in ("positive", "negative"))
    assert counts["erased"] > 5
    reasons = {reason.split(":")[1] for reason, _ in letters_of(chain)}
    assert reasons >= {" too_late, more than 25 h before the partition's newest event", " missing"}
    assert any("unknown_reversal" in reason for reason in reasons)


def test_a_scorer_that_follows_ends_at_the_learners_weights() -> None:
    chain, learner = drained(script(1, 300, sides=True), [3, 8])
    state = learner.hop.state
    image, held = state.image(epoch=99), scorer_of(chain)
    assert held.version == (1, state.examples)
    assert (held._weights[image.slots] == image.weights).all()
    assert held._bias.tolist() == image.bias.tolist()
    assert list(learn.canonical(state))
