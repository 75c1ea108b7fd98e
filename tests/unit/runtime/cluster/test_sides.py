"""Side topics of a real Kafka: from an owner's offset on, without a gap, whoever leaves, comes back or goes back."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from rtrec.adapters.kafka_log import KafkaLog
from rtrec.ports import NewRecord
from rtrec.runtime.cluster import sides as sides_module
from rtrec.runtime.cluster.sides import STOP_S, Sides
from rtrec.settings import Settings
from rtrec.stages.messages import Record
from tests.kafka import settings_of
from tests.unit.runtime.cluster.rig import until

SCORED, CONTROL = "scored", "control"


@pytest.fixture
def settings(kafka: str, namespace: str) -> Settings:
    return settings_of(kafka, namespace)


@pytest.fixture
def log(settings: Settings) -> Iterator[KafkaLog]:
    log = KafkaLog(settings)
    log.create(SCORED, 2)
    log.create(CONTROL, 1)
    yield log
    log.close()


def append(log: KafkaLog, topic: str, first: int, end: int, partition: int = 0) -> None:
    log.append(topic, partition, [NewRecord(b"%d" % n, b"k%d" % n) for n in range(first, end)], 0)


def values(records: list[Record]) -> list[int]:
    return [int(record.value) for record in records]


def run(settings: Settings, work: Callable[[Sides, list[tuple[str, int]]], Awaitable[None]]) -> None:
    """Read while something is done. It is given what was woken."""

    async def inside() -> None:
        woken: list[tuple[str, int]] = []
        sides = Sides(settings, lambda topic, partition: woken.append((topic, partition)))
        sides.start()
        try:
            await work(sides, woken)
        finally:
            began_s = asyncio.get_running_loop().time()
            await sides.stop()
            assert asyncio.get_running_loop().time() - began_s < STOP_S

    asyncio.run(inside())


def test_a_partition_is_kept_from_its_owners_offset_on_and_forgotten_as_the_owner_commits(
    settings: Settings, log: KafkaLog
) -> None:
    append(log, SCORED, 0, 10)
    append(log, SCORED, 100, 103, partition=1)

    async def work(sides: Sides, woken: list[tuple[str, int]]) -> None:
        sides.follow(SCORED, 0, 4)
        await until(lambda: values(sides.since(SCORED, 0, 4)) == [*range(4, 10)])
        assert sides.since(SCORED, 1, 0) == [], "nobody reads it here"
        sides.follow(SCORED, 1, 0)
        await until(lambda: values(sides.since(SCORED, 1, 0)) == [100, 101, 102])
        assert values(sides.since(SCORED, 0, 7)) == [7, 8, 9]
        assert len(sides._buffers[SCORED, 0]) == 3
        await asyncio.to_thread(append, log, SCORED, 10, 12)
        await until(lambda: values(sides.since(SCORED, 0, 7)) == [*range(7, 12)])
        assert {(SCORED, 0), (SCORED, 1)} <= set(woken)

    run(settings, work)


def test_control_is_kept_whole_for_every_owner(settings: Settings, log: KafkaLog) -> None:
    append(log, CONTROL, 0, 5)

    async def work(sides: Sides, _: list[tuple[str, int]]) -> None:
        sides.follow(CONTROL, 0, 0)
        await until(lambda: values(sides.since(CONTROL, 0, 3)) == [3, 4])
        sides.leave(CONTROL, 0)
        assert values(sides.since(CONTROL, 0, 0)) == [*range(5)]

    run(settings, work)


def test_a_partition_that_is_left_and_followed_again_is_read_again(settings: Settings, log: KafkaLog) -> None:
    """A rebalance that gives a worker its partition back: what it had not committed comes once more."""
    append(log, SCORED, 0, 10)

    async def work(sides: Sides, _: list[tuple[str, int]]) -> None:
        sides.follow(SCORED, 0, 0)
        await until(lambda: len(sides.since(SCORED, 0, 0)) == 10)
        sides.leave(SCORED, 0)
        sides.follow(SCORED, 0, 3)
        await asyncio.to_thread(append, log, SCORED, 10, 12)
        await until(lambda: sides.since(SCORED, 0, 3))
        await until(lambda: values(sides.since(SCORED, 0, 3)) == [*range(3, 12)])

    run(settings, work)


def test_what_was_forgotten_is_read_again_for_a_store_that_lost_the_commit(settings: Settings, log: KafkaLog) -> None:
    """Never what comes after a gap."""
    append(log, SCORED, 0, 10)

    async def work(sides: Sides, _: list[tuple[str, int]]) -> None:
        sides.follow(SCORED, 0, 0)
        await until(lambda: len(sides.since(SCORED, 0, 0)) == 10)
        assert values(sides.since(SCORED, 0, 8)) == [8, 9]
        appending = asyncio.create_task(asyncio.to_thread(append, log, SCORED, 10, 12))

        def there() -> bool:
            found = values(sides.since(SCORED, 0, 5))
            assert not found or found[0] == 5
            return found == [*range(5, 12)]

        await until(there)
        await appending

    run(settings, work)


def test_a_partition_that_nobody_empties_is_paused_and_gone_on_with(
    settings: Settings, log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is bounded: by FULL, and one fetch."""
    monkeypatch.setattr(sides_module, "FULL", 20)

    async def work(sides: Sides, _: list[tuple[str, int]]) -> None:
        sides.follow(SCORED, 0, 0)
        sides.follow(CONTROL, 0, 0)
        for first in range(0, 200, 10):
            await asyncio.to_thread(append, log, SCORED, first, first + 10)
        await asyncio.to_thread(append, log, CONTROL, 0, 1)
        await until(lambda: sides.since(CONTROL, 0, 0))
        assert len(sides._buffers[SCORED, 0]) <= 40
        met: list[int] = []

        def taken() -> bool:
            met.extend(values(sides.since(SCORED, 0, len(met))))
            return len(met) == 200

        await until(taken)
        assert met == [*range(200)]

    run(settings, work)


def test_what_comes_first_may_have_been_removed(settings: Settings, log: KafkaLog) -> None:
    """Retention took what an owner had not met: it goes on with what there is."""
    append(log, SCORED, 0, 10)
    log.trim(SCORED, 0, 6)

    async def work(sides: Sides, _: list[tuple[str, int]]) -> None:
        sides.follow(SCORED, 0, 2)
        await until(lambda: values(sides.since(SCORED, 0, 2)) == [6, 7, 8, 9])

    run(settings, work)
