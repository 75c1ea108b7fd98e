"""How fresh is a cluster? From an event sent to Kafka to the score that shows it, weights, and lag. One JSON line.

`visible`, at 2,000 events/s through INGEST, HEAT, PROFILE, LABEL, LEARN and `rtrec serve`: a mark is a gift to an
anchor nobody has heard of, produced to Kafka; its time runs from just before that to the answer of `POST /v1/score`
whose `feature_age_ms` is not null. `weights`: from a click's impression, sent, to the first answer of `GET /v1/models`
whose version has learned its example. `lag`, at 60,000 events/s with 30 % of them on one anchor, INGEST and HEAT alone:
how far the journey is behind, looked at ten times a second. Run:
PYTHONPATH=. python benchmarks/visible_cluster.py [SECONDS] [--what visible,lag] [--rate 2000] [--burst 60000]
"""

import argparse
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Producer

from benchmarks.clustered.bed import Bed, Scenario, bed
from benchmarks.clustered.clocks import Clock
from benchmarks.clustered.lag import Lag
from benchmarks.clustered.load import copied
from benchmarks.clustered.pace import loaded
from benchmarks.clustered.processes import Stage, running, wait_for
from benchmarks.clustered.served import served
from benchmarks.visible import Marks, now_ms, quantiles
from rtrec.settings import HEADS
from rtrec.simulator.client import Client
from rtrec.stages.learn import ExampleChunk

STAGES = ("ingest", "heat", "profile", "label", "learn")
RATE, BURST, HOT = 2_000, 60_000, 0.3
# A hundred questions a second took 0.1 of the two cores that they wait for.
MARK_EVERY_S, POLL_S, GIVEN_UP_S = 0.2, 0.02, 20.0
LOOK_S, VERSION_S, SETTLE_S = 0.1, 0.1, 5.0


def main(
    seconds: float, what: Sequence[str] = ("visible", "lag"), rate: int = RATE, burst: int = BURST
) -> dict[str, Any]:
    """Measure what is asked for, on one set of servers."""
    figures: dict[str, Any] = {"seconds": seconds}
    with bed() as place:
        if "visible" in what:
            figures["visible"] = visible(place, seconds, rate)
        if "lag" in what:
            figures["lag"] = behind(place, seconds, burst)
    return figures


def visible(place: Bed, seconds: float, rate: int, stages: Sequence[str] = STAGES) -> dict[str, Any]:
    """Marks under an even load."""
    scenario = place.scenario("visible")
    with running(scenario, *stages) as workers, served(scenario) as (client, pid):
        return shown(scenario, client, {one.name: one.pid for one in workers} | {"serve": pid}, seconds, rate)


def shown(scenario: Scenario, client: Client, pids: dict[str, int], seconds: float, rate: int) -> dict[str, Any]:
    """The same where all is at work. Weights only where somebody learns."""
    place, settle_s = scenario.bed, min(SETTLE_S, seconds)
    marks = marks_of(scenario, client)
    marks.warm()
    with loaded(place.kafka, scenario.topic("events"), rate) as load, versions(client_of(client)) as seen:
        time.sleep(settle_s)
        clock, began_ms = Clock(pids | place.pids), now_ms()
        visible_ms = marks.during(seconds)
        used, ended_ms = clock.stop(1)["cores"], now_ms()
        time.sleep(settle_s)
        told = load.end()
    weights_ms = weights(scenario, seen, began_ms, ended_ms) if "learn" in pids else []
    return {
        "sent_per_s": round(told.per_s), "marks": len(visible_ms), "visible_ms": quantiles(visible_ms),
        "examples": len(weights_ms), "weights_ms": quantiles(weights_ms) if weights_ms else None,
        "late_s": round(told.late_s, 3), "cores": used,
    }  # fmt: skip


def behind(place: Bed, seconds: float, rate: int) -> dict[str, Any]:
    """Lag under a load that is skewed."""
    scenario = place.scenario("lag")
    with running(scenario, "ingest", "heat") as stages:
        return followed(scenario, stages, seconds, rate)


def followed(scenario: Scenario, stages: list[Stage], seconds: float, rate: int) -> dict[str, Any]:
    """The same where all is at work; it is worked off at the end."""
    place, lag = scenario.bed, Lag(scenario)
    with loaded(place.kafka, scenario.topic("events"), rate, HOT) as load:
        _look(lag, min(SETTLE_S, seconds))
        lag.seconds.clear()
        clock = Clock({one.name: one.pid for one in stages} | place.pids | {"sender": load.process.pid or 0})
        _look(lag, seconds)
        used, during = clock.stop(1)["cores"], list(lag.seconds)
        told = load.end()
    wait_for(lambda: lag.look() == 0.0, stages, 120.0)
    lag.close()
    return {
        "sent_per_s": round(told.per_s), "hot_share": HOT, "lag_s": quantiles(during), "late_s": round(told.late_s, 3),
        "cores": used,
    }  # fmt: skip


def _look(lag: Lag, seconds: float) -> None:
    ends = perf_counter() + seconds
    while perf_counter() < ends:
        lag.look()
        time.sleep(LOOK_S)


def marks_of(scenario: Scenario, client: Client) -> Marks:
    """Marks that are produced to Kafka."""
    topic = scenario.topic("events")
    producer = Producer({"bootstrap.servers": scenario.bed.kafka, "linger.ms": 0, "acks": "all"})

    def send(gift: dict[str, Any]) -> None:
        producer.produce(topic, json.dumps(gift).encode(), gift["anchor_id"].encode())
        producer.poll(0)

    return Marks(client, send, MARK_EVERY_S, POLL_S, GIVEN_UP_S)


Versions = list[tuple[int, int]]
"""(ms of the wall clock, examples learned by the weights that serve), where that changed."""


def client_of(client: Client) -> Client:
    """Another connection to the same server."""
    connection = client._connection  # noqa: SLF001 - the address it was made of
    return Client(f"http://{connection.host}:{connection.port}")


@contextmanager
def versions(client: Client) -> Iterator[Versions]:
    """Look at the version that serves, until the end."""
    found, stop = Versions(), threading.Event()

    def follow() -> None:
        while not stop.wait(VERSION_S):
            answer: Any = client.get("/v1/models")
            version = answer["online"]["version"]
            examples = int(version.split(".")[1]) if version else 0
            if examples and (not found or found[-1][1] != examples):
                found.append((now_ms(), examples))

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def weights(scenario: Scenario, versions: Versions, first_ms: float, last_ms: float) -> list[float]:
    """Milliseconds from impressions that were clicked to weights that have learned it; of those sent meanwhile."""
    click, at = HEADS.index("click"), 0
    found: list[float] = []
    for message in copied(scenario.bed.kafka, scenario.topic("examples")):
        chunk = msgspec.msgpack.decode(message.value, type=ExampleChunk)
        for place, (head, label, ts_ms) in enumerate(
            zip(chunk.heads, chunk.labels, np.frombuffer(chunk.ts_ms, np.int64).tolist(), strict=True)
        ):
            if head == click and label and first_ms <= ts_ms < last_ms:
                served_ms = next((ms for ms, examples in versions if examples > at + place), None)
                if served_ms is not None:
                    found.append(float(served_ms - ts_ms))
        at += len(chunk.heads)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float, default=30.0, nargs="?")
    parser.add_argument("--what", default="visible,lag")
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--burst", type=int, default=BURST)
    given = parser.parse_args()
    print(json.dumps(main(given.seconds, given.what.split(","), given.rate, given.burst)))
