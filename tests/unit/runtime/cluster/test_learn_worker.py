"""LEARN's worker: weights go out in order, snapshots are durable before their commit, nothing is learned twice."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rtrec.adapters.kafka_faults import KafkaAway
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.learning.weights import ScorerWeights
from rtrec.learning.weights_wire import Arriving
from rtrec.runtime.cluster.learn_worker import FIGURES, OWNER, LearnWorker
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.runtime.cluster.worker import Fenced
from rtrec.settings import Learner, Settings
from rtrec.settings_cluster import Registry
from rtrec.stages import learn
from rtrec.stages.hops.hop import Message
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.hops.learn import WEIGHTS
from rtrec.stages.messages import Record
from tests.unit.runtime.cluster.examples import messages
from tests.unit.runtime.cluster.rig import Rig, until

ALWAYS_MS = 0
NEVER_MS = 3_600_000


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    """Compiled before any wait begins."""
    learn.learn(learn.LearnState(Settings().labels.heads, Learner(slots_log2=12)), messages(0, 1)[0].value)


@pytest.fixture
def learner(rig: Rig, tmp_path: Path) -> Rig:
    """Publishes at every look, snapshots when it is told to."""
    rig.settings = Settings(
        learner=Learner(slots_log2=12, publish_ms=ALWAYS_MS),
        registry=Registry(url=str(tmp_path / "registry"), snapshot_ms=NEVER_MS),
    )
    return rig


def snapshots(rig: Rig) -> Snapshots:
    return Snapshots(rig.settings.registry)


def worker_of(rig: Rig, begins: int = 0, log_start: int = 0) -> LearnWorker:
    return LearnWorker(begins, log_start, snapshots(rig), rig.io)


async def taken(rig: Rig, records: list[Record], begins: int = 0) -> LearnWorker:
    """A worker that has taken its owner over, and learned records."""
    worker = worker_of(rig, begins)
    await worker.take_over()
    await worker.turn(records)
    return worker


def offline(rig: Rig, records: Sequence[Record]) -> learn.LearnState:
    """One pass over messages."""
    state = learn.LearnState(rig.settings.labels.heads, rig.settings.learner)
    for record in records:
        learn.learn(state, record.value)
    return state


def image(state: learn.LearnState) -> bytes:
    found: bytes = state.model.encode_slots(state.model.slots())
    return found


def scorer(rig: Rig) -> tuple[ScorerWeights, list[tuple[int, int]]]:
    """A scorer that read all that was published, and the versions it met."""
    held, arriving = ScorerWeights(len(rig.settings.labels.heads), rig.settings.learner.slots_log2), Arriving()
    met = []
    for one in rig.published:
        assert (one.topic, one.partition) == (WEIGHTS, 0)
        if (update := arriving.add(one.value)) is not None:
            held.apply(update)
            met.append((update.epoch, update.offset))
    return held, met


def assert_scores_as(rig: Rig, state: learn.LearnState) -> None:
    held, _ = scorer(rig)
    slots = state.model.slots()
    assert np.array_equal(held._weights[slots], state.model.weights_of(slots))
    assert np.array_equal(held._bias, state.model.bias())


def stands(rig: Rig) -> int:
    return SqliteStore.offsets(rig.store, OWNER).get(EXAMPLES, 0)


def test_what_it_learns_is_what_one_pass_learns_at_the_learner_and_at_a_scorer(learner: Rig) -> None:
    """Bit for bit, whatever the micro-batches were; versions only grow."""
    records = messages(0, 9)

    async def run() -> None:
        worker = worker_of(learner)
        worker.idle_s = 0.001
        worker.start()
        for record in records:
            await worker.deliver([record], lambda: None)
            await until(lambda: not worker.waiting)
        await worker.release(10.0)

    asyncio.run(run())
    state = offline(learner, records)
    kept = snapshots(learner).newest()
    assert kept is not None
    assert (kept.next_offset, kept.examples, kept.image) == (9, state.examples, image(state))
    assert stands(learner) == 9, "a learner that ends in good order leaves nothing to repeat"
    assert_scores_as(learner, state)
    _, met = scorer(learner)
    assert met == sorted(set(met))


def test_weights_that_could_not_be_sent_go_out_first_and_in_order(learner: Rig) -> None:
    """A broker that is away: learning goes on, and a scorer misses nothing of what was learned meanwhile."""

    async def away(_: Sequence[Message]) -> None:
        raise KafkaAway("no broker answers")

    async def run() -> None:
        worker = await taken(learner, messages(0, 2))
        await worker.idle()
        learner.publishing = away
        for number in range(2, 6):
            await worker.turn(messages(number, number + 1))
            await worker.idle()
            assert "no broker answers" in str(worker.trouble)
        assert len(scorer(learner)[1]) == 1
        learner.publishing = None
        await worker.turn(messages(6, 7))
        await worker.idle()
        assert str(worker.trouble) == "None"
        assert worker._weights_offset == len(learner.published)

    asyncio.run(run())
    assert [offset for _, offset in scorer(learner)[1]] == [6, 9, 12, 15, 18, 21]
    assert_scores_as(learner, offline(learner, messages(0, 7)))


def test_an_update_of_several_messages_goes_on_where_sending_broke_off(
    learner: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtrec.learning.weights_wire.SLOTS_A_PART", 10)
    calls = 0

    async def breaking(_: Sequence[Message]) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KafkaAway("no broker answers")

    async def run() -> None:
        worker = await taken(learner, messages(0, 4))
        learner.publishing = breaking
        await worker.idle()
        assert not scorer(learner)[1], "a scorer takes it when it has all parts"
        await worker.idle()

    asyncio.run(run())
    assert len(learner.published) > 3
    assert_scores_as(learner, offline(learner, messages(0, 4)))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_snapshot_after_a_commit_of_which_nobody_knows_is_right(learner: Rig, when: str) -> None:
    """The commit was carried out or not: the next one begins where the store stands."""

    async def run() -> None:
        worker = await taken(learner, messages(0, 3))
        learner.settings = msgspec.structs.replace(
            learner.settings, registry=msgspec.structs.replace(learner.settings.registry, snapshot_ms=100)
        )
        worker.io = learner.io
        worker._snapshot_s -= 1.0
        learner.store.faults.append(when)
        await worker.idle()
        assert str(worker.trouble).startswith("redis at x")
        assert stands(learner) == {"before": 0, "after": 3}[when]
        await worker.turn(messages(3, 5))
        worker._snapshot_s -= 1.0
        await worker.idle()
        assert str(worker.trouble) == "None"
        assert stands(learner) == 5

    asyncio.run(run())
    kept = snapshots(learner).newest(5)
    assert kept is not None
    assert (kept.next_offset, kept.image) == (5, image(offline(learner, messages(0, 5))))


def test_a_learner_begins_from_the_snapshot_that_the_store_names(learner: Rig) -> None:
    """Not from a newer one, of which it is not known that it was committed: it may be a zombie's."""

    async def run() -> bytes:
        worker = await taken(learner, messages(0, 3))
        await worker.snapshot()
        await worker.turn(messages(3, 6))
        learner.store.faults.append("before")
        with pytest.raises(OSError, match="away"):
            await worker.snapshot()
        heir = await taken(learner, [], begins=3)
        assert heir.next == {EXAMPLES: 3}
        await heir.turn(messages(3, 8))
        assert heir.hop is not None
        return image(heir.hop.state)

    assert asyncio.run(run()) == image(offline(learner, messages(0, 8)))


