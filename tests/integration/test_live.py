"""The live host: threads, the wall clock, and what they promise to apps that score while events come in."""

import itertools
import json
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from rtrec.features.vector import ROW, vectors
from rtrec.labels import scored
from rtrec.labels.exposure import ScoredRow
from rtrec.ranking.fuse import sigmoid
from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import EXAMPLES, SCORED, TICKS
from rtrec.runtime.journey import HEAT
from rtrec.settings import HEADS, Heat, Labels, Learner, Settings
from rtrec.stages.learn import ExampleChunk
from tests.integration.serving import Served, eventually

BOARD = 50
LEARNER = Learner(slots_log2=16)
SETTINGS = Settings(learner=LEARNER)
_numbers = itertools.count()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def event(kind: str, anchor_id: str, user_id: str | None = "u", **more: Any) -> dict[str, Any]:
    made = {"event_id": f"t{next(_numbers)}", "type": kind, "ts_ms": now_ms(), "anchor_id": anchor_id}
    return made | ({"user_id": user_id} if user_id else {}) | more


@pytest.fixture(scope="module", autouse=True)
def _kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled before any wait begins: a fresh clone's first events take seconds."""
    with Embedded.open(tmp_path_factory.mktemp("kernels") / "data", SETTINGS) as host:
        send(host, event("live_start", "a", None), event("impression", "a"), event("click", "a"))
        host.drain()


@contextmanager
def live(
    path: Path, settings: Settings = SETTINGS, reload: Callable[[], Settings | None] = lambda: None
) -> Iterator[Embedded]:
    """A host that steps in a thread of its own."""
    with Embedded.open(path, settings) as host:
        host.start(reload)
        yield host


def send(host: Embedded, *events: dict[str, Any]) -> None:
    host.serving.accept([json.dumps(one).encode() for one in events])


def scores(host: Embedded, *anchors: str, **asked: Any) -> dict[str, Any]:
    return host.serving.score(ScoreRequest(candidates=list(anchors), user_id="u", **asked))


def opened(host: Embedded, anchor_id: str) -> None:
    """A live room that scoring knows."""
    send(host, event("live_start", anchor_id, None, live_id="l"), event("gift", anchor_id, "giver", value=500))
    eventually(lambda: scores(host, anchor_id)["scores"][0]["live"])


def records(host: Embedded, topic: str) -> list[bytes]:
    log = host.folder.log
    return [record.value for record in log.read(topic, 0, 0, log.bounds(topic, 0).end)]


def logged(host: Embedded, request_id: str) -> list[ScoredRow]:
    """Rows of a request in the topic `scored`."""
    found = [scored.decode(value) for value in records(host, SCORED)]
    return [row for rows in found for row in rows if row.request_id == request_id]


def examples(host: Embedded) -> list[tuple[str, int, NDArray[Any]]]:
    """(head, label, row) of every example, in order."""
    chunks = [msgspec.msgpack.decode(value, type=ExampleChunk) for value in records(host, EXAMPLES)]
    return [
        (HEADS[head], label, row)
        for chunk in chunks
        for head, label, row in zip(chunk.heads, chunk.labels, np.frombuffer(chunk.rows, ROW), strict=True)
    ]


def test_an_example_has_the_row_that_scoring_used_bit_for_bit(tmp_path: Path) -> None:
    """The impression comes a second later by its own time, after another gift: its shadow row would be another."""
    with live(tmp_path / "data") as host:
        opened(host, "a")
        answer = scores(host, "a", "b", request_id="r1", context={"surface": "feed"})
        send(host, event("gift", "a", "giver", value=9_000))
        shown = {"ts_ms": answer["as_of_ms"] + 1_000, "surface": "feed"}
        send(host, event("impression", "a", request_id="r1", **shown), event("click", "a", request_id="r1", **shown))
        send(host, event("impression", "a", "guest", **shown), event("click", "a", "guest", **shown))
        asked, unasked = eventually(lambda: found if len(found := examples(host)) == 2 else None)
        row = next(one.row for one in logged(host, "r1") if one.anchor_id == "a")
    assert asked[:2] == unasked[:2] == ("click", 1)
    assert asked[2].tobytes() == row
    assert asked[2]["as_of_ms"] == answer["as_of_ms"]
    assert unasked[2]["as_of_ms"] == shown["ts_ms"], "nobody asked: the shadow row"


