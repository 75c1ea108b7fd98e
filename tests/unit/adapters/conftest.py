"""Servers of a test's own, to be killed, paused and set up otherwise.

They sync their append-only file before they answer: what was acknowledged is there after a kill.
"""

from collections.abc import Callable

import pytest

from services.redis_cluster import RedisCluster
from services.redis_server import RedisServer
from services.service_set import ServiceSet
from tests.services import start_or_skip

SYNCED = {"appendfsync": "always"}


@pytest.fixture
def own_redis(isolated_services: Callable[..., ServiceSet]) -> RedisServer:
    """A Redis."""
    server = isolated_services().redis
    server.directives |= SYNCED
    start_or_skip(server)
    return server


@pytest.fixture
def own_cluster(isolated_services: Callable[..., ServiceSet]) -> RedisCluster:
    """A Redis Cluster."""
    cluster = isolated_services().cluster
    for node in cluster.nodes:
        node.directives |= SYNCED
    start_or_skip(cluster)
    return cluster
