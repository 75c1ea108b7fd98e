"""The store as many workers of one process call it: calls that come while others are under way go together next.

Rules
-----
- A call costs a thread's turn, a round trip, and at the store a write to disk, which are more than a small micro-batch
  itself; eight partitions would pay them eight times.
- One trip is under way at a time. A worker has one call at a time, so that a trip is no longer than all of its workers.
- Each call has its own answer or its own error. A broken trip is an error to all who were on it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rtrec.ports import FollowedStore, Owner, Verdict
from rtrec.stages.effects import Writes


class _Call(NamedTuple):
    """request: of `FollowedStore.commit_many`, or of `get_many`."""

    request: Any
    is_commit: bool
    answer: "asyncio.Future[Any]"


class Gathered:
    """Gets and commits of a store, from one event loop."""

    def __init__(self, store: FollowedStore) -> None:
        self._store = store
        self._calls: list[_Call] = []
        self._trips: asyncio.Task[None] | None = None

    async def get(self, owner: Owner, keys: Sequence[str]) -> list[bytes | None]:
        """As `StateStore.get`."""
        values: list[bytes | None] = await self._called((owner, keys), is_commit=False) if keys else []
        return values

    async def commit(self, owner: Owner, epoch: int, inputs: Mapping[str, tuple[int, int]], writes: Writes) -> Verdict:
        """As `StateStore.commit`."""
        verdict: Verdict = await self._called((owner, epoch, inputs, writes), is_commit=True)
        return verdict

    async def _called(self, request: Any, *, is_commit: bool) -> Any:
        call = _Call(request, is_commit, asyncio.get_running_loop().create_future())
        self._calls.append(call)
        if self._trips is None:
            self._trips = asyncio.create_task(self._make_trips())
        return await call.answer

    async def _make_trips(self) -> None:
        try:
            while self._calls:
                calls, self._calls = self._calls, []
                for call, answer in await asyncio.to_thread(self._made, calls):
                    if call.answer.done():
                        continue  # who asked was told to end
                    if isinstance(answer, Exception):
                        call.answer.set_exception(answer)
                    else:
                        call.answer.set_result(answer)
        finally:
            self._trips = None

    def _made(self, calls: Sequence[_Call]) -> list[tuple[_Call, Any]]:
        """Every call with its answer or its error."""
        made = list[tuple[_Call, Any]]()
        for wants_commits, make in ((True, self._store.commit_many), (False, self._store.get_many)):
            some = [call for call in calls if call.is_commit == wants_commits]
            try:
                answers: Sequence[Any] = make([call.request for call in some]) if some else []
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                answers = [error] * len(some)
            made += zip(some, answers, strict=True)
        return made
