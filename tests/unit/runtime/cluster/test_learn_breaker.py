"""The learner's breaker on a cluster: nothing goes out while it is open, everybody sees it, and a command closes it."""

import asyncio
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.features.table import DENSE_INDEX
from rtrec.features.vector import N_DENSE, ROW
from rtrec.labels.exposure import Example
from rtrec.learning.weights import ScorerWeights
from rtrec.learning.weights_wire import Arriving
from rtrec.ports import Owner, Record
from rtrec.runtime.cluster.learn_worker import BREAKER, OWNER, LearnWorker
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.settings import HEADS, Learner, Settings
from rtrec.settings_breaker import Breaker
from rtrec.settings_cluster import Registry
from rtrec.stages import control, learn
from rtrec.stages.effects import Writes
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.hops.learn import LearnHop
from rtrec.stages.hops.profile import CONTROL, PROFILED
from rtrec.stages.publishing import shown
from tests.unit.runtime.cluster.examples import message
from tests.unit.runtime.cluster.rig import Rig

CLICK = HEADS.index("click")
FLIPPED = 24
"""Messages of 100 examples before labels turn round."""


@pytest.fixture
def learner(rig: Rig, tmp_path: Path) -> Rig:
    """Publishes at every look; a breaker that looks at one head's loss alone, and at dry streams."""
    rig.settings = Settings(
        learner=Learner(slots_log2=12, publish_ms=0),
        registry=Registry(url=str(tmp_path / "registry"), snapshot_ms=3_600_000),
        breaker=Breaker(
            settle_ms=0, reference_examples=200, loss_examples=2_100, label_examples=10**9,
            calibration_examples=10**9, dry_ms=0, dry_events=7, dry_examples=100, rearm_ms=3_600_000,
        ),
    )  # fmt: skip
    return rig


def taught(first: int, end: int, value: float = 1.0) -> list[Record]:
    """Messages of two anchors, one always clicked and one never, until labels turn round."""
    return [message(n, 0, n, examples(n, value)) for n in range(first, end)]


def examples(n: int, value: float) -> list[Example]:
    rng = np.random.default_rng(n)
    rows = np.zeros(100, ROW)
    rows["anchor"] = rng.integers(1, 3, 100)
    rows["dense"] = rng.uniform(0, 1, (100, N_DENSE))
    rows["dense"][:, DENSE_INDEX["ctr_1h"]] = value
    labels = (rows["anchor"] == (1 if n < FLIPPED else 2)).astype(int).tolist()
    return [Example(CLICK, label, 1.0, row.tobytes(), 0, "u", "a", 0, "feed")
            for row, label in zip(rows, labels, strict=True)]  # fmt: skip


class Watched:
    """A worker between a log and a scorer."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.snapshots = rig, Snapshots(rig.settings.registry)

    async def taken(self, begins: int = 0) -> "Watched":
        self.worker = LearnWorker(begins, 0, self.snapshots, self.rig.io)
        await self.worker.take_over()
        return self

    async def learned(self, first: int, end: int, value: float = 1.0) -> None:
        """Message by message, with a look after each."""
        for record in taught(first, end, value):
            await self.worker.turn([record])
            await self.worker.idle()

    async def told(self, at_ms: int = 0) -> None:
        """An operator's command, in the log."""
        key, value = control.rearm_message(at_ms)
        kept = self.rig.side.records.setdefault(CONTROL, [])
        kept.append(Record(len(kept), 0, key, value, None))
        await self.worker.idle()

    @property
    def breaker(self) -> dict[str, Any]:
        """As a scorer reads it from the store."""
        return shown(self.rig.store.get(OWNER, [BREAKER])[0])

    def scorer(self) -> ScorerWeights:
        """One that has read all that was published."""
        held, arriving = ScorerWeights(3, 12), Arriving()
        for one in self.rig.published:
            if (update := arriving.add(one.value)) is not None:
                held.apply(update)
        return held

    def same(self) -> bool:
        """Whether a scorer has the learner's weights."""
        assert self.worker.hop is not None
        slots, model = np.arange(1 << 12), self.worker.hop.state.model
        return np.array_equal(self.scorer()._weights, model.weights_of(slots))

    async def until_open(self) -> int:
        """Learn until it opens; the next message."""
        await self.learned(0, FLIPPED)
        assert self.same()
        for n in range(FLIPPED, FLIPPED + 10):
            await self.learned(n, n + 1)
            if self.breaker["open"]:
                return n + 1
        raise AssertionError("it does not open")


def test_while_it_is_open_nothing_goes_out_and_a_command_lets_everything_out(learner: Rig) -> None:
    """Scorers see it in the store at once; learning and snapshots go on, and no scorer begins with those."""

    async def run() -> None:
        watched = await Watched(learner).taken()
        await watched.worker.snapshot()
        number = await watched.until_open()
        assert watched.breaker["tripped"][0]["rule"] == "loss_jump"
        sent = len(learner.published)
        await watched.worker.snapshot()
        for n in range(number, number + 6):
            await watched.learned(n, n + 1)
            await watched.worker.snapshot()
        assert (len(learner.published), watched.same()) == (sent, False)
        newest = watched.snapshots.newest()
        assert newest is not None
        assert (newest.next_offset, newest.held) == (number + 6, True)
        assert SqliteStore.offsets(learner.store, OWNER)[EXAMPLES] == number + 6
        await watched.told()
        assert not watched.breaker["open"]
        assert watched.same()
        await watched.learned(number + 6, number + 7)
        assert watched.same()
        await watched.worker.snapshot()
        serving = watched.snapshots.newest(to_serve=True)
        assert serving is not None
        assert serving.next_offset == number + 7

    asyncio.run(run())


