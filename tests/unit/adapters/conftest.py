"""Servers of a test's own, to be killed, paused and set up otherwise."""

from collections.abc import Callable

import pytest

from services.redis_cluster import RedisCluster
from services.redis_server import RedisServer
from services.service_set import ServiceSet
from tests.services import start_or_skip


@pytest.fixture
def own_redis(isolated_services: Callable[..., ServiceSet]) -> RedisServer:
    """A Redis with an append-only file."""
    server = isolated_services().redis
    start_or_skip(server)
    return server


@pytest.fixture
def own_cluster(isolated_services: Callable[..., ServiceSet]) -> RedisCluster:
    """A Redis Cluster."""
    cluster = isolated_services().cluster
    start_or_skip(cluster)
    return cluster
