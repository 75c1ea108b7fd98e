"""A scoring process on a real Redis and a real Kafka: what it follows, what it waits for, and what it does not."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest

from rtrec.adapters.kafka_faults import KafkaAway, KafkaRefused
from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.redis_client import command, connect
from rtrec.adapters.redis_store import RedisStore
from rtrec.learning import weights_wire
from rtrec.learning.breaker import BreakerState, Tripped
from rtrec.learning.progress import Progress
from rtrec.learning.weights import WeightsUpdate
from rtrec.ports import NewRecord, Owner, Record, Verdict
from rtrec.ranking.anchor_state import AnchorState
from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.cluster import patience
from rtrec.runtime.cluster import scorer as scorer_module
from rtrec.runtime.cluster.learn_worker import BREAKER, FIGURES, OWNER
from rtrec.runtime.cluster.scorer import Scorer, begin
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.runtime.cluster.wiring import now_ms, store_of
from rtrec.settings import Heat, Learner, Settings
from rtrec.settings_cluster import Cluster, Kafka, Redis, Registry
from rtrec.stages.control import anchor_state_message
from rtrec.stages.effects import Writes
from rtrec.stages.hops.learn import LearnHop
from services.part import free_port
from tests.unit.runtime.cluster.examples import messages
from tests.unit.runtime.cluster.rig import SOON_S
from tests.unit.runtime.cluster.stages import Stages, event, names_of

PARTITIONS = 2
TOPICS = {"events": 2, "control": 1, "weights": 1, "scored": PARTITIONS}
ANCHOR = next(names_of(0, PARTITIONS))


def eventually(condition: Callable[[], object], seconds: float = SOON_S) -> None:
    """Wait for a condition."""
    ends_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_s, "it did not come about"
        time.sleep(0.005)


@dataclass
class World:
    """A cluster without stages' processes: what they would write, the test writes."""

    settings: Settings
    log: KafkaLog
    store: RedisStore
    client: Any

    def stages(self) -> Stages:
        return Stages(self.settings, self.store)

    def scorer(self, settings: Settings | None = None, **more: Any) -> Scorer:
        return Scorer(settings or self.settings, self.store, now_ms, **more)


@pytest.fixture
def world(kafka: str, redis_url: str, namespace: str, tmp_path: Any) -> Iterator[World]:
    settings = Settings(
        kafka=Kafka(bootstrap=kafka), redis=Redis(url=redis_url), learner=Learner(slots_log2=10),
        cluster=Cluster(namespace=namespace, partitions=PARTITIONS), registry=Registry(url=str(tmp_path / "registry")),
    )  # fmt: skip
    log, client = KafkaLog(settings), connect(settings.redis)
    for topic, partitions in TOPICS.items():
        log.create(topic, partitions)
    yield World(settings, log, RedisStore(client, namespace), client)
    log.close()
    client.close()


@pytest.fixture
def away(world: World) -> Settings:
    """The same, and nobody listens where the broker should be."""
    return msgspec.structs.replace(world.settings, kafka=Kafka(bootstrap=f"127.0.0.1:{free_port()}"))


def heat_of(scorer: Scorer, anchor: str = ANCHOR) -> int:
    shown = scorer.serving.anchor(anchor)
    return 0 if shown is None else int(shown["windows"]["gift_value"]["24h"])


def gift(value: int, anchor: str = ANCHOR) -> dict[str, Any]:
    return event("gift", anchor, now_ms(), "u", value=value, live_id="l")


def weights(epoch: int, offset: int, value: float) -> list[NewRecord]:
    update = WeightsUpdate(epoch, offset, np.array([7]), np.full((1, 3), value), np.full(3, value))
    return [NewRecord(message) for message in weights_wire.encode(update)]


def test_what_stages_commit_is_followed(world: World) -> None:
    """Numbers and words of anchors, new ones and known ones, of every partition."""
    stages, scorer = world.stages(), world.scorer()
    other = next(names_of(1, PARTITIONS))
    stages.take(gift(5))
    scorer.known.follow()
    scorer._follow_anchors()
    assert heat_of(scorer) == 5
    stages.take(gift(10), gift(3, other))
    stages.take(event("anchor_profile", other, now_ms(), set={"city": "Lyon"}))
    scorer._follow_anchors()
    assert (heat_of(scorer), heat_of(scorer, other)) == (15, 3)
    assert scorer.known.view.words(other).attributes == {"city": "Lyon"}
    scorer.stop()


