"""The API on a cluster: durable before the answer, fresh in every process, bans and erasures behind no queue."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaProducer

from rtrec.adapters.kafka_log import KafkaLog
from rtrec.runtime.cluster.reader import read_all
from tests.cluster.api import Answer, Worker
from tests.cluster.together import Together, event, now_ms

VISIBLE_S = 10.0
"""p99 is 0.1 s (benchmarks); on a machine that others keep busy a test may not fail for it."""
WITHIN_S = 2.0
"""Until a ban, or an erasure, holds in every process."""
BACKLOG = 8_000


@pytest.fixture
def log(together: Together) -> Iterator[KafkaLog]:
    log = KafkaLog(together.settings)
    yield log
    log.close()


@pytest.fixture(autouse=True)
def _at_work(together: Together) -> None:
    together.ensure("ingest", "heat", "profile", "label", "learn")


def stored(log: KafkaLog, topic: str = "events") -> list[bytes]:
    """A whole topic."""
    return [record.value for n in range(log.partitions(topic)) for record in read_all(log, topic, n)]


def windows(worker: Worker, anchor: str) -> dict[str, Any]:
    answer = worker.get(f"/v1/anchors/{anchor}")
    return answer.document["windows"] if answer.status == 200 else {}


def gifts_of(worker: Worker, anchor: str) -> int:
    return int(windows(worker, anchor).get("gift_value", {}).get("24h", 0))


def await_gifts(together: Together, worker: Worker, anchor: str, value: int) -> None:
    """Until a process has seen so much."""
    together.until(lambda: gifts_of(worker, anchor) == value, f"{anchor} has {value} in {worker.pid}", VISIBLE_S)


def heard(what: str, seconds: float) -> None:
    """A figure of this run, for whoever looks at it with -s."""
    print(f"{what}: {1_000 * seconds:.0f} ms")  # noqa: T201


def version(worker: Worker) -> tuple[int, int] | None:
    """(epoch, examples) of the weights that serve."""
    said = worker.get("/v1/models").document["online"]["version"]
    return tuple(map(int, said.split("."))) if said else None  # type: ignore[return-value]


def test_events_are_in_kafka_before_they_are_answered(together: Together, log: KafkaLog) -> None:
    """Those that are valid, as they were sent; the others are answered with field and fault."""
    good = [event("gift", "durable", "u", value=n) for n in range(3)]
    bad = event("gift", "durable", "u", value=-5)
    began_s = time.monotonic()
    answer = together.workers[0].ask("POST", "/v1/events", {"events": [good[0], bad, *good[1:]]})
    heard("events answered after", time.monotonic() - began_s)
    found = {json.loads(value)["event_id"] for value in stored(log) if b"durable" in value}
    assert answer.status == 202
    assert answer.document["accepted"] == 3
    assert [one["index"] for one in answer.document["rejected"]] == [1]
    assert found == {one["event_id"] for one in good}


def test_lines_are_taken_too_and_by_every_process(together: Together, log: KafkaLog) -> None:
    for number, worker in enumerate(together.workers):
        lines = b"\n".join(json.dumps(event("like", f"lines{number}", "u")).encode() for _ in range(500))
        answer = worker.ask("POST", "/v1/events", lines, "application/x-ndjson")
        assert (answer.status, answer.document["accepted"]) == (202, 500)
    for number in range(len(together.workers)):
        assert sum(f'"lines{number}"'.encode() in value for value in stored(log)) == 500


def test_what_was_sent_is_seen_by_every_process_in_records_and_in_scores(together: Together) -> None:
    together.send(event("live_start", "seen", live_id="l", category="dance"))
    for value in (100, 250):
        before = gifts_of(together.workers[0], "seen")
        sent_s = time.monotonic()
        together.send(event("gift", "seen", "giver", value=value, live_id="l"))
        for worker in together.workers:
            await_gifts(together, worker, "seen", before + value)
        heard("a gift is seen by all processes after", time.monotonic() - sent_s)

    def giver(worker: Worker) -> Answer:
        return worker.get("/v1/users/giver")

    for worker in together.workers:
        together.until(lambda: giver(worker).status == 200, "the giver's record is there", VISIBLE_S)  # noqa: B023
        answer = worker.score("seen", "nobody", user_id="giver")
        seen, nobody = answer.document["scores"]
        assert answer.document["degraded"] == ["batch_model"]
        assert (seen["live"], seen["eligible"], nobody["live"]) == (True, True, False)
        assert 0 <= seen["feature_age_ms"] < 600_000
        assert nobody["feature_age_ms"] is None
        board = worker.get("/v1/hot?n=100").document["anchors"]
        assert "seen" in {one["anchor_id"] for one in board}
        items = worker.ask("POST", "/v1/recommend", {"user_id": "giver", "n": 200}).document["items"]
        assert "seen" in {one["anchor_id"] for one in items}
    last = together.workers[1]
    together.until(lambda: giver(last).document["gift_value"]["24h"] == 350, "both gifts are in it", VISIBLE_S)
    shown = giver(last).document
    assert shown["familiarity"][0]["anchor_id"] == "seen"


def test_weights_reach_every_process_and_their_version_only_grows(together: Together) -> None:
    """(epoch, examples learned), also over a learner that is replaced."""
    met: dict[int, list[tuple[int, int]]] = {worker.pid: [] for worker in together.workers}

    def newest() -> tuple[int, int]:
        """The lower of the processes' newest versions."""
        for worker in together.workers:
            met[worker.pid].append(version(worker) or (0, 0))
        return min(versions[-1] for versions in met.values())

    def learned(round_: int) -> None:
        together.settle()
        before = newest()
        for n in range(20):
            shown: dict[str, Any] = {"request_id": f"r{round_}.{n}", "surface": "feed"}
            together.send(event("impression", "seen", f"w{n}", **shown), event("click", "seen", f"w{n}", **shown))
        sent_s = time.monotonic()
        together.until(lambda: newest() > before, "new weights are everywhere", 3 * VISIBLE_S)
        heard("weights of a click are in all processes after", time.monotonic() - sent_s)

    learned(0)
    learned(1)
    epoch = newest()[0]
    together.stop("learn")
    together.ensure("learn")
    learned(2)
    together.until(lambda: newest()[0] > epoch, "the new learner's epoch is served")
    for versions in met.values():
        assert versions == sorted(versions)
    said = together.workers[0].get("/v1/models").document
    assert set(said["progress"]["heads"]) == set(together.settings.labels.heads)


