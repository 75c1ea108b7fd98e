from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.features.vector import N_DENSE, ROW, make_rows, vectors
from rtrec.labels.exposure import Example
from rtrec.learning.weights import ScorerWeights
from rtrec.settings import HEADS, Features, Learner
from rtrec.stages.effects import Writes
from rtrec.stages.learn import FIGURES_EVERY, ExampleChunk, LearnState, canonical, encode_examples, learn

POLICY = Learner(slots_log2=12, l1=0.01)
CONFIGURED = ("click", "gift")
AT = 1_712_345_678_901


def example(seed: int, head: str = "click", position: int | None = None) -> Example:
    """An example of one of few users and anchors, so that slots are met again."""
    random = np.random.default_rng(seed)
    user, anchor = f"u{random.integers(5)}", f"a{random.integers(9)}"
    dense = random.uniform(0, 3, (1, N_DENSE)).astype(np.float32)
    row = make_rows(Features(), AT + seed * 60_000, user, [anchor], ["dance"], "feed", dense, [[]]).tobytes()
    return Example(HEADS.index(head), int(random.integers(2)), 1.0, row, AT, user, anchor, position, "feed")


def fresh(heads: Sequence[str] = CONFIGURED, policy: Learner = POLICY) -> LearnState:
    return LearnState(heads, policy)


class Host:
    """A learner with a store of plain bytes."""

    def __init__(self) -> None:
        self.store: dict[str, bytes] = {}
        self.state = fresh()

    def turn(self, examples: Sequence[Example], *, figures: bool = False) -> None:
        if examples:
            learn(self.state, encode_examples(examples))
        writes = Writes()
        self.state.write(writes, figures=figures)
        for key, value in writes.puts.items():
            if value is None:
                self.store.pop(key, None)
            else:
                self.store[key] = value

    def take_over(self) -> None:
        self.state = fresh()
        self.state.load(self.store.items())

    def images(self) -> list[str]:
        return [key for key in self.store if key.startswith("w/")]


def bits(state: LearnState) -> bytes:
    return b"".join(canonical(state))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=25), st.data())
def test_weights_are_the_logs_bit_for_bit_however_it_was_cut(sizes: list[int], data: st.DataObject) -> None:
    """Many turns with take-overs between them end where one pass in one turn ends."""
    examples = [example(k, data.draw(st.sampled_from(HEADS))) for k in range(sum(sizes))]
    cut, at = Host(), 0
    for size in sizes:
        cut.turn(examples[at : at + size])
        at += size
        if data.draw(st.booleans()):
            cut.take_over()
    whole = Host()
    whole.turn(examples)
    assert bits(cut.state) == bits(whole.state)
    cut.take_over()
    assert bits(cut.state) == bits(whole.state)
    assert cut.state.examples == whole.state.examples


def test_images_are_few() -> None:
    """At most log2(slots) of them after any number of turns: neighbours are merged."""
    host = Host()
    for k in range(300):
        host.turn([example(k)])
        assert len(host.images()) <= POLICY.slots_log2
    numbers = [int(key.removeprefix("w/"), base=16) for key in host.images()]
    assert max(numbers) == 299


def test_a_turn_without_examples_writes_nothing() -> None:
    host = Host()
    host.turn([])
    assert host.store == {}
    host.turn([example(1)])
    before = dict(host.store)
    host.turn([])
    assert host.store == before


def test_heads_that_are_not_configured_are_counted_and_change_nothing() -> None:
    one, other = fresh(), fresh()
    mixed = [example(k, head) for k, head in enumerate(["click", "share", "gift", "follow", "click"])]
    effects = learn(one, encode_examples(mixed))
    learn(other, encode_examples([e for e in mixed if HEADS[e.head] in CONFIGURED]))
    assert dict(effects.counts) == {"click": 2, "gift": 1, "masked": 2}
    assert bits(one) == bits(other)
    assert one.examples == 3


def test_nothing_but_masked_heads_is_a_turn_of_nothing() -> None:
    state, writes = fresh(), Writes()
    assert learn(state, encode_examples([example(1, "share")])).counts["masked"] == 1
    state.write(writes)
    assert writes.puts == {}


