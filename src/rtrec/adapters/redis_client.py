"""Connections to Redis 6.2 or newer, or Valkey: standalone or Redis Cluster, with password and TLS.

- Clients are safe to share between threads; each call has a connection of its own, kept for the next one.
- They answer in bytes, and try nothing twice: what may be repeated is its caller's to know (`redis_store` repeats
  reads). A redirection inside a cluster is followed, since nothing was carried out before it.
- RESP2 is spoken: nothing here needs RESP3, and a connection is ready two round trips earlier.
- An address, never a password, stands in messages.
"""

import os
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

from rtrec.adapters.redis_connection import Pool
from rtrec.adapters.redis_faults import StoreRefused, known
from rtrec.settings_cluster import Redis

OLDEST: Final = (6, 2)
POLICY: Final = "noeviction"

Client = redis.Redis | redis.RedisCluster


def connect(settings: Redis) -> Client:
    """Connect, and see what is there.

    Raises
    ------
    ValueError: settings that cannot be used.
    StoreRefused: password, certificate or version will not do.
    StoreAway: nobody answers.
    """
    address = _address(settings)
    options = _options(settings, address)
    where = place(address)
    client: Client = redis.Redis.from_pool(Pool.from_url(settings.url, **options))
    try:
        facts = client.info()
        _check_version(facts, where)
        if facts.get("cluster_enabled") == 1:
            client.close()
            client = _connect_cluster(settings.url, address.get("db", 0), options)
    except TypeError as error:
        client.close()
        raise ValueError(f"redis.url: {error}") from error  # an option after "?" that redis-py does not know
    except (RedisError, RedisClusterException) as error:
        client.close()
        if "SELECT" in str(error) or "DB index" in str(error):
            raise ValueError(f"redis.url: no database {address.get('db')} there: {error}") from error
        raise known(error, where) or error from error
    except (StoreRefused, ValueError):
        client.close()
        raise
    return client


def command(client: Any, *words: str | bytes | float) -> Any:
    """The answer to one command, in a cluster from the node that has its keys."""
    return client.execute_command(*words)


def place(address: dict[str, Any]) -> str:
    """Where a store is, for people.

    >>> place({"host": "db", "username": "u", "password": "secret"}), place({"path": "/run/redis.sock"})
    ('redis at db:6379', 'redis at /run/redis.sock')
    """
    host = f"{address.get('host', 'localhost')}:{address.get('port', 6379)}"
    return f"redis at {address.get('path', host)}"


def policy_fault(client: Client) -> str | None:
    """What to do about a server that may evict records; None where none does."""
    one: Any = client
    if isinstance(client, redis.RedisCluster):
        found = {node.name: one.info("memory", target_nodes=node) for node in one.get_primaries()}
    else:
        found = {"the server": one.info("memory")}
    policies = {name: facts["maxmemory_policy"] for name, facts in found.items()}
    wrong = ", ".join(f"{name} has {policy}" for name, policy in policies.items() if policy != POLICY)
    if not wrong:
        return None
    return (
        f"maxmemory-policy must be {POLICY}, or records vanish when memory is short: {wrong}. "
        f"Set `maxmemory-policy {POLICY}` in redis.conf, and now with `CONFIG SET maxmemory-policy {POLICY}`"
    )


def _address(settings: Redis) -> dict[str, Any]:
    """The URL's parts, without which nothing can be tried."""
    if not settings.url:
        raise ValueError("redis.url is empty: no store to connect to")
    try:
        return dict(parse_url(settings.url))  # type: ignore[no-untyped-call]  # redis-py has not typed it
    except ValueError as error:
        raise ValueError(f"redis.url: {error}") from error


def _options(settings: Redis, address: dict[str, Any]) -> dict[str, Any]:
    timeout_s, tls = settings.timeout_ms / 1_000, address.get("connection_class") is SSLConnection
    options: dict[str, Any] = {
        "socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "protocol": 2, "retry": Retry(NoBackoff(), 0),
    }  # fmt: skip
    if "path" not in address:
        options["socket_keepalive"] = True
    if settings.cafile:
        if not tls:
            raise ValueError("redis.cafile is set, but redis.url has no TLS: write rediss://")
        if not os.path.isfile(settings.cafile):
            raise ValueError(f"redis.cafile: no file {settings.cafile!r}")
        options["ssl_ca_certs"] = settings.cafile
    if tls:
        options["ssl_check_hostname"] = True
    return options


def _connect_cluster(url: str, database: int, options: dict[str, Any]) -> redis.RedisCluster:
    if database != 0:
        raise ValueError(f"redis.url: no database {database} there: a cluster's is 0")
    # While a node is away, the slots of the others are served.
    return redis.RedisCluster.from_url(url, require_full_coverage=False, connection_pool_class=Pool, **options)


def _check_version(facts: dict[str, Any], where: str) -> None:
    version = str(facts.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise StoreRefused(f"{where} is Redis {version}; {needed} or newer, or Valkey, is needed")
