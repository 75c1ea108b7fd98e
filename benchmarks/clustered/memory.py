"""What a cluster's state takes in Redis, by anchor and by user: MEMORY USAGE of whole hashes over their fields.

An anchor's are its record, its words and its two places in rankings; a user's its record. What a partition has beside
them is told apart: seen ids, the gift ledger, and the people of open blocks, which expire by time and not by anchor.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import redis

from benchmarks.clustered.bed import Scenario

ANCHORS: Final = ("r:a", "r:m", "rank", "changed")
BESIDE: Final = ("r:seen", "r:ledger", "r:people")


def anchors(scenario: Scenario) -> dict[str, float]:
    """Bytes an anchor, and beside it."""
    with redis.Redis.from_url(scenario.bed.redis) as client:
        taken = _taken(client, scenario, "heat", (*ANCHORS, *BESIDE))
        count = _fields(client, scenario, "heat", "r:a")
    return {
        "anchors": count,
        "bytes_per_anchor": round(sum(taken[name] for name in ANCHORS) / count),
        **{f"{name.removeprefix('r:')}_bytes_per_anchor": round(taken[name] / count) for name in BESIDE},
    }


def users(scenario: Scenario) -> dict[str, float]:
    """Bytes a user."""
    with redis.Redis.from_url(scenario.bed.redis) as client:
        taken, count = _taken(client, scenario, "profile", ("r:u",)), _fields(client, scenario, "profile", "r:u")
    return {"users": count, "bytes_per_user": round(taken["r:u"] / count)}


def _keys(scenario: Scenario, stage: str, name: str) -> Iterable[str]:
    partitions = range(scenario.settings.cluster.partitions)
    return (f"{{{scenario.namespace}{stage}:{number}}}:{name}" for number in partitions)


def _taken(client: Any, scenario: Scenario, stage: str, names: Iterable[str]) -> Mapping[str, int]:
    """Bytes over all partitions; each value is looked at."""
    return {
        name: sum(client.memory_usage(key, samples=0) or 0 for key in _keys(scenario, stage, name)) for name in names
    }


def _fields(client: Any, scenario: Scenario, stage: str, name: str) -> int:
    return sum(client.hlen(key) for key in _keys(scenario, stage, name))