def test_scorers_begin_with_the_last_good_snapshot_which_is_never_pruned(learner: Rig) -> None:
    async def run() -> None:
        watched = await Watched(learner).taken()
        await watched.learned(0, 3)
        await watched.worker.snapshot()
        await watched.learned(3, FLIPPED)
        number = FLIPPED
        while not watched.breaker["open"]:
            await watched.learned(number, number + 1)
            number += 1
        for n in range(number, number + 3 * learner.settings.registry.snapshots_kept):
            await watched.learned(n, n + 1)
            await watched.worker.snapshot()
        serving = watched.snapshots.newest(to_serve=True)
        assert serving is not None
        assert (serving.next_offset, serving.held) == (3, False)

    asyncio.run(run())
    files = list(Path(learner.settings.registry.url).rglob("*.snapshot"))
    assert len(files) == learner.settings.registry.snapshots_kept + 1


def test_a_learner_that_begins_from_a_held_snapshot_is_open_and_then_sends_everything(learner: Rig) -> None:
    """What was learned while it was open was sent by nobody."""

    async def run() -> None:
        first = await Watched(learner).taken()
        number = await first.until_open()
        await first.worker.snapshot()
        heir = await Watched(learner).taken(number)
        sent = len(learner.published)
        await heir.learned(number, number + 2)
        assert (len(learner.published), heir.breaker["open"]) == (sent, True)
        await heir.told()
        assert not heir.breaker["open"]
        await heir.learned(number + 2, number + 3)
        assert heir.same()

    asyncio.run(run())


def test_weights_that_are_no_numbers_overwrite_no_snapshot_and_go_back_on_command(learner: Rig) -> None:
    async def run() -> None:
        watched = await Watched(learner).taken()
        await watched.learned(0, 5)
        await watched.worker.snapshot()
        sent = len(learner.published)
        await watched.learned(5, 6, math.nan)
        await watched.learned(6, 8)
        await watched.worker.snapshot()
        newest = watched.snapshots.newest()
        assert newest is not None
        assert (newest.next_offset, SqliteStore.offsets(learner.store, OWNER)[EXAMPLES]) == (5, 5)
        assert (len(learner.published), watched.breaker["tripped"][0]["rule"]) == (sent, "non_finite")
        await watched.told()
        await watched.learned(8, 10)
        assert not watched.breaker["open"]
        assert watched.same()
        await watched.worker.snapshot()
        newest = watched.snapshots.newest()
        assert newest is not None
        assert newest.next_offset == 10
        hop, expected = watched.worker.hop, LearnHop(learner.settings)
        assert hop is not None
        for record in (*taught(0, 5), *taught(8, 10)):
            learn.learn(expected.state, record.value)
        slots = expected.state.model.slots()
        assert hop.state.model.encode_slots(slots) == expected.state.model.encode_slots(slots)

    asyncio.run(run())


def test_a_stream_is_dry_when_events_are_labelled_and_no_example_comes(learner: Rig) -> None:
    """Messages that LABEL has taken, of every partition, count as events."""

    async def run() -> None:
        watched = await Watched(learner).taken()
        await watched.learned(0, 2)
        for partition, messages in enumerate((3, 4)):
            owner = Owner("label", partition)
            lease = learner.store.acquire(owner)
            learner.store.commit(owner, lease.epoch, {PROFILED: (0, messages)}, Writes())
            watched.worker._looked_s = -math.inf
            await watched.worker.idle()
            assert watched.breaker["open"] == (partition == 1)
        assert watched.breaker["tripped"][0]["rule"] == "dry_stream"

    asyncio.run(run())


def test_commands_from_before_it_opened_and_other_messages_change_nothing(learner: Rig) -> None:
    learner.side.records[CONTROL] = [Record(0, 0, *control.erase_message("u", 0), None)]

    async def run() -> None:
        watched = await Watched(learner).taken()
        await watched.until_open()
        await watched.told(-1)
        assert watched.breaker["open"]
        await watched.told(0)
        assert not watched.breaker["open"]

    asyncio.run(run())


def test_a_breaker_state_that_could_not_be_told_is_told_later(learner: Rig) -> None:
    """The store is away just then: what is open stays open, and is told when it is back."""

    async def run() -> None:
        watched = await Watched(learner).taken()
        await watched.learned(0, FLIPPED)
        learner.store.faults.extend(["before"] * 3)
        number = FLIPPED
        while learner.store.faults:
            await watched.learned(number, number + 1)
            number += 1
            assert number < FLIPPED + 20
        assert not watched.breaker["open"]
        assert watched.worker._publishing.open
        await watched.learned(number, number + 1)
        assert watched.breaker["open"]

    asyncio.run(run())


def test_what_is_stored_of_it_is_json(learner: Rig) -> None:
    async def run() -> bytes | None:
        watched = await Watched(learner).taken()
        await watched.until_open()
        stored: bytes | None = learner.store.get(OWNER, [BREAKER])[0]
        return stored

    assert msgspec.json.decode(asyncio.run(run()) or b"{}")["since_ms"] == 0