def test_a_zombies_commit_is_refused_and_its_weights_and_files_do_no_harm(learner: Rig) -> None:
    async def run() -> None:
        zombie = await taken(learner, messages(0, 3))
        await zombie._publish()
        heir = await taken(learner, messages(0, 6))
        await heir._publish()
        await heir.snapshot()
        await zombie.turn(messages(3, 4))
        await zombie._publish()
        with pytest.raises(Fenced):
            await zombie.snapshot()
        await heir.turn(messages(6, 8))
        await heir._publish()

    asyncio.run(run())
    kept = snapshots(learner).newest()
    assert kept is not None
    assert kept.next_offset == 6
    assert_scores_as(learner, offline(learner, messages(0, 8)))


def test_whoever_is_fenced_begins_anew_for_what_it_has_read_is_behind_it(
    learner: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtrec.runtime.cluster.worker.FENCED_S", 0.01)

    async def run() -> None:
        worker = worker_of(learner)
        worker.start()
        await worker.deliver(messages(0, 3), lambda: None)
        await until(lambda: worker.counts["events"] == 3)
        SqliteStore.acquire(learner.store, OWNER)
        worker._snapshot_s -= 2 * NEVER_MS
        await until(lambda: learner.restarts)
        await worker.release(10.0)

    asyncio.run(run())
    assert learner.restarts == ["learn:0: the store stands at 0, what is read begins at 3"]


def test_damaged_snapshots_fall_back_and_none_at_all_is_an_alarm(
    learner: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """The weights come to the same in any case, as long as the log holds its beginning."""
    registry = Path(learner.settings.registry.url)

    async def learned() -> None:
        worker = await taken(learner, messages(0, 2))
        await worker.snapshot()
        await worker.turn(messages(2, 5))
        await worker.snapshot()

    asyncio.run(learned())
    for damaged, left in zip(sorted(registry.rglob("*.snapshot"), reverse=True), (2, 0), strict=True):
        damaged.write_bytes(damaged.read_bytes()[:-1])
        assert asyncio.run(taken(learner, [])).next == {EXAMPLES: left}
    assert "ALARM: the store names a snapshot, and none is whole" in caplog.text


def test_a_learner_that_begins_where_the_logs_beginning_is_gone_takes_numbers_as_they_come(learner: Rig) -> None:
    records = [record._replace(offset=40 + n) for n, record in enumerate(messages(17, 20))]

    async def run() -> Any:
        worker = worker_of(learner, begins=40, log_start=40)
        await worker.take_over()
        assert worker.next == {EXAMPLES: 40}
        await worker.turn(records)
        return worker.hop

    hop = asyncio.run(run())
    assert image(hop.state) == image(offline(learner, records))


def test_the_figures_are_committed_with_the_snapshot(learner: Rig) -> None:
    async def run() -> None:
        await (await taken(learner, messages(0, 4))).snapshot()

    asyncio.run(run())
    (figures,) = learner.store.get(OWNER, [FIGURES])
    assert set(msgspec.json.decode(figures or b"{}")["heads"]) == set(learner.settings.labels.heads)