def test_commits_that_a_store_lost_and_made_anew_are_not_passed_over(world: World) -> None:
    """Redis that syncs each second, killed: the numbers of lost commits are given to others while nobody looks."""
    stages, scorer = world.stages(), world.scorer()
    stages.take(gift(5))
    scorer.known.follow()
    scorer._follow_anchors()
    seen = scorer._since[0]
    scorer._since[0] = seen + 5  # what it had seen is gone from the store
    stages.take(gift(10))
    assert world.store.changed_many([(Owner("heat", 0), -1)])[0][0] < scorer._since[0]
    scorer._follow_anchors()
    scorer._follow_anchors()
    assert heat_of(scorer) == 15, "numbers that went back are seen"
    scorer._since[0] += 1
    stages.take(gift(20))
    scorer._follow_anchors()
    assert heat_of(scorer) == 15, "and where they have caught up already"
    scorer._unsure = True
    scorer._follow_anchors()
    assert heat_of(scorer) == 35, "reading begins well before, after any trouble"
    scorer.stop()


def test_following_goes_on_after_errors_of_any_kind(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scorer_module, "AGAIN_S", 0.01)
    stages, scorer = world.stages(), world.scorer()
    stages.take(gift(5))
    changed, failed = world.store.changed_many, 0

    def failing(requests: Any) -> Any:
        nonlocal failed
        if failed < 2:
            failed += 1
            raise (OSError("away"), RuntimeError("odd"))[failed - 1]
        return changed(requests)

    monkeypatch.setattr(world.store, "changed_many", failing)
    with caplog.at_level(logging.WARNING):
        thread = threading.Thread(target=scorer._follow)
        thread.start()
        eventually(lambda: scorer._since[0] > 0)
    scorer._stopping.set()
    thread.join(SOON_S)
    assert heat_of(scorer) == 5
    scorer.stop()
    assert [record.levelname for record in caplog.records if "following" in record.message] == ["WARNING", "ERROR"]


