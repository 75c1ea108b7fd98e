"""What is connected to, and what is said about settings and servers that will not do."""

from pathlib import Path

import pytest
import redis

from rtrec.adapters.redis_client import command, connect, policy_fault
from rtrec.adapters.redis_connection import PIECE_BYTES
from rtrec.adapters.redis_faults import StoreRefused, known
from rtrec.ports import StoreAway
from rtrec.settings_cluster import Redis
from services.part import free_port
from services.redis_server import RedisServer
from tests.services import start_or_skip


def test_a_cluster_is_recognised(redis_url: str, redis_cluster_url: str) -> None:
    with connect(Redis(url=redis_url)) as alone, connect(Redis(url=redis_cluster_url)) as cluster:
        assert isinstance(alone, redis.Redis)
        assert isinstance(cluster, redis.RedisCluster)
        assert (policy_fault(alone), policy_fault(cluster)) == (None, None)


def test_answers_are_bytes(redis_url: str, namespace: str) -> None:
    with connect(Redis(url=redis_url)) as client:
        command(client, "SET", f"{namespace}x", b"\xff\x00")
        assert command(client, "GET", f"{namespace}x") == b"\xff\x00"


def test_a_command_of_many_arguments_arrives_as_it_was_given(
    redis_url: str, redis_cluster_url: str, namespace: str
) -> None:
    """It travels in pieces: of every kind that is sent, empty ones and ones larger than a piece among them."""
    given = [*range(100), "é", "", b"", b"\xff\r\n", b"x" * PIECE_BYTES, 0.1, *[b"y" * 1_000] * 200]
    stored = [one if isinstance(one, bytes) else str(one).encode() for one in given]
    for url in (redis_url, redis_cluster_url):
        with connect(Redis(url=url)) as client:
            command(client, "RPUSH", f"{namespace}x", *given)
            assert command(client, "LRANGE", f"{namespace}x", 0, -1) == stored


def test_a_socket_of_this_machine(tmp_path: Path) -> None:
    socket = tmp_path / "redis.sock"
    server = RedisServer(tmp_path / "server", directives={"unixsocket": str(socket)})
    start_or_skip(server)
    try:
        with connect(Redis(url=f"unix://{socket}")) as client:
            assert command(client, "PING") is True
            assert command(client, "RPUSH", "x", *range(100)) == 100
    finally:
        server.stop()
    with pytest.raises(StoreAway, match="redis at /"):
        connect(Redis(url=f"unix://{socket}"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Redis(), "redis.url is empty"),
        (Redis(url="localhost:6379"), "redis.url: .*scheme"),
        (Redis(url="redis://localhost:port"), "redis.url: "),
        (Redis(url="redis://localhost", cafile=__file__), "write rediss://"),
        (Redis(url="rediss://localhost", cafile="/no/such/file"), "redis.cafile: no file"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: Redis, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        connect(settings)


def test_an_option_of_the_url_that_nobody_knows_is_named(redis_url: str) -> None:
    with pytest.raises(ValueError, match=r"redis\.url: .*colour"):
        connect(Redis(url=f"{redis_url}?colour=red"))


def test_a_database_that_is_not_there_is_named(redis_url: str, redis_cluster_url: str) -> None:
    for url, database in ((redis_cluster_url, 2), (redis_url, 99)):
        with pytest.raises(ValueError, match=rf"redis\.url: no database {database} there"):
            connect(Redis(url=f"{url}/{database}"))


def test_nobody_there_is_away_and_the_message_says_where_but_no_password() -> None:
    port = free_port()
    with pytest.raises(StoreAway, match=f"redis at 127.0.0.1:{port}: .*refused") as caught:
        connect(Redis(url=f"redis://user:secret@127.0.0.1:{port}"))
    assert "secret" not in str(caught.value)


def test_a_server_that_may_evict_is_named_with_what_to_do(own_redis: RedisServer) -> None:
    own_redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with connect(Redis(url=own_redis.url)) as client:
        fault = policy_fault(client)
        assert fault is not None
        assert "allkeys-lru" in fault
        assert "CONFIG SET maxmemory-policy noeviction" in fault
        own_redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert policy_fault(client) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), StoreAway),
        (redis.ResponseError("NOREPLICAS Not enough good replicas to write."), StoreAway),
        (redis.ResponseError("BUSY Redis is busy running a script."), StoreAway),
        (redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"), StoreAway),
        (redis.exceptions.ClusterDownError("The cluster is down"), StoreAway),
        (redis.exceptions.MaxConnectionsError("Too many connections"), StoreAway),
        # A script's error before Redis 7, and as a pipeline tells it.
        (
            redis.ResponseError("Error running script (call to f_0): @user_script:1: -OOM command not allowed"),
            StoreAway,
        ),
        (redis.ResponseError("Command # 1 (HMGET x) of pipeline caused error: MASTERDOWN Link is down"), StoreAway),
        (redis.AuthenticationError("invalid username-password pair"), StoreRefused),
        (redis.exceptions.NoPermissionError("no permissions to run 'evalsha'"), StoreRefused),
        (redis.ResponseError("WRONGTYPE Operation against a key"), None),
        (redis.DataError("Invalid input of type"), None),
    ],
)
def test_errors_are_what_callers_can_act_on(error: Exception, expected: type[OSError] | None) -> None:
    found = known(error, "redis at db:6379")
    assert type(found) is (expected or type(None))
    assert found is None or str(found).startswith("redis at db:6379")
