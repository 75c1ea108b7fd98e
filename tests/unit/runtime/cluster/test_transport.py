"""What a fetch brings is handed on or read again, however partitions are given out meanwhile."""

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from rtrec.runtime.cluster.transport import _Consumer

HERE = TP("anchor_events", 0)


class Consumer(_Consumer):
    """Without brokers: `position` moves when a fetch is answered, as aiokafka's does."""

    def __init__(self) -> None:
        self.position, self.flow_active = 5, True
        self.can_resume_flow, self.fetched, self.answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._fetching, self._delivered = asyncio.Lock(), {}  # type: ignore[assignment]
        self._thread = SimpleNamespace(seek_wait=self.seek_wait)
        self.app = SimpleNamespace(host=SimpleNamespace(assigned=self.assigned), plain_name=str)

    def assignment(self) -> set[TP]:
        return {HERE}

    async def assigned(self, _places: Any) -> dict[tuple[str, int], int]:
        return {("anchor_events", 0): 5}

    async def seek_wait(self, offsets: dict[TP, int]) -> None:
        self.position = offsets[HERE]

    async def wait(self, event: asyncio.Event) -> None:  # type: ignore[override]
        await event.wait()

    async def _wait_next_records(self, _timeout: float) -> Any:
        self.fetched.set()
        await self.answered.wait()
        self.position += 3
        return {HERE: ["three records"]}, {HERE}


def test_a_fetch_under_way_is_over_before_the_position_is_set() -> None:
    """It is dropped, for the flow has stopped; answered after the seek it would have moved the position past itself."""

    async def run() -> int:
        consumer = Consumer()
        fetch = asyncio.create_task(consumer._next_records())
        await consumer.fetched.wait()
        consumer.flow_active = False  # a rebalance begins
        seek = asyncio.create_task(consumer.seek_to_committed())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not seek.done()
        consumer.answered.set()
        await asyncio.gather(fetch, seek)
        return consumer.position

    assert asyncio.run(run()) == 5


def test_no_fetch_begins_before_the_flow_is_resumed() -> None:
    async def run() -> None:
        consumer = Consumer()
        consumer.answered.set()
        consumer.flow_active = False
        fetch = asyncio.create_task(consumer._next_records())
        await consumer.seek_to_committed()
        assert not consumer.fetched.is_set()
        consumer.flow_active = True
        consumer.can_resume_flow.set()
        assert (await fetch)[0] == {HERE: ["three records"]}

    asyncio.run(run())