@pytest.mark.parametrize(
    "other",
    [
        lambda: fresh(("gift", "click")),
        lambda: fresh(("click",)),
        lambda: fresh(policy=Learner(slots_log2=12, l1=0.02)),
        lambda: fresh(policy=Learner(slots_log2=13, l1=0.01)),
        lambda: fresh(policy=Learner(slots_log2=12, l1=0.01, alpha=0.2)),
    ],
)
def test_weights_learned_otherwise_are_refused_with_what_to_do(other: Any) -> None:
    host = Host()
    host.turn([example(1)])
    with pytest.raises(
        ValueError, match=r"learner: these weights were learned with .* set it back, or use a new folder"
    ):
        other().load(host.store.items())


def test_another_format_of_examples_is_refused_with_what_to_do() -> None:
    stored = msgspec.msgpack.decode(encode_examples([example(1)]), type=ExampleChunk)
    with pytest.raises(ValueError, match="examples: written in format 2, this rtrec reads 1; use a newer rtrec"):
        learn(fresh(), msgspec.msgpack.encode(msgspec.structs.replace(stored, format=2)))


def test_figures_are_stored_when_asked_and_every_few_thousand_examples() -> None:
    """Figures are no state: a kill may lose the newest, never a weight."""
    host = Host()
    host.turn([example(1)])
    assert "progress" not in host.store
    host.turn([example(2)], figures=True)
    assert "progress" in host.store
    del host.store["progress"]
    host.turn([example(3)] * FIGURES_EVERY)
    host.turn([])
    assert "progress" in host.store
    host.take_over()
    assert host.state.progress.encode() == host.store["progress"]


def test_every_example_is_predicted_before_it_is_learned() -> None:
    """An unlearned model says 1/2: the first example's logloss is ln 2, not what is known afterwards."""
    state = fresh()
    learn(state, encode_examples([example(4)]))
    assert state.progress.report()["heads"]["click"]["online"]["logloss"] == pytest.approx(np.log(2))


def test_scorers_follow_by_publications_and_start_from_an_image() -> None:
    """Every touched slot is published once; one who applied all and one who starts now score alike."""
    state, follower = fresh(), ScorerWeights(len(CONFIGURED), POLICY.slots_log2)
    assert state.publish(epoch=1) is None
    for k in range(5):
        learn(state, encode_examples([example(10 * k + j) for j in range(10)]))
        update = state.publish(epoch=1)
        assert update is not None
        assert (update.epoch, update.offset) == (1, state.examples)
        assert follower.apply(update)
        assert not follower.apply(update)
    assert state.publish(epoch=1) is None
    starter = ScorerWeights(len(CONFIGURED), POLICY.slots_log2)
    assert starter.apply(state.image(epoch=2))
    rows = np.frombuffer(b"".join(example(k).row for k in range(30)), ROW)
    index, value = vectors(rows, None, POLICY.slots_log2)
    assert starter.logits(index, value).tolist() == follower.logits(index, value).tolist()


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_days_begin_with_examples_wherever_messages_end(hours: list[int], cuts: list[int]) -> None:
    """Slots wait and are forgotten alike in one message and in many."""
    policy = Learner(slots_log2=12, l1=0.01, admit_examples=2, expire_days=2)
    examples = [msgspec.structs.replace(example(k), ts_ms=AT + 3_600_000 * hour) for k, hour in enumerate(hours)]
    whole, cut = fresh(policy=policy), fresh(policy=policy)
    learn(whole, encode_examples(examples))
    for first, end in pairwise([0, *sorted(min(one, len(examples)) for one in cuts), len(examples)]):
        if first < end:
            learn(cut, encode_examples(examples[first:end]))
    assert bits(cut) == bits(whole)
    assert cut.model.expired == whole.model.expired


def test_weights_of_before_admission_existed_are_taken_as_admitted_at_once() -> None:
    """A folder that an older rtrec made goes on under the default, and is refused under another."""
    host = Host()
    host.turn([example(1)])
    kept = msgspec.msgpack.decode(host.store["policy"])
    del kept["admit_examples"]
    host.store["policy"] = msgspec.msgpack.encode(kept)
    host.take_over()
    with pytest.raises(ValueError, match="set it back"):
        fresh(policy=msgspec.structs.replace(POLICY, admit_examples=2)).load(host.store.items())
