"""What the breaker lets out: nothing while it is open, everything afterwards, and never what is no number."""

import msgspec
import numpy as np
import pytest

from rtrec.features.table import DENSE_INDEX
from rtrec.features.vector import N_DENSE, ROW
from rtrec.labels.exposure import Example
from rtrec.learning.weights import ScorerWeights
from rtrec.settings import HEADS, Learner
from rtrec.settings_breaker import Breaker
from rtrec.stages.effects import Writes
from rtrec.stages.learn import LearnState, encode_examples, learn
from rtrec.stages.publishing import Publishing, shown

LEARNER = Learner(slots_log2=12, l1=0.0)
POLICY = Breaker(
    settle_ms=0, reference_examples=500, loss_examples=2_100, label_examples=2_100, calibration_examples=10**9,
    rearm_ms=1_000, dry_ms=5_000, dry_events=10, dry_examples=100,
)  # fmt: skip


def taught(state: LearnState, n: int, seed: int = 0, flipped: bool = False, value: float = 1.0) -> None:
    """Examples of two anchors, one always clicked and one never; or the other way round."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(n, ROW)
    rows["anchor"] = rng.integers(1, 3, n)
    rows["dense"] = rng.uniform(0, 1, (n, N_DENSE))
    rows["dense"][:, DENSE_INDEX["ctr_1h"]] = value
    labels = (rows["anchor"] == (2 if flipped else 1)).astype(int).tolist()
    learn(state, encode_examples([
        Example(HEADS.index("click"), label, 1.0, row.tobytes(), 0, "u", "a", 0, "feed")
        for row, label in zip(rows, labels, strict=True)
    ]))  # fmt: skip


class Pair:
    """A learner and a scorer, with the breaker in between."""

    def __init__(self, policy: Breaker = POLICY) -> None:
        self.learner, self.held = LearnState(["click"], LEARNER), ScorerWeights(1, LEARNER.slots_log2)
        self.publishing, self.now_ms, self.events = Publishing(policy), 0, 0

    def look(self, after_ms: int = 10) -> bool:
        """Whether something was published."""
        self.now_ms += after_ms
        update = self.publishing.update(self.learner, 1, self.now_ms, self.events)
        return update is not None and self.held.apply(update)

    @property
    def same(self) -> bool:
        """Whether the scorer has all of the learner's weights."""
        slots = np.arange(1 << LEARNER.slots_log2)
        weights, bias = self.learner.model.weights_of(slots), self.learner.model.bias()
        return np.array_equal(self.held._weights, weights) and np.array_equal(self.held._bias, bias)

    def rules(self) -> list[str]:
        return [one.rule for one in self.publishing.state.tripped]


@pytest.fixture
def pair() -> Pair:
    """It has learned, and published."""
    pair = Pair()
    for seed in range(6):
        taught(pair.learner, 500, seed)
        assert pair.look()
        assert pair.same
    return pair


def flip(pair: Pair, caplog: pytest.LogCaptureFixture) -> np.ndarray:
    """Labels turn round; the weights that serve from then on."""
    taught(pair.learner, 600, 9, flipped=True)
    served = pair.held._weights.copy()
    assert not pair.look()
    assert "loss_jump" in pair.rules()
    assert "ALARM: breaker: loss_jump of click" in caplog.text
    return served


