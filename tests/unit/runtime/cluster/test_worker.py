"""A worker: everything in order and once, whatever fails in between; bounded; gone when it is told to be."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import pytest

from rtrec.adapters.kafka_faults import KafkaAway
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.ports import Owner
from rtrec.runtime.cluster import worker as worker_module
from rtrec.runtime.cluster.hop_worker import SIDE_RECORDS, HopWorker
from rtrec.runtime.cluster.watchdog import Watchdog
from rtrec.stages.effects import Writes
from rtrec.stages.hops.hop import Message
from rtrec.stages.records import PLACES
from tests.unit.runtime.cluster.rig import OWNER, TOPIC, Rig, numbers, record, until


async def deliver(rig: Rig, worker: HopWorker, first: int, end: int, size: int = 1) -> None:
    """Records in pieces."""
    for begins in range(first, end, size):
        ends = min(begins + size, end)
        await worker.deliver([record(offset) for offset in range(begins, ends)], rig.done(ends - 1))


@pytest.mark.parametrize("batch_events", [1, 7, 20_000])
def test_input_is_taken_in_order_once_and_acknowledged_when_it_is_committed(rig: Rig, batch_events: int) -> None:
    async def run() -> None:
        worker = rig.worker(batch_events=batch_events)
        worker.start()
        await deliver(rig, worker, 0, 100, size=3)
        await until(lambda: rig.next == 100)
        await worker.release(5.0)

    asyncio.run(run())
    assert rig.taken == numbers(0, 100)
    assert rig.acknowledged == [*range(2, 99, 3), 99]
    assert ",".join(one.value.decode() for one in rig.published) == ",".join(numbers(0, 100))


def test_a_turn_takes_one_piece_at_least_and_not_more_than_fits(rig: Rig) -> None:
    async def run() -> None:
        worker = rig.worker(batch_events=10)
        rig.store.held.clear()
        worker.start()
        await deliver(rig, worker, 0, 25, size=25)
        await deliver(rig, worker, 25, 45, size=4)
        rig.store.held.set()
        await until(lambda: rig.next == 45)
        await worker.release(5.0)

    asyncio.run(run())
    sizes = [len(one.value.split(b",")) for one in rig.published]
    assert sizes[0] == 25, "a piece is never divided"
    assert sizes[1:] == [8, 8, 4]


def test_who_delivers_is_held_up_while_the_queue_is_full(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is slow shows as lag, and not as memory."""
    monkeypatch.setattr(worker_module, "QUEUED_BYTES", 10 * (PLACES.itemsize + 1))

    async def run() -> None:
        worker = rig.worker(batch_events=1)
        rig.store.held.clear()
        worker.start()
        await deliver(rig, worker, 0, 10)
        more = asyncio.create_task(deliver(rig, worker, 10, 40))
        await until(lambda: rig.store.attempts)
        await asyncio.sleep(0.05)
        assert not more.done()
        assert len(worker._queue) == 10
        rig.store.held.set()
        await more
        await until(lambda: rig.next == 40)
        await worker.release(5.0)

    asyncio.run(run())
    assert rig.taken == numbers(0, 40)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_that_is_away_is_tried_again_after_growing_pauses(rig: Rig, when: str) -> None:
    """It does not matter whether the commit that failed had been carried out."""
    rig.store.faults.extend([when] * 4)

    async def run() -> None:
        worker = rig.worker()
        worker.start()
        if when == "before":
            await deliver(rig, worker, 0, 5)
        else:  # a commit that was carried out is not done again: each needs input of its own
            for offset in range(5):
                await deliver(rig, worker, offset, offset + 1)
                await until(lambda: len(rig.acknowledged) > offset)  # noqa: B023 - awaited here
        await until(lambda: rig.next == 5)
        await until(lambda: worker.trouble is None)
        await worker.release(5.0)

    asyncio.run(run())
    assert rig.taken == numbers(0, 5)
    assert rig.acknowledged == [*range(5)]
    if when == "before":
        begun = rig.store.attempts
        pauses = [later - earlier for earlier, later in pairwise(begun)]
        assert len(pauses) == 4
        for pause, at_least in zip(pauses, (0.05, 0.1, 0.2, 0.4), strict=True):
            assert pause >= at_least