def test_the_same_request_id_is_answered_alike_and_logged_once(tmp_path: Path) -> None:
    with live(tmp_path / "data") as host:
        opened(host, "a")
        first = scores(host, "a", "b", request_id="mine")
        send(host, event("gift", "a", "giver", value=100_000))
        eventually(lambda: scores(host, "a")["scores"][0]["feature_age_ms"] < now_ms() - first["as_of_ms"])
        assert scores(host, "a", "b", request_id="mine") == first
        scores(host, "a", request_id="later")
        eventually(lambda: logged(host, "later"))
        assert [row.anchor_id for row in logged(host, "mine")] == ["a", "b"]


def test_what_was_learned_changes_scores_within_about_a_second(tmp_path: Path) -> None:
    """At most two publications (each `publish_ms`, 1 s) after the examples are durable, and under a new version."""
    with live(tmp_path / "data") as host:
        opened(host, "a")
        before = scores(host, "a")
        users = [f"u{number}" for number in range(300)]
        send(host, *(event(kind, "a", user) for user in users for kind in ("impression", "click")))
        eventually(lambda: len(examples(host)) == len(users))
        learned_s = time.monotonic()
        after = eventually(lambda: found if p_of(found := scores(host, "a")) != p_of(before) else None)
        took_s = time.monotonic() - learned_s
        assert p_of(after)["click"] > p_of(before)["click"]
        assert after["model"]["online"] != before["model"]["online"]
        assert took_s < 2 * LEARNER.publish_ms / 1_000


def p_of(answer: dict[str, Any]) -> dict[str, float]:
    return {head: one["p"] for head, one in answer["scores"][0]["heads"].items()}


def test_the_logged_row_under_the_same_weights_gives_the_answered_p(tmp_path: Path) -> None:
    """Nothing that scoring used is missing from the log."""
    with live(tmp_path / "data") as host:
        opened(host, "a")
        unlearned = scores(host, "a")["model"]["online"]
        send(host, *(event(kind, "a", f"u{number}") for number in range(50) for kind in ("impression", "click")))
        eventually(lambda: scores(host, "a")["model"]["online"] != unlearned)
        answer = scores(host, "a", "b", request_id="r", context={"surface": "feed"})
        rows = eventually(lambda: logged(host, "r"))
        weights = host.serving.known.weights
        assert weights.version is not None
        assert answer["model"]["online"] == "{}.{}".format(*weights.version)
        in_order = [next(one.row for one in rows if one.anchor_id == anchor) for anchor in ("a", "b")]
        p = sigmoid(weights.logits(*vectors(np.frombuffer(b"".join(in_order), ROW), None, LEARNER.slots_log2)))
    assert [[head["p"] for head in one["heads"].values()] for one in answer["scores"]] == p.tolist()
    assert len(set(p[:, 0])) == 2, "two anchors, two scores"


def test_labels_are_decided_when_nothing_comes_any_more(tmp_path: Path) -> None:
    """A tick, in the log, moves a quiet partition's time; without it the impression would wait for ever."""
    with live(tmp_path / "data", Settings(learner=LEARNER, labels=Labels(click_wait_ms=300))) as host:
        send(host, event("impression", "a"))
        found = eventually(lambda: examples(host))
        assert [(head, label) for head, label, _ in found] == [(head, 0) for head in host.settings.labels.heads]
        assert records(host, TICKS)


