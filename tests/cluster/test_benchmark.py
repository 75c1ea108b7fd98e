"""The cluster's benchmarks run, at a size that says nothing of speed: they end, and their counts fit."""

import pytest

from benchmarks import cluster, visible_cluster
from benchmarks.clustered.bed import bed
from benchmarks.clustered.processes import running
from benchmarks.clustered.served import served

EVENTS = 20_000


@pytest.fixture(autouse=True)
def _servers(kafka: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's, which benchmarks take where they are named."""
    monkeypatch.setenv("RTREC_KAFKA", kafka)
    monkeypatch.setenv("RTREC_REDIS", redis_url)


def test_the_benchmark_of_the_journey_ends_and_its_counts_fit() -> None:
    """Everything sent is covered by what HEAT has committed; each anchor and user takes some memory."""
    figures = cluster.main(EVENTS, ["both", "memory", "peers"], ["faust"])
    (both,) = figures["both"]
    assert figures["events"] == EVENTS
    assert both["events_per_s"] > 0
    assert {"ingest", "heat", "redis"} <= both["cpu_us_per_event"].keys()
    assert 500 < figures["memory"]["anchors"] <= 2_000
    assert 500 < figures["memory"]["users"] <= 20_000
    assert 100 < figures["memory"]["bytes_per_anchor"] < 10_000
    assert 100 < figures["memory"]["bytes_per_user"] < 10_000
    assert figures["peers"]["faust"]["events"] == 10_000


def test_the_benchmark_of_freshness_ends_and_its_counts_fit() -> None:
    """A load that is skewed is worked off, and marks become visible; whoever learns is left to the named size."""
    with bed() as place:
        scenario = place.scenario("fresh")
        with running(scenario, "ingest", "heat") as stages, served(scenario) as (client, _):
            lag = visible_cluster.followed(scenario, stages, 2.0, 1_000)
            found = visible_cluster.shown(scenario, client, {}, 2.0, 300)
    assert lag["sent_per_s"] > 0
    assert 0 <= lag["lag_s"]["p50"] <= lag["lag_s"]["max"]
    assert found["marks"] > 0
    assert 0 < found["visible_ms"]["p50"] <= found["visible_ms"]["max"]
