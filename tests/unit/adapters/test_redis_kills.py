"""A Redis that is killed at any moment has each commit whole or not at all, and none missing that it acknowledged."""

import random
import subprocess
from pathlib import Path
from threading import Event, Thread

import pytest

from rtrec.adapters.redis_client import connect
from rtrec.adapters.redis_faults import StoreTorn
from rtrec.adapters.redis_store import RedisStore
from rtrec.ports import Owner, StoreAway, Verdict
from rtrec.settings_cluster import Redis
from rtrec.stages.effects import Writes
from services.programs import find
from services.redis_server import RedisServer

OWNER = Owner("heat", 0)
KILLS = 6
RECORDS = 200


def log_of(server: RedisServer) -> Path:
    """The append-only file that the server writes to."""
    return max((server.data / "appendonlydir").glob("*.incr.aof"))


def repair(server: RedisServer) -> None:
    """What has to be done before a server is started after a crash."""
    manifest = next((server.data / "appendonlydir").glob("*.manifest"))
    program = find("redis-check-aof") or "valkey-check-aof"
    subprocess.run([program, "--fix", str(manifest)], input=b"y\n", check=True, capture_output=True)  # noqa: S603 - fixed


def crash_inside_the_last_commit(server: RedisServer) -> None:
    """Kill a server and leave of its last transaction some whole commands and a part of one."""
    server.kill()
    log = log_of(server)
    text = log.read_bytes()
    log.write_bytes(text[: text.rindex(b"rank") + 20])


def writes_of(number: int) -> Writes:
    """Everything says which commit it is of; the two parts by turns hold a record that only odd commits have."""
    value = str(number).encode()
    puts: dict[str, bytes | None] = {f"{'am'[i % 2]}/{i}": value * 50 for i in range(RECORDS)}
    puts["odd/x"] = value if number % 2 else None
    return Writes(puts, {str(i): float(number) for i in range(RECORDS)})


def records_of(number: int) -> dict[str, bytes]:
    """What is there after it."""
    return {key: value for key, value in writes_of(number).puts.items() if value is not None}


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


@pytest.mark.parametrize("sync", ["always", "everysec"])
def test_kills_leave_commits_whole_and_lose_none_that_was_synced(own_redis: RedisServer, sync: str) -> None:
    """With `everysec` Redis answers while a write waits for a sync: the newest commits may go, each of them whole."""
    moments = random.Random(20_240_405)
    told = [1]
    with connect(Redis(url=own_redis.url)) as client:
        store = RedisStore(client)
        store.commit(OWNER, store.acquire(OWNER).epoch, {"events": (0, 1)}, writes_of(1))
        for _ in range(KILLS):
            own_redis.ask("CONFIG", "SET", "appendfsync", sync)
            before, epoch, begun = told[-1], store.acquire(OWNER).epoch, Event()
            writer = Thread(target=write_until_away, args=(store, epoch, told, begun))
            writer.start()
            assert begun.wait(30)
            Event().wait(moments.random() / 10)  # the moment of the kill is drawn, not awaited
            own_redis.kill()
            writer.join(30)
            repair(own_redis)
            own_redis.start()
            at = store.offsets(OWNER)["events"]
            assert (told[-1] if sync == "always" else before) <= at <= told[-1] + 1
            assert dict(store.scan(OWNER)) == records_of(at)
            assert dict(store.top(OWNER, RECORDS + 1)) == writes_of(at).ranks
            assert store.changed(OWNER, at - 1)[0] == at
            assert len(store.changed(OWNER, at - 1)[1]) == RECORDS
            told.append(at)


def test_a_commit_cut_by_a_crash_is_not_there_after_a_repair(own_redis: RedisServer) -> None:
    with connect(Redis(url=own_redis.url)) as client:
        store = RedisStore(client)
        epoch = store.acquire(OWNER).epoch
        for number in (1, 2):
            store.commit(OWNER, epoch, {"events": (number - 1, number)}, writes_of(number))
        for _ in range(2):  # the second restart is the one that would load what the first had left
            crash_inside_the_last_commit(own_redis)
            repair(own_redis)
            own_redis.start()
            lease = store.acquire(OWNER)
            assert lease.offsets == {"events": 1}
            assert dict(store.top(OWNER, RECORDS + 1)) == writes_of(1).ranks
            store.commit(OWNER, lease.epoch, {"events": (1, 2)}, writes_of(2))
        assert store.changed(OWNER, 0)[0] == 2


def test_a_part_of_a_commit_that_a_server_has_loaded_is_noticed_and_can_be_cleared(own_redis: RedisServer) -> None:
    """Without the repair. A server that cuts half a transaction off by itself has nothing to be noticed."""
    other = Owner("heat", 1)
    with connect(Redis(url=own_redis.url)) as client:
        store = RedisStore(client)
        epoch = store.acquire(OWNER).epoch
        for number in (1, 2):
            store.commit(OWNER, epoch, {"events": (number - 1, number)}, writes_of(number))
        crash_inside_the_last_commit(own_redis)
        own_redis.start()
        assert dict(store.scan(OWNER)) == records_of(1)
        store.commit(other, store.acquire(other).epoch, {"events": (0, 1)}, writes_of(1))
        own_redis.restart()
        if dict(store.scan(OWNER)) != records_of(1):
            for _ in range(2):
                with pytest.raises(StoreTorn, match=r"heat:0.*redis-check-aof --fix"):
                    store.acquire(OWNER)
            store.clear(OWNER)
            assert store.offsets(OWNER) == {}
        assert store.acquire(OWNER).epoch > epoch
        assert store.acquire(other).offsets == {"events": 1}
