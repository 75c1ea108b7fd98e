"""Settings → the adapters of a cluster, wired: for the API, for commands that look at it, for rebuilds."""

import time

import msgspec

from rtrec.adapters.redis_client import connect
from rtrec.adapters.redis_store import RedisStore
from rtrec.settings import Settings


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def store_of(settings: Settings, most_ms: int | None = None) -> RedisStore:
    """The state store that the settings name. most_ms: bounds what the settings let a call take."""
    allowed_ms = settings.redis.timeout_ms if most_ms is None else min(most_ms, settings.redis.timeout_ms)
    redis = msgspec.structs.replace(settings.redis, timeout_ms=allowed_ms)
    return RedisStore(connect(redis), settings.cluster.namespace)
