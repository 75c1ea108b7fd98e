"""INGEST, HEAT and PROFILE of several partitions, one after another in one thread, with a real store."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from rtrec.events.ids import partition_of
from rtrec.ports import Owner, StateStore, Verdict
from rtrec.settings import Settings
from rtrec.stages.hops.heat import USER_EVENTS, HeatHop
from rtrec.stages.hops.hop import Hop, Message
from rtrec.stages.hops.ingest import ANCHOR_EVENTS, IngestHop
from rtrec.stages.hops.profile import ProfileHop
from rtrec.stages.messages import Record

SOURCE = "events"
_ids = count()


def event(kind: str, anchor_id: str, ts_ms: int, user_id: str | None = None, **more: Any) -> dict[str, Any]:
    """An event with an id of its own."""
    made = {"event_id": f"s{next(_ids)}", "type": kind, "ts_ms": ts_ms, "anchor_id": anchor_id}
    return made | ({"user_id": user_id} if user_id else {}) | more


def names_of(partition: int, partitions: int, lead: str = "a") -> Iterator[str]:
    """Names that belong to a partition."""
    return (name for number in count() if partition_of(name := f"{lead}{number}", partitions) == partition)


class Stages:
    """Everything committed when `take` returns."""

    def __init__(self, settings: Settings, store: StateStore) -> None:
        self._settings, self._store = settings, store
        partitions = range(settings.cluster.partitions)
        self._hops: dict[Owner, Hop] = {Owner("heat", n): HeatHop(settings, n) for n in partitions}
        self._hops |= {Owner("profile", n): ProfileHop(settings, n) for n in partitions}
        self._epochs = {owner: store.acquire(owner).epoch for owner in self._hops}
        self._met: dict[Owner, int] = dict.fromkeys(self._hops, 0)
        self._ingest, self._produced = IngestHop(settings, SOURCE, 0), 0
        for owner, hop in self._hops.items():
            hop.load({key: value for prefix in hop.prefixes for key, value in store.scan(owner, prefix)})

    def take(self, *events: Mapping[str, Any]) -> None:
        """Take events of now by their own times."""
        records = [
            Record(self._produced + n, int(one["ts_ms"]), None, json.dumps(one).encode(), None)
            for n, one in enumerate(events)
        ]
        self._produced += len(records)
        self._ingest.prepare({SOURCE: records})
        taken = self._ingest.turn([], [])
        assert not taken.refused, taken.refused
        for handed in self._hand_on("heat", ANCHOR_EVENTS, taken.messages):
            list(self._hand_on("profile", USER_EVENTS, handed))

    def _hand_on(self, stage: str, topic: str, messages: Sequence[Message]) -> Iterator[list[Message]]:
        for message in messages:
            owner = Owner(stage, message.partition)
            at = self._met[owner]
            hop = self._hops[owner]
            keys = hop.prepare({topic: [Record(at, 0, None, message.value, None)]})
            turn = hop.turn(keys, self._store.get(owner, keys))
            verdict = self._store.commit(owner, self._epochs[owner], {topic: (at, at + 1)}, turn.writes)
            assert verdict is Verdict.OK
            self._met[owner] += 1
            yield turn.messages
