"""A store as readers of all partitions see it: which owner a record is at, and the rankings of all as one.

Embedded there is one partition, and this is the store itself.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice

from rtrec.events.ids import partition_of
from rtrec.ports import Owner, StateStore
from rtrec.ranking.hot import PAGE

Ranked = tuple[str, float]


class Partitioned:
    """Records of stages that have `partitions` owners each."""

    def __init__(self, store: StateStore, partitions: int) -> None:
        self.store, self.partitions = store, partitions

    def owner(self, stage: str, name: str) -> Owner:
        """Who writes the records of an anchor or user."""
        return Owner(stage, partition_of(name, self.partitions))

    def owners(self, stage: str) -> list[Owner]:
        """Every owner of a stage."""
        return [Owner(stage, partition) for partition in range(self.partitions)]

    def get(self, stage: str, names: Sequence[str], kinds: str) -> list[tuple[int, list[tuple[str, bytes | None]]]]:
        """(partition, records) of names: of each name one record a kind, under `{kind}/{name}`."""
        by_partition = sorted(dict.fromkeys(names), key=lambda name: partition_of(name, self.partitions))
        requests = []
        for partition, mine in groupby(by_partition, lambda name: partition_of(name, self.partitions)):
            requests.append((Owner(stage, partition), [f"{kind}/{name}" for name in mine for kind in kinds]))
        return [
            (owner.partition, list(zip(keys, values, strict=True)))
            for (owner, keys), values in zip(requests, self.get_many(requests), strict=True)
        ]

    def get_many(self, requests: Sequence[tuple[Owner, Sequence[str]]]) -> list[list[bytes | None]]:
        """Records of several owners, in one round trip where the store can."""
        many: Callable[[Sequence[tuple[Owner, Sequence[str]]]], list[list[bytes | None]]] | None
        many = getattr(self.store, "get_many", None)
        return many(requests) if many else [self.store.get(owner, keys) for owner, keys in requests]

    def ranked(self, stage: str) -> Iterator[list[Ranked]]:
        """Pages of all rankings as one: highest score first, equal scores by member."""
        merged = heapq.merge(*(self._pages(owner) for owner in self.owners(stage)), key=lambda one: (-one[1], one[0]))
        while page := list(islice(merged, PAGE)):
            yield page

    def _pages(self, owner: Owner) -> Iterator[Ranked]:
        skip = 0
        while page := self.store.top(owner, PAGE, skip):
            yield from page
            skip += len(page)