def test_messages_that_cannot_be_read_take_none_after_them_along(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    banned = anchor_state_message(ANCHOR, AnchorState(banned=True), now_ms())
    world.log.append("control", 0, [NewRecord(b"{", b"k"), NewRecord(banned[1], banned[0])], 0)
    scorer = world.scorer()
    scorer.start()
    assert scorer.known.control.anchor(ANCHOR, now_ms()).banned, "at the start"
    lifted = anchor_state_message(ANCHOR, AnchorState(), now_ms())
    world.log.append("control", 0, [NewRecord(b"no JSON", b"k"), NewRecord(lifted[1], lifted[0])], 0)
    newer = msgspec.msgpack.encode((99, 1, 1, 0, 1, b"", b"", b""))
    world.log.append("weights", 0, [NewRecord(b"?"), NewRecord(newer), *weights(1, 5, 0.5)], 0)
    eventually(lambda: not scorer.known.control.anchor(ANCHOR, now_ms()).banned)
    eventually(lambda: scorer.known.weights.version == (1, 5))
    scorer.stop()
    assert "control at offset 0 is passed over" in caplog.text
    assert "use a newer rtrec" in caplog.text


def test_weights_of_lower_versions_are_refused(world: World) -> None:
    scorer = world.scorer()
    scorer.start()
    for epoch, offset, value in ((1, 50, 1.0), (2, 40, 2.0), (1, 99, 3.0), (2, 40, 4.0), (2, 41, 5.0)):
        world.log.append("weights", 0, weights(epoch, offset, value), 0)
    eventually(lambda: scorer.known.weights.version == (2, 41))
    assert scorer.known.weights.bias(0) == 5.0
    assert scorer.serving.models()["online"]["version"] == "2.41"
    scorer.stop()


def test_scores_tell_the_age_of_their_weights_and_an_open_breaker_is_shown_within_seconds(world: World) -> None:
    """Weights that are no longer published grow older in every answer; the process stays ready and says why."""
    scorer = world.scorer()
    scorer.start()
    world.log.append("weights", 0, weights(1, 50, 1.0), 0)
    eventually(lambda: scorer.known.weights.version == (1, 50))
    ages_ms = []
    for _ in range(2):
        ages_ms.append(scorer.serving.score(ScoreRequest(candidates=[ANCHOR]))["model"]["online_age_ms"])
        time.sleep(0.02)
    assert 0 <= ages_ms[0] < ages_ms[0] + 20 <= ages_ms[1] < SOON_S * 1_000
    assert (scorer.serving.ready(), scorer.serving.alarms()) == ([], [])
    opened = BreakerState(1, now_ms(), (Tripped("loss_jump", "click", 2.0, 1.0),))
    lease = world.store.acquire(OWNER)
    figures = msgspec.json.encode(Progress(["click"]).report(slices=True))
    writes = Writes(puts={BREAKER: msgspec.json.encode(opened), FIGURES: figures})
    assert world.store.commit(OWNER, lease.epoch, {}, writes) is Verdict.OK
    eventually(scorer.serving.alarms, 5.0)
    assert scorer.serving.ready() == []
    models = scorer.serving.models()
    assert (models["breaker"]["open"], models["breaker"]["tripped"][0]["figure"]) == (True, 2.0)
    assert models["progress"]["heads"]["click"]["examples"] == 0
    scorer.stop()


class Behind:
    """Side topics of which a retention took the next records away."""

    def __init__(self, *records: Record) -> None:
        self.records = records

    def since(self, _topic: str, _partition: int, offset: int) -> list[Record]:
        return [record for record in self.records if record.offset >= offset]


def test_a_scorer_that_missed_updates_begins_again_from_the_newest_snapshot(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """What moved in the updates it never saw is in the snapshot; what came after that is applied to it."""
    scorer = world.scorer()
    scorer._next["weights"] = 1
    scorer.known.publish(WeightsUpdate(1, 1, np.array([7]), np.full((1, 3), 9.0), np.zeros(3)))
    hop = LearnHop(world.settings)
    hop.take(messages(0, 4))
    Snapshots(world.settings.registry, world.settings.cluster.namespace).put(hop.snapshot(1, 6))
    stored = world.store.acquire(Owner("learn", 0))
    world.store.commit(Owner("learn", 0), stored.epoch, {"examples": (0, 4)}, Writes())
    world.log.append("weights", 0, [one for k in range(8) for one in weights(1, k, 0.0)], 0)
    newest = weights(1, 1_000, 5.0)[0].value
    behind = Behind(Record(5, 0, None, weights(1, 2, 1.0)[0].value, None), Record(6, 0, None, newest, None))
    scorer._take("weights", behind)  # type: ignore[arg-type]
    slots = hop.state.model.slots()
    index = slots[slots != 7][None].astype(np.int32)
    expected = hop.state.model.weights_of(slots[slots != 7])[:, 0]
    assert "4 updates of weights were missed" in caplog.text
    assert scorer.known.weights.version == (1, 1_000)
    assert scorer.known.weights.contributions(index, np.ones(index.shape), 0)[0].tolist() == expected.tolist()
    assert scorer.known.weights.bias(0) == 5.0
    scorer.stop()


def test_events_are_refused_within_a_bound_and_then_at_once_while_the_broker_is_away(
    world: World, away: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that wait for it are few, and none waits for another's waiting."""
    monkeypatch.setattr(scorer_module, "APPEND_S", 0.5)
    scorer = world.scorer(away)
    took_s: list[float] = []

    def send() -> None:
        began_s = time.monotonic()
        with pytest.raises(KafkaAway):
            scorer.serving.accept([b'{"anchor_id":"a"}'])
        took_s.append(time.monotonic() - began_s)

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert len(took_s) == 20
    assert max(took_s) < 0.5 + 2.0
    began_s = time.monotonic()
    for _ in range(50):
        with pytest.raises(KafkaAway, match="a moment ago"):
            scorer.serving.accept([b'{"anchor_id":"a"}'])
    with pytest.raises(KafkaAway, match="a moment ago"):
        scorer.serving.set_anchor_state(ANCHOR, {"banned": True})
    assert time.monotonic() - began_s < 0.5
    assert not scorer.known.control.anchor(ANCHOR, now_ms()).banned, "what is not durable does not hold"
    scorer.stop()


def test_logged_rows_are_dropped_and_counted_while_the_broker_is_away_and_nobody_waits(
    world: World, away: Settings
) -> None:
    world.stages().take(gift(5))
    scorer = world.scorer(away)
    scorer.known.follow()
    sender = threading.Thread(target=scorer._send_scored)
    sender.start()
    began_s = time.monotonic()
    for _ in range(20):
        scorer.serving.score(ScoreRequest(candidates=[ANCHOR], user_id="u"))
    assert time.monotonic() - began_s < 5.0
    eventually(lambda: scorer.serving.counts["dropped"] == 20)
    scorer._stopping.set()
    sender.join(SOON_S)
    assert not sender.is_alive()
    scorer.stop()


def test_an_api_without_a_topic_of_our_own_events_says_so(world: World) -> None:
    cluster = msgspec.structs.replace(world.settings.cluster, sources={"theirs": "theirs.toml"})
    scorer = world.scorer(msgspec.structs.replace(world.settings, cluster=cluster))
    with pytest.raises(KafkaRefused, match=r"cluster\.sources names no topic of our own events"):
        scorer.serving.accept([b"{}"])
    scorer.stop()


def test_settings_that_may_change_are_followed_also_while_the_store_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer_module, "SLOW_S", 0.0)
    changed = msgspec.structs.replace(world.settings, heat=Heat(weights={"views": 9.0}))
    waiting = [changed]
    scorer = world.scorer(reload=lambda: waiting.pop() if waiting else None)

    def lost(*_: Any) -> None:
        raise OSError("away")

    monkeypatch.setattr(world.store, "changed_many", lost)
    monkeypatch.setattr(world.store, "get_many", lost)
    thread = threading.Thread(target=scorer._follow)
    thread.start()
    eventually(lambda: scorer.known.settings.heat.weights == {"views": 9.0})
    scorer._stopping.set()
    thread.join(SOON_S)
    scorer.stop()


def test_it_waits_at_the_start_for_whoever_is_away_and_says_for_whom(
    world: World, away: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Store, broker and topics come one after another; it is said once each."""
    monkeypatch.setattr(patience, "AGAIN_S", 0.05)
    namespace = f"{world.settings.cluster.namespace}n-"
    cluster = msgspec.structs.replace(world.settings.cluster, namespace=namespace)
    fresh = msgspec.structs.replace(world.settings, cluster=cluster)
    no_store = msgspec.structs.replace(away, redis=Redis(url=f"redis://127.0.0.1:{free_port()}"))
    steps = [no_store, no_store, away, away, fresh, fresh]
    begun = scorer_module._begun
    monkeypatch.setattr(
        scorer_module, "_begun", lambda _, now, reload: begun(steps.pop(0) if len(steps) > 1 else steps[0], now, reload)
    )
    found: list[Scorer] = []
    thread = threading.Thread(target=lambda: found.append(begin(world.settings, now_ms, lambda: None)))
    with caplog.at_level(logging.WARNING):
        thread.start()
        eventually(lambda: f"no topic {namespace}" in caplog.text)
        log = KafkaLog(fresh)
        for topic, partitions in TOPICS.items():
            log.create(topic, partitions)
        log.close()
        thread.join(SOON_S)
    assert found
    found[0].stop()
    assert found[0].serving.ready() == []
    said = [record.message for record in caplog.records if "not ready, and waiting" in record.message]
    assert "redis at 127.0.0.1" in said[0]
    assert "no broker answers" in said[1]
    assert len(said) == len(set(said))


def test_a_read_takes_a_second_at_most(world: World) -> None:
    """`redis.timeout_ms` is for commits; a request has no such patience, and may have less."""
    patient = msgspec.structs.replace(world.settings, redis=Redis(url=world.settings.redis.url, timeout_ms=9_000))
    hasty = msgspec.structs.replace(world.settings, redis=Redis(url=world.settings.redis.url, timeout_ms=300))
    for settings, expected_s in ((patient, 1.0), (hasty, 0.3)):
        client: Any = store_of(settings, scorer_module.STORE_MS)._client
        assert client.get_connection_kwargs()["socket_timeout"] == expected_s
        assert command(client, "PING")
        client.close()
