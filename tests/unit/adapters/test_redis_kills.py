"""A Redis that is killed at any moment has each commit whole or not at all, and none missing that it acknowledged."""

import random
from threading import Event, Thread

from rtrec.adapters.redis_client import connect
from rtrec.adapters.redis_store import RedisStore
from rtrec.ports import Owner, StoreAway, Verdict
from rtrec.settings_cluster import Redis
from rtrec.stages.effects import Writes
from services.redis_server import RedisServer

OWNER = Owner("heat", 0)
KILLS = 6
RECORDS = 200


def writes_of(number: int) -> Writes:
    """Everything says which commit it is of; the two parts by turns hold a record that only odd commits have."""
    value = str(number).encode()
    puts: dict[str, bytes | None] = {f"{'am'[i % 2]}/{i}": value * 50 for i in range(RECORDS)}
    puts["odd/x"] = value if number % 2 else None
    return Writes(puts, {str(i): float(number) for i in range(RECORDS)})


def write_until_away(store: RedisStore, epoch: int, told: list[int], begun: Event) -> None:
    """Commit turn after turn from where the store stands; `told` gets each one that it acknowledged."""
    at = store.offsets(OWNER).get("events", 0)
    while True:
        try:
            verdict = store.commit(OWNER, epoch, {"events": (at, at + 1)}, writes_of(at + 1))
        except StoreAway:
            return
        assert verdict is Verdict.OK
        at += 1
        told.append(at)
        begun.set()


def test_kills_leave_commits_whole_and_lose_none_that_was_acknowledged(own_redis: RedisServer) -> None:
    moments = random.Random(20_240_405)
    told = [0]
    with connect(Redis(url=own_redis.url)) as client:
        store = RedisStore(client)
        for _ in range(KILLS):
            epoch, begun = store.acquire(OWNER).epoch, Event()
            writer = Thread(target=write_until_away, args=(store, epoch, told, begun))
            writer.start()
            assert begun.wait(30)
            Event().wait(moments.random() / 10)  # the moment of the kill is drawn, not awaited
            own_redis.kill()
            writer.join(30)
            own_redis.start()
            at = store.offsets(OWNER)["events"]
            assert told[-1] <= at <= told[-1] + 1
            assert dict(store.scan(OWNER)) == {k: v for k, v in writes_of(at).puts.items() if v is not None}
            assert dict(store.top(OWNER, RECORDS + 1)) == writes_of(at).ranks
            assert store.changed(OWNER, at - 1)[0] == at
            assert len(store.changed(OWNER, at - 1)[1]) == RECORDS
            told.append(at)
    assert told[-1] > 20