def test_scored_rows_are_logged_where_the_user_belongs(together: Together, log: KafkaLog) -> None:
    """Training uses what scoring used; a guest's rows could be joined with nothing."""
    before = len(stored(log, "scored"))
    for worker in together.workers:
        assert worker.score("seen", user_id="logged").status == 200
        assert worker.score("seen").status == 200
    together.until(lambda: len(stored(log, "scored")) == before + 2, "the rows are on the topic", VISIBLE_S)


def test_a_ban_reaches_every_process_while_the_stages_are_stopped_and_events_is_behind(together: Together) -> None:
    """`control` waits behind nothing."""
    together.send(event("live_start", "banned", live_id="l"), event("gift", "banned", "u", value=10, live_id="l"))
    for worker in together.workers:
        await_gifts(together, worker, "banned", 10)
    together.stop("ingest", "heat")
    fill(together, BACKLOG)
    asker, other = together.workers
    began_s = time.monotonic()
    assert asker.ask("PUT", "/v1/anchors/banned/state", {"banned": True, "reason": "reported"}).status == 204
    assert not live(asker, "banned"), "at once where it was asked"
    together.until(lambda: not live(other, "banned"), "the ban is known to the other", WITHIN_S)
    took_s = time.monotonic() - began_s
    heard("a ban reaches every process after", took_s)
    assert took_s < WITHIN_S
    for worker in together.workers:
        score = worker.score("banned").document["scores"][0]
        assert (score["live"], score["eligible"]) == (False, False)
        assert "banned" not in {one["anchor_id"] for one in worker.get("/v1/hot?n=1000").document["anchors"]}
    assert any("ingest" in one for one in together.standing.behind())
    assert other.ask("PUT", "/v1/anchors/banned/state", {"banned": None}).status == 204
    together.until(lambda: live(asker, "banned"), "it is lifted for all", WITHIN_S)
    together.ensure("ingest", "heat")
    together.settle()


def test_an_erased_user_is_not_found_at_once_where_it_was_asked_and_soon_everywhere(together: Together) -> None:
    together.send(event("gift", "seen", "erased", value=7), event("view_start", "seen", "erased"))
    for worker in together.workers:
        together.until(lambda: worker.get("/v1/users/erased").status == 200, "the user is known", VISIBLE_S)  # noqa: B023
    asker, other = together.workers
    began_s = time.monotonic()
    assert asker.ask("DELETE", "/v1/users/erased").status == 204
    assert asker.get("/v1/users/erased").status == 404
    together.until(lambda: other.get("/v1/users/erased").status == 404, "it is not found by the other", WITHIN_S)
    took_s = time.monotonic() - began_s
    heard("an erasure reaches every process after", took_s)
    assert took_s < WITHIN_S
    late = event("gift", "seen", "erased", value=9) | {"ts_ms": now_ms() - 60_000}
    together.send(late)
    together.settle()
    assert {worker.get("/v1/users/erased").status for worker in together.workers} == {404}, (
        "a late event changes nothing"
    )


def test_many_producers_at_once_are_all_answered_and_nothing_is_doubled(together: Together, log: KafkaLog) -> None:
    """Concurrent requests share what they wait for."""
    before = len(stored(log))
    faults: list[object] = []

    def send(worker: Worker, lead: str) -> None:
        own = Worker(worker.port, worker.pid)
        for n in range(10):
            answer = own.ask("POST", "/v1/events", {"events": [event("like", f"many{n}", lead)]})
            if answer.status != 202:
                faults.append(answer)
        own.close()

    threads = [threading.Thread(target=send, args=(worker, f"p{n}")) for n, worker in enumerate(4 * together.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(stored(log)) == before + 80


def live(worker: Worker, anchor: str) -> bool:
    answer = worker.get(f"/v1/anchors/{anchor}")
    return answer.status == 200 and bool(answer.document["live"])


def fill(together: Together, events: int) -> None:
    """Put events into the topic as a producer of its own, so that INGEST is behind."""
    producer = KafkaProducer(bootstrap_servers=together.services.kafka.address, acks="all", linger_ms=20)
    for n in range(events):
        one = event("like", f"filler{n % 50}", f"f{n % 200}")
        producer.send(f"{together.settings.cluster.namespace}events", json.dumps(one).encode(), key=b"%d" % (n % 50))
    producer.flush()
    producer.close()
