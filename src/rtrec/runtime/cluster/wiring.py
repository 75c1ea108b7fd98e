"""Settings → the adapters of a cluster, wired: for the API, for commands that look at it, for rebuilds."""

import time

from rtrec.adapters.redis_client import connect
from rtrec.adapters.redis_store import RedisStore
from rtrec.settings import Settings


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def store_of(settings: Settings) -> RedisStore:
    """The state store that the settings name."""
    return RedisStore(connect(settings.redis), settings.cluster.namespace)
