"""Store and brokers are killed and hang under load: scores go on and say so, everything comes back by itself."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.cluster.api import Answer, Worker
from tests.cluster.producers import Producers
from tests.cluster.standing import MAIN
from tests.cluster.together import Together, event

AWAY_S = 30.0 if os.environ.get("RTREC_SOAK") else 5.0
LINES = 1_500
SOON_S = 1.5
"""A score while the store hangs: one may wait for a read's timeout, a second."""
REFUSED_S = 12.0
"""Events while the broker is away: 5 s, and as long again for who waits for those; on a busy machine a little more."""
_seeds = iter(range(100, 200))


@pytest.fixture(autouse=True)
def _at_work(together: Together) -> Iterator[None]:
    """All is at work, and nothing ends or begins anew but by a test."""
    together.ensure(*MAIN)
    together.send(event("live_start", "star", live_id="l"), event("gift", "star", "fan", value=5, live_id="l"))
    together.until(lambda: together.workers[0].get("/v1/users/fan").status == 200, "the fan is known")
    pids = [worker.pid for worker in together.workers]
    yield
    assert together.fleet.fallen() == []
    assert [worker.pid for worker in together.api.await_ready()] == pids
    assert not [one.name for one in together.fleet.workers if not one.ended and "beginning anew" in one.log]


@contextmanager
def load(together: Together) -> Iterator[None]:
    """Three producers send a story meanwhile; afterwards everything is worked off. The last test looks at it all."""
    producers = Producers(together.services.kafka.address, f"{together.settings.cluster.namespace}events")
    since = together.standing.offsets("heat")
    feeding = producers.begin(together.story(next(_seeds), LINES))
    together.until(lambda: together.standing.moved("heat", since), "the story is worked on")
    yield
    feeding.end()
    producers.close()
    together.settle()


@dataclass
class Watching:
    """Asks a process for scores again and again."""

    worker: Worker
    answers: list[Answer] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopping.wait(0.02):
            self.answers.append(self.worker.score("star", "nobody", user_id="fan"))

    @property
    def degraded(self) -> set[str]:
        """What was missing in the newest answer."""
        return set(self.answers[-1].document["degraded"]) if self.answers else set()

    def next(self) -> Answer:
        """An answer that was begun after this call."""
        met, ends_s = len(self.answers), time.monotonic() + 60.0
        while len(self.answers) < met + 2:
            assert time.monotonic() < ends_s
            time.sleep(0.005)
        return self.answers[-1]


@contextmanager
def watched(together: Together) -> Iterator[list[Watching]]:
    """Every process is asked all the while, and answers every time."""
    watching = [Watching(Worker(worker.port, worker.pid)) for worker in together.workers]
    threads = [threading.Thread(target=one.run, daemon=True) for one in watching]
    for thread in threads:
        thread.start()
    try:
        yield watching
    finally:
        for one in watching:
            one.stopping.set()
        for thread in threads:
            thread.join(60.0)
    for one in watching:
        assert Counter(answer.status for answer in one.answers).keys() == {200}
        slowest_s = max(answer.took_s for answer in one.answers)
        print(f"{len(one.answers)} scores, the slowest took {1_000 * slowest_s:.0f} ms")  # noqa: T201


def await_well(together: Together, watching: list[Watching]) -> None:
    """Until nothing is missing in any answer."""
    began_s = time.monotonic()
    for one in watching:
        together.until(lambda: one.degraded == {"batch_model"}, "nothing is missing")  # noqa: B023
    print(f"all well after {time.monotonic() - began_s:.1f} s")  # noqa: T201


def await_said(together: Together, watching: list[Watching], missing: set[str]) -> None:
    """Until every process says what is missing."""
    began_s = time.monotonic()
    for one in watching:
        together.until(lambda: missing <= one.degraded, "it is said")  # noqa: B023
    print(f"both say that features are stale after {time.monotonic() - began_s:.1f} s")  # noqa: T201