def test_pauses_begin_small_again_after_a_turn_that_went_well(rig: Rig) -> None:
    rig.store.faults.extend(["before", "before", "before", "", "before", ""])

    async def run() -> None:
        worker = rig.worker()
        worker.start()
        for offset in range(2):
            await deliver(rig, worker, offset, offset + 1)
            await until(lambda: rig.next > offset)  # noqa: B023 - awaited here
        await worker.release(5.0)

    asyncio.run(run())
    begun = rig.store.attempts
    assert begun[3] - begun[2] >= 0.2
    assert begun[5] - begun[4] < 0.2


def test_whoever_was_fenced_takes_over_again_and_repeats_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process takes the owner over, commits, and is gone."""
    monkeypatch.setattr(worker_module, "FENCED_S", 0.05)

    async def run() -> None:
        worker = rig.worker()
        worker.start()
        await deliver(rig, worker, 0, 3)
        await until(lambda: rig.next == 3)
        other = Rig(rig.store)
        zombie_maker = other.worker(begins=3)
        zombie_maker.start()
        await deliver(other, zombie_maker, 3, 5)
        await until(lambda: rig.next == 5)
        await zombie_maker.release(5.0)
        await deliver(rig, worker, 3, 8)
        await until(lambda: rig.next == 8)
        await worker.release(5.0)

    asyncio.run(run())
    assert rig.taken == numbers(0, 8)
    assert rig.acknowledged == [*range(8)], "what the other had committed is committed"
    assert not rig.restarts


def test_input_that_begins_behind_the_stores_offset_begins_the_process_anew(rig: Rig) -> None:
    """A store that lost its newest commits: nothing is taken, for what lies between is not there."""

    async def run() -> None:
        worker = rig.worker(begins=10)
        epoch = rig.store.acquire(OWNER).epoch
        rig.store.commit(OWNER, epoch, {TOPIC: (0, 5)}, Writes())
        worker.start()
        await deliver(rig, worker, 10, 12)
        await until(lambda: rig.restarts)
        await worker.release(5.0)

    asyncio.run(run())
    assert rig.restarts == ["heat:0: the store stands at 5, what is read begins at 10"]
    assert rig.next == 5
    assert not rig.taken
    assert not rig.acknowledged


@pytest.mark.parametrize("may_have_holes", [False, True])
def test_where_a_record_is_missing_in_between_the_process_begins_anew(rig: Rig, may_have_holes: bool) -> None:
    """Between stages every offset is a record. What others write may have holes: of transactions, of compaction."""

    async def run() -> None:
        worker = rig.worker()
        worker._may_have_holes = may_have_holes
        worker.start()
        await deliver(rig, worker, 0, 3)
        await until(lambda: rig.next == 3)
        await deliver(rig, worker, 5, 7)
        await until(lambda: rig.restarts or rig.next == 7)
        await worker.release(5.0)

    asyncio.run(run())
    assert rig.restarts == ([] if may_have_holes else [f"heat:0: {TOPIC} was read up to 3, and then from 5"])
    assert rig.next == (7 if may_have_holes else 3)


def test_a_store_that_lost_a_commit_is_noticed_though_nothing_comes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "AUDIT_S", 0.0)

    async def run() -> None:
        worker = rig.worker()
        worker.idle_s = 0.01
        worker.start()
        await deliver(rig, worker, 0, 5)
        await until(lambda: rig.acknowledged)
        with rig.store._database.transaction() as writer:  # as a server that is back without its last second
            writer.execute("UPDATE state_offset SET next = 3 WHERE owner = ?", (str(OWNER),))
        await until(lambda: rig.restarts)
        await worker.release(5.0)

    asyncio.run(run())
    assert rig.restarts == ["heat:0: the store stands at 3, what is read begins at 5"]


def test_release_lets_the_turn_at_hand_end_and_begins_nothing_after_it(rig: Rig) -> None:
    async def run() -> None:
        worker = rig.worker(batch_events=1)
        rig.store.held.clear()
        worker.start()
        await deliver(rig, worker, 0, 5)
        await until(lambda: rig.store.attempts)
        released = asyncio.create_task(worker.release(10.0))
        await asyncio.sleep(0.02)
        assert not released.done()
        rig.store.held.set()
        await released

    asyncio.run(run())
    assert rig.taken == ["0"]
    assert rig.acknowledged == [0]


def test_release_waits_no_longer_than_it_is_told(rig: Rig) -> None:
    """A turn that hangs is left to the next owner, who fences it off."""

    async def run() -> float:
        worker = rig.worker()
        rig.store.held.clear()
        worker.start()
        await deliver(rig, worker, 0, 5)
        await until(lambda: rig.store.attempts)
        began_s = asyncio.get_running_loop().time()
        await worker.release(0.1)
        took_s = asyncio.get_running_loop().time() - began_s
        SqliteStore.acquire(rig.store, OWNER)
        rig.store.held.set()
        return took_s

    assert 0.1 <= asyncio.run(run()) < 5.0
    assert (rig.next, rig.taken, rig.acknowledged) == (0, [], [])


def test_release_sets_a_held_up_deliverer_free(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "QUEUED_BYTES", 1)

    async def run() -> None:
        worker = rig.worker()
        rig.store.held.clear()
        worker.start()
        await deliver(rig, worker, 0, 1)
        more = asyncio.create_task(deliver(rig, worker, 1, 2))
        await until(lambda: rig.store.attempts)
        await worker.release(0.05)
        await asyncio.wait_for(more, 5.0)
        rig.store.held.set()

    asyncio.run(run())


def test_trouble_is_said_until_a_turn_has_ended_and_is_no_stall(rig: Rig) -> None:
    """A broker that is away for long: the worker takes over again and again, and nobody begins it anew."""

    async def away(_: Sequence[Message]) -> None:
        await asyncio.sleep(0.01)
        raise KafkaAway("heat: not acknowledged within 10 s")

    async def run() -> None:
        worker, stalls = rig.worker(), list[str]()
        watchdog = Watchdog(0.2, lambda: stalls.append("stall"))
        worker.start()
        await until(lambda: worker.trouble is None)
        rig.publishing = away
        await deliver(rig, worker, 0, 3)
        await until(lambda: worker.trouble)
        ends_s = asyncio.get_running_loop().time() + 1.0
        while asyncio.get_running_loop().time() < ends_s:
            assert worker.trouble is not None
            watchdog.beat([worker])
            assert watchdog._beat_s - watchdog._moved_s < 0.2
            await asyncio.sleep(0.001)
        rig.publishing = None
        await until(lambda: rig.next == 3 and worker.trouble is None)
        await worker.release(5.0)

    asyncio.run(run())
    assert rig.taken == numbers(0, 3)


def test_side_topics_are_taken_with_the_main_one_or_alone_and_as_many_as_there_are(rig: Rig) -> None:
    """More than fit into a turn do not wait for the next event."""
    many = SIDE_RECORDS + 10

    async def run() -> None:
        worker = rig.worker(sides={"control": 0})
        rig.side.records["control"] = [record(offset, b"c") for offset in range(many)]
        worker.idle_s = 3_600.0
        worker.start()
        await until(lambda: len(rig.taken) == many)
        rig.side.records["control"] += [record(many, b"last")]
        worker.wake()
        await until(lambda: rig.taken[-1] == "last")
        await worker.release(5.0)

    asyncio.run(run())
    assert dict(SqliteStore.offsets(rig.store, OWNER)) == {"control": many + 1}


def test_a_worker_that_cannot_take_over_says_so_and_goes_on_trying(rig: Rig) -> None:
    rig.store.away = True

    async def run() -> None:
        worker = rig.worker()
        worker.start()
        await deliver(rig, worker, 0, 2)
        await until(lambda: worker.trouble == "StoreAway: redis at x: away")
        rig.store.away = False
        await until(lambda: rig.next == 2 and worker.trouble is None)
        await worker.release(5.0)

    asyncio.run(run())


def test_an_owner_is_a_partition_of_its_own(rig: Rig) -> None:
    """Two workers of one process do not meet."""

    async def run() -> None:
        first = rig.worker()
        second = HopWorker(Owner("heat", 1), TOPIC, 0, first._make_hop, {}, rig.io)
        for worker in (first, second):
            worker.start()
        await deliver(rig, first, 0, 4)
        await second.deliver([record(0, b"x")], lambda: None)
        with suppress(TimeoutError):
            await until(lambda: rig.next == 4 and SqliteStore.offsets(rig.store, Owner("heat", 1)))
        await asyncio.gather(first.release(5.0), second.release(5.0))

    asyncio.run(run())
    assert rig.taken == numbers(0, 4)
    assert dict(SqliteStore.offsets(rig.store, Owner("heat", 1))) == {TOPIC: 1}
