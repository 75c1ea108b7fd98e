"""What a store's user sees when servers die, hang, are demoted, fill up or hand their slots over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import redis

from rtrec.adapters.redis_client import Client, command, connect
from rtrec.adapters.redis_store import RedisStore
from rtrec.ports import Owner, StoreAway, Verdict
from rtrec.settings_cluster import Redis
from rtrec.stages.effects import Writes
from services.process import until
from services.redis_cluster import RedisCluster
from services.redis_server import RedisServer

OWNER = Owner("heat", 3)
READY_S = 30.0


@contextmanager
def opened(url: str, timeout_ms: int = 5_000) -> Iterator[tuple[Client, RedisStore]]:
    client = connect(Redis(url=url, timeout_ms=timeout_ms))
    yield client, RedisStore(client)
    client.close()


def everything(store: RedisStore) -> object:
    """One of each read."""
    return [
        store.get(OWNER, ["a/x", "m/x"]),
        store.get_many([(OWNER, ["a/x"]), (Owner("heat", 4), ["a/x"])]),
        list(store.scan(OWNER)),
        store.top(OWNER, 9),
        store.changed(OWNER, -1),
        store.offsets(OWNER),
    ]


def begin(store: RedisStore) -> int:
    epoch = store.acquire(OWNER).epoch
    assert store.commit(OWNER, epoch, {"events": (0, 5)}, Writes({"a/x": b"1", "m/x": b"2"}, {"x": 1.0})) is Verdict.OK
    return epoch


def serves(store: RedisStore) -> bool:
    with suppress(StoreAway):
        store.acquire(Owner("probe", OWNER.partition))
        everything(store)
        return True
    return False


def test_a_store_that_is_killed_is_away_and_a_restart_goes_unnoticed_by_reads(own_redis: RedisServer) -> None:
    with opened(own_redis.url) as (_, store):
        epoch, before = begin(store), everything(store)
        own_redis.kill()
        for call in (
            lambda: store.get(OWNER, ["a/x"]),
            lambda: everything(store),
            lambda: store.acquire(OWNER),
            lambda: store.clear(OWNER),
            lambda: store.commit(OWNER, epoch, {"events": (5, 6)}, Writes()),
        ):
            with pytest.raises(StoreAway, match=r"redis at 127\.0\.0\.1:"):
                call()
        own_redis.start()
        assert everything(store) == before
        own_redis.restart()
        assert store.get(OWNER, ["a/x"]) == [b"1"]
        own_redis.kill()
        own_redis.start()
        assert store.changed(OWNER, -1) == (1, ["x"])
        assert store.commit(OWNER, epoch, {"events": (5, 6)}, Writes({"a/x": b"2"})) is Verdict.OK


def test_a_store_that_hangs_is_away_within_the_timeout_and_a_late_commit_is_a_duplicate(
    own_redis: RedisServer,
) -> None:
    """A commit is not repeated by itself: it may have been carried out, and here it was."""
    with opened(own_redis.url, timeout_ms=300) as (_, store), opened(own_redis.url, timeout_ms=300) as (_, reader):
        epoch = begin(store)
        own_redis.pause()
        began = time.monotonic()
        with pytest.raises(StoreAway, match="Timeout"):
            reader.get(OWNER, ["a/x"])
        assert time.monotonic() - began < 2
        writes = Writes({"a/x": b"late"})
        with pytest.raises(StoreAway, match="Timeout"):
            store.commit(OWNER, epoch, {"events": (5, 6)}, writes)
        own_redis.resume()
        assert until(lambda: store.offsets(OWNER) == {"events": 6}, READY_S)
        assert store.commit(OWNER, epoch, {"events": (5, 6)}, writes) is Verdict.DUPLICATE
        assert store.get(OWNER, ["a/x"]) == [b"late"]


def test_a_demoted_server_is_away_until_it_is_promoted(own_redis: RedisServer) -> None:
    with opened(own_redis.url) as (client, store):
        epoch = begin(store)
        own_redis.ask("REPLICAOF", "127.0.0.1", "1")
        for call in (lambda: store.acquire(OWNER), lambda: store.commit(OWNER, epoch, {}, Writes())):
            with pytest.raises(StoreAway, match="read only"):
                call()
        assert isinstance(client, redis.Redis)
        assert client.info("clients")["connected_clients"] == 1, "the next call finds who answers to the name now"
        own_redis.ask("REPLICAOF", "NO", "ONE")
        assert store.commit(OWNER, epoch, {"events": (5, 6)}, Writes()) is Verdict.OK


@pytest.mark.parametrize(
    ("setting", "value", "undo", "code"),
    [("maxmemory", "1mb", "0", "memory"), ("min-replicas-to-write", "1", "0", "NOREPLICAS")],
)
def test_a_server_that_refuses_writes_is_away_and_half_a_commit_is_not_written(
    own_redis: RedisServer, setting: str, value: str, undo: str, code: str
) -> None:
    with opened(own_redis.url) as (_, store):
        epoch = begin(store)
        own_redis.ask("CONFIG", "SET", setting, value)
        before = everything(store)
        writes = Writes({"a/x": None, "a/y": b"1", "m/x": b"2"}, {"x": None, "y": 1.0})
        with pytest.raises(StoreAway, match=code):
            store.commit(OWNER, epoch, {"events": (5, 6)}, writes)
        assert everything(store) == before
        own_redis.ask("CONFIG", "SET", setting, undo)
        assert store.commit(OWNER, epoch, {"events": (5, 6)}, writes) is Verdict.OK


def test_somebody_elses_key_is_a_fault_and_not_an_absence(own_redis: RedisServer) -> None:
    with opened(own_redis.url) as (client, store):
        command(client, "SET", "{heat:3}:r:a", "not a hash")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            store.get(OWNER, ["a/x"])


# --- Redis Cluster


def test_a_cluster_that_is_killed_is_away_and_a_restart_goes_unnoticed_by_reads(own_cluster: RedisCluster) -> None:
    with opened(own_cluster.url) as (_, store):
        epoch, before = begin(store), everything(store)
        own_cluster.restart()
        assert everything(store) == before
        own_cluster.kill()
        for call in (
            lambda: store.get(OWNER, ["a/x"]),
            lambda: everything(store),
            lambda: store.commit(OWNER, epoch, {"events": (5, 6)}, Writes()),
        ):
            with pytest.raises(StoreAway):
                call()
        own_cluster.start()
        assert until(lambda: serves(store), READY_S)
        assert store.commit(OWNER, epoch, {"events": (5, 6)}, Writes({"a/x": b"2"})) is Verdict.OK


def test_a_node_that_is_away_takes_its_owners_along_and_new_handles_still_find_the_cluster(
    own_cluster: RedisCluster,
) -> None:
    for node in own_cluster.nodes:  # the nodes that are left go on serving their slots
        node.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
    with opened(own_cluster.url, timeout_ms=1_000) as (client, store):
        assert isinstance(client, redis.RedisCluster)
        owners = {
            client.get_node_from_key(f"{{{owner}}}:meta").port: owner for owner in (Owner("heat", i) for i in range(32))
        }
        victim = next(node for node in own_cluster.nodes if node.url != own_cluster.url)
        lost = owners.pop(victim.port())
        epochs = {owner: store.acquire(owner).epoch for owner in owners.values()}
        assert len(epochs) == 2
        victim.kill()
        with pytest.raises(StoreAway):
            store.get(lost, ["a/x"])
        with opened(own_cluster.url, timeout_ms=1_000) as (_, another):
            for handle in (store, another):
                for owner, epoch in epochs.items():
                    assert handle.commit(owner, epoch, {}, Writes({"a/x": b"1"})) is Verdict.OK
        own_cluster.start()
        assert until(lambda: serves(store), READY_S)
        assert store.acquire(lost).epoch == 1


def test_an_owner_that_moves_to_another_node_is_followed_there(own_cluster: RedisCluster) -> None:
    """While its keys are on two nodes the store is away; afterwards nothing is missing, the script included."""
    with opened(own_cluster.url) as (client, store):
        assert isinstance(client, redis.RedisCluster)
        epoch, before = begin(store), everything(store)
        slot = client.keyslot("{heat:3}:meta")
        source_port = client.get_node_from_key("{heat:3}:meta").port
        source, target, *_ = sorted(own_cluster.nodes, key=lambda node: node.port() != source_port)
        names = {node: node.ask("CLUSTER", "MYID") for node in (source, target)}
        target.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", names[source])
        source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", names[target])
        for number, key in enumerate(["meta", "rank", "changed", "classes", "r:a", "r:m"]):
            source.ask("MIGRATE", "127.0.0.1", str(target.port()), f"{{heat:3}}:{key}", "0", "5000")
            if number == 0:
                with pytest.raises(StoreAway):
                    store.commit(OWNER, epoch, {"events": (5, 6)}, Writes())
        for node in (target, source):
            node.ask("CLUSTER", "SETSLOT", str(slot), "NODE", names[target])
        assert everything(store) == before
        assert store.commit(OWNER, epoch, {"events": (5, 6)}, Writes({"a/x": b"2"})) is Verdict.OK
        assert client.get_node_from_key("{heat:3}:meta").port == target.port()
