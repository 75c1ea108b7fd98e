"""Calls that come while others are under way go together, and each has its own answer."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from rtrec.ports import Owner, StoreAway, Verdict
from rtrec.runtime.cluster.gathered import Gathered
from rtrec.stages.effects import Writes


class Trips:
    """A store that notes what comes together. held: a trip waits while it is cleared."""

    def __init__(self) -> None:
        self.commits: list[list[int]] = []
        self.reads: list[list[int]] = []
        self.held = threading.Event()
        self.begun = threading.Event()
        self.fault: Exception | None = None

    def commit_many(self, commits: Sequence[Any]) -> list[Verdict | Exception]:
        self.commits.append([owner.partition for owner, *_ in commits])
        self.begun.set()
        self.held.wait(10)
        if self.fault is not None:
            raise self.fault
        return [StoreAway("full") if owner.partition == 1 else Verdict.OK for owner, *_ in commits]

    def get_many(self, requests: Sequence[Any]) -> list[list[bytes | None]]:
        self.reads.append([owner.partition for owner, _ in requests])
        return [[str(owner).encode() for _ in keys] for owner, keys in requests]


async def commits(gathered: Gathered, *partitions: int) -> list[Any]:
    """What each owner's commit came to."""
    asked = [gathered.commit(Owner("heat", one), 1, {}, Writes()) for one in partitions]
    return await asyncio.gather(*asked, return_exceptions=True)


def test_what_comes_while_a_trip_is_under_way_makes_the_next_together() -> None:
    """The first call does not wait for company."""
    store = Trips()

    async def story() -> list[Any]:
        gathered = Gathered(store)  # type: ignore[arg-type]
        first = asyncio.create_task(commits(gathered, 0))
        await asyncio.to_thread(store.begun.wait, 10)
        others = asyncio.create_task(commits(gathered, 2, 3, 4))
        read = asyncio.create_task(gathered.get(Owner("heat", 5), ["a"]))
        await asyncio.sleep(0)
        store.held.set()
        return [*await first, *await others, await read]

    assert asyncio.run(story()) == [*[Verdict.OK] * 4, [b"heat:5"]]
    assert store.commits == [[0], [2, 3, 4]]
    assert store.reads == [[5]]


def test_one_that_fails_fails_alone() -> None:
    """An owner that is refused keeps nobody else's commit back."""
    store = Trips()
    store.held.set()

    async def story() -> list[Any]:
        return await commits(Gathered(store), 0, 1, 2)  # type: ignore[arg-type]

    first, second, third = asyncio.run(story())
    assert (first, third) == (Verdict.OK, Verdict.OK)
    assert isinstance(second, StoreAway)


def test_a_broken_trip_is_an_error_to_all_and_the_next_goes_well() -> None:
    """Nobody waits for ever."""
    store = Trips()
    store.held.set()
    store.fault = StoreAway("no answer")

    async def story() -> tuple[list[Any], list[Any]]:
        gathered = Gathered(store)  # type: ignore[arg-type]
        broken = await commits(gathered, 0, 2)
        store.fault = None
        return broken, await commits(gathered, 0, 2)

    broken, well = asyncio.run(story())
    assert [str(one) for one in broken] == ["no answer", "no answer"]
    assert well == [Verdict.OK, Verdict.OK]


def test_who_gives_up_keeps_nobody_waiting() -> None:
    """A worker that is told to end is cancelled in the middle of its call."""
    store = Trips()

    async def story() -> list[Any]:
        gathered = Gathered(store)  # type: ignore[arg-type]
        gone = asyncio.create_task(gathered.commit(Owner("heat", 0), 1, {}, Writes()))
        await asyncio.to_thread(store.begun.wait, 10)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        other = asyncio.create_task(commits(gathered, 2))
        await asyncio.sleep(0)
        store.held.set()
        return await other

    assert asyncio.run(story()) == [Verdict.OK]