def sends(worker: Worker) -> bool:
    """Whether a process takes events."""
    return worker.ask("POST", "/v1/events", {"events": [event("like", "star", "fan")]}).status == 202


def away_since(began_s: float) -> None:
    """Let an outage last as long as it is to."""
    time.sleep(max(0.0, AWAY_S - (time.monotonic() - began_s)))


def test_a_store_that_is_killed_leaves_scores_that_say_so_and_comes_back_by_itself(together: Together) -> None:
    redis = together.services.redis
    with load(together), watched(together) as watching:
        await_well(together, watching)
        began_s = time.monotonic()
        redis.kill()
        await_said(together, watching, {"stale_features", "store", "user_record"})
        worker = together.workers[0]
        assert worker.get("/v1/hot").document["anchors"]
        assert worker.get("/v1/anchors/star").document["windows"]["gift_value"]["24h"] >= 5
        assert worker.ask("POST", "/v1/recommend", {"user_id": "fan", "n": 3}).status == 200
        unknown = worker.get("/v1/users/fan")
        assert (unknown.status, unknown.headers["retry-after"]) == (503, "1")
        assert unknown.headers["content-type"] == "application/problem+json"
        assert worker.ask("POST", "/v1/events", {"events": [event("like", "star", "fan")]}).status == 202
        assert worker.get("/readyz").status == 200
        away_since(began_s)
        redis.start()
        await_well(together, watching)


def test_a_store_that_hangs_holds_no_score_up_for_long(together: Together) -> None:
    """A machine that is frozen: connections stand, nothing answers."""
    redis = together.services.redis
    with load(together), watched(together) as watching:
        await_well(together, watching)
        redis.pause()
        try:
            await_said(together, watching, {"stale_features", "store"})
            met = [len(one.answers) for one in watching]
            together.until(
                lambda: all(len(one.answers) > 20 + before for one, before in zip(watching, met, strict=True)),
                "once it is known to be away nobody waits for it",
            )
            for one, before in zip(watching, met, strict=True):
                assert max(answer.took_s for answer in one.answers[before + 1 :]) < SOON_S
        finally:
            redis.resume()
        await_well(together, watching)


def test_a_broker_that_is_killed_has_events_refused_within_a_bound_and_scores_go_on(together: Together) -> None:
    kafka = together.services.kafka
    with load(together), watched(together) as watching:
        await_well(together, watching)
        began_s = time.monotonic()
        kafka.kill()
        worker, other = together.workers
        for path, method, body in (
            ("/v1/events", "POST", {"events": [event("like", "star", "fan")]}),
            ("/v1/events", "POST", {"events": [event("like", "star", "fan")]}),
            ("/v1/anchors/star/state", "PUT", {"banned": True}),
            ("/v1/users/fan", "DELETE", None),
        ):
            refused = worker.ask(method, path, body)
            print(f"{method} {path}: {refused.status} after {refused.took_s:.2f} s")  # noqa: T201
            assert (refused.status, refused.headers["retry-after"]) == (503, "1"), refused
            assert refused.took_s < REFUSED_S
        assert other.get("/v1/anchors/star").document["state"]["banned"] is False, "what is not durable does not hold"
        for one in watching:
            assert one.next().document["degraded"] == ["batch_model"], "the store is there: nothing is stale"
        away_since(began_s)
        kafka.start()
        for each in together.workers:
            together.until(lambda: sends(each), "events are taken again")  # noqa: B023
        assert worker.ask("PUT", "/v1/anchors/star/state", {"mode": "pk"}).status == 204
        together.until(lambda: other.get("/v1/anchors/star").document["state"]["mode"] == "pk", "control is followed")


def test_nothing_was_lost_or_doubled_by_any_of_this(together: Together) -> None:
    """All windows of all anchors, and what is handed on, by brute force over all that was ever sent."""
    together.settle()
    assert together.differences()[:3] == []