def test_new_heat_weights_rank_all_live_anchors_anew_within_5_s(tmp_path: Path) -> None:
    """3,000 anchors, none of them in the host's memory; every gift is the larger, the fewer likes."""
    anchors, at_ms, pending = 3_000, now_ms(), list[Settings]()
    by_gift = Settings(learner=LEARNER, heat=Heat(weights={"gift_value": 1.0}))
    by_likes = Settings(learner=LEARNER, heat=Heat(weights={"likes": 1.0}))
    with Embedded.open(tmp_path / "data", by_gift) as host:
        for number in range(anchors):
            name, same = f"a{number}", dict[str, Any](ts_ms=at_ms)
            host.append_lines(
                [
                    json.dumps(one).encode()
                    for one in (
                        event("live_start", name, None, lease_ms=600_000, live_id="l", **same),
                        event("gift", name, value=1 + number, **same),
                        event("like", name, count=anchors - number, **same),
                    )
                ],
                durable=False,
            )
        host.drain()
    rising = [f"a{number}" for number in range(anchors)]
    with live(tmp_path / "data", by_gift, lambda: pending.pop() if pending else None) as host:
        assert board(host) == rising[: -BOARD - 1 : -1]
        pending.append(by_likes)
        began_s = time.monotonic()
        eventually(lambda: board(host) == rising[:BOARD], 5.0)
        assert time.monotonic() - began_s < 5.0
        assert [anchor for anchor, _ in host.folder.store.top(HEAT, anchors)] == rising


def board(host: Embedded) -> list[str]:
    """The first anchors of the heat board: read from the ranking down, so that an old ranking shows."""
    return [one["anchor_id"] for one in host.serving.hot(BOARD)["anchors"]]


class Producer(threading.Thread):
    """Likes of one anchor in batches, until the server is gone. A batch is unsure if its answer never came."""

    def __init__(self, url: str, anchor: str) -> None:
        super().__init__(daemon=True)
        self.anchor, self.acknowledged, self.unsure = anchor, 0, list[dict[str, Any]]()
        self._url = url

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while True:
                self.unsure = [event("like", self.anchor, f"u{number}") for number in range(25)]
                try:
                    answer = client.post("/v1/events", json={"events": self.unsure})
                except httpx.HTTPError:
                    return
                assert answer.json()["accepted"] == 25
                self.acknowledged += 25


def test_killed_under_load_no_acknowledged_event_is_lost_or_counted_twice(tmp_path: Path) -> None:
    """SIGKILL twice while producers send; what was unsure is sent again by its ids, as a producer does."""
    served, sent = Served(tmp_path / "data"), {f"k{number}": 0 for number in range(3)}
    try:
        for _ in range(2):
            producers = under_load(served, sent)
            assert served.end(signal.SIGKILL) == -signal.SIGKILL
            for producer in producers:
                producer.join(30)
            served = Served(tmp_path / "data")
            for one in producers:
                least = sent[one.anchor] + one.acknowledged
                assert settled_likes(served, one.anchor) in (least, least + len(one.unsure))
                served.client.post("/v1/events", json={"events": one.unsure})
                sent[one.anchor] = least + len(one.unsure)
                assert settled_likes(served, one.anchor) == sent[one.anchor]
        assert served.end() == 0
    finally:
        served.kill()


def under_load(served: Served, anchors: Iterable[str]) -> list[Producer]:
    """A producer for each anchor, all well under way."""
    producers = [Producer(served.url, anchor) for anchor in anchors]
    for producer in producers:
        producer.start()
    eventually(lambda: all(one.acknowledged > 500 for one in producers), 30)
    return producers


def settled_likes(served: Served, anchor: str) -> int:
    """Likes of an anchor once everything before a last event has been counted."""
    last = f"last-{next(_numbers)}"
    served.client.post("/v1/events", json={"events": [event("share", last)]})
    eventually(lambda: served.client.get(f"/v1/anchors/{last}").status_code == 200)
    likes: int = served.client.get(f"/v1/anchors/{anchor}").json()["windows"]["likes"]["24h"]
    return likes