def test_flipped_labels_stop_publishing_until_the_loss_is_as_before(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """Learning goes on; when it has learned the new world and a while has passed, everything goes out at once."""
    served = flip(pair, caplog)
    looks = 0
    while pair.publishing.open:
        assert looks < 40, pair.publishing.state
        taught(pair.learner, 500, 100 + looks, flipped=True)
        assert not pair.look(600)
        assert np.array_equal(pair.held._weights, served)
        looks += 1
    assert looks > 3
    assert "closed" in caplog.text
    assert pair.look()
    assert pair.same
    assert not np.array_equal(pair.held._weights, served)
    assert caplog.text.count("ALARM: breaker: loss_jump") == 1, "an alarm is said once"


def test_on_command_the_present_is_the_reference(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    flip(pair, caplog)
    since_ms = pair.publishing.state.since_ms
    assert since_ms is not None
    assert not pair.publishing.rearm(pair.learner, since_ms - 1), "a command from before it opened is none"
    assert pair.publishing.open
    assert pair.publishing.rearm(pair.learner, since_ms)
    assert pair.look()
    assert pair.same
    assert not pair.publishing.rearm(pair.learner, since_ms + 1), "it is closed"
    for seed in range(3):
        taught(pair.learner, 100, 50 + seed, flipped=True)
        assert pair.look()
        assert pair.same


def test_a_restart_closes_nothing_and_then_everything_goes_out(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    flip(pair, caplog)
    stored, (policy, image, progress) = pair.publishing.encode(), pair.learner.stored()
    pair.learner, pair.publishing = LearnState(["click"], LEARNER), Publishing(POLICY, stored)
    pair.learner.restore(policy, image, progress, 3_600)
    assert not pair.look()
    assert shown(pair.publishing.encode())["open"]
    assert pair.publishing.rearm(pair.learner, pair.now_ms)
    taught(pair.learner, 10, flipped=True)
    assert pair.look()
    assert pair.same


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_neither_published_nor_stored(pair: Pair, value: float) -> None:
    """A restart, and a command with it, go back to the last weights that were numbers."""
    store: dict[str, bytes | None] = {}

    def keep() -> None:
        writes = Writes()
        pair.learner.write(writes, figures=True)
        store.update(writes.puts)

    keep()
    assert pair.learner.sound()
    before = b"".join(pair.learner.model.canonical())
    taught(pair.learner, 1, value=value)
    kept = dict(store)
    keep()
    assert (store, pair.learner.sound()) == (kept, False)
    assert not pair.look()
    assert "non_finite" in pair.rules()
    for _ in range(5):
        taught(pair.learner, 10)
        assert not pair.look(10_000), "it does not pass by itself"
    assert np.isfinite(pair.held._weights).all()
    again = LearnState(["click"], LEARNER)
    again.load((key, data) for key, data in store.items() if data is not None)
    assert (again.sound(), b"".join(again.model.canonical())) == (True, before)
    pair.learner = again
    assert pair.publishing.rearm(again, pair.now_ms)
    taught(again, 10)
    assert pair.look()
    assert pair.same


def test_a_dry_stream_is_an_alarm_until_examples_come_again(pair: Pair) -> None:
    pair.events += 9
    pair.look(5_000)
    assert not pair.publishing.open, "a quiet night is not dry"
    pair.events += 1
    pair.look()
    assert pair.rules() == ["dry_stream"]
    taught(pair.learner, 10)
    pair.look()
    assert pair.publishing.open
    pair.look(1_000)
    assert not pair.publishing.open
    assert pair.look()
    assert pair.same


def test_until_the_learner_has_settled_nothing_is_measured_and_nothing_enters_the_reference() -> None:
    """Labels may turn round: positives come first, negatives a minute later."""
    pair = Pair(msgspec.structs.replace(POLICY, settle_ms=1_000))
    for seed in range(6):
        taught(pair.learner, 500, seed)
        assert pair.look()
    taught(pair.learner, 600, 9, flipped=True)
    assert pair.look(), "60 ms after the first"
    begun_ms = pair.publishing.state.begun_ms
    assert begun_ms == 10
    for seed in range(6):
        taught(pair.learner, 500, seed, flipped=True)
        assert pair.look(930 if seed == 0 else 10)
    assert pair.learner.progress.recent[0].reference.examples == 500


def test_nothing_to_publish_is_nothing(pair: Pair) -> None:
    assert not pair.look()
    assert not pair.publishing.open
