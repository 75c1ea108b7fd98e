"""A scoring process of a cluster: it follows what the stages commit, and answers from memory.

Rules
-----
- Anchors are followed by the numbers of their partitions' commits: what changed since is read, every `FOLLOW_S` at
  most, and never with more than a sixth of a processor. While the store is away what is known serves, `stale`. One that
  comes back may have lost its newest commits and given their numbers to others: it is read from `LOST_COMMITS` before.
- `control` is read whole at the start, then as it comes: a ban does not wait behind events.
- Weights begin from the learner's newest snapshot that is not held, and go on with the topic `weights` from there;
  lower versions are refused, so nothing of a zombie's is taken. A learner that is away changes nothing. A scorer
  that missed some of the topic (it was cut off longer than the topic keeps) begins again from the newest snapshot.
- Events and control messages are acknowledged by Kafka before they count as stored, within `APPEND_S`; when they were
  not, whoever comes within `AWAY_S` is told so at once, and no thread waits. Logged rows that were not are dropped and
  counted.
- It is ready when it has anchors, control and weights in memory and its kernels are warm; `begin` waits for whoever is
  away meanwhile. Heat weights, ranking and variants follow the settings' file.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from rtrec.adapters.kafka_faults import KafkaAway, KafkaRefused
from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_producer import BackgroundProducer
from rtrec.adapters.kafka_publisher import Message
from rtrec.events.ids import partition_of
from rtrec.learning.weights_wire import Arriving
from rtrec.ports import FollowedStore, NewRecord, Owner, Record
from rtrec.runtime.cluster.learn_worker import BREAKER, FIGURES
from rtrec.runtime.cluster.learn_worker import OWNER as LEARN
from rtrec.runtime.cluster.patience import patiently
from rtrec.runtime.cluster.sides import Sides
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.runtime.cluster.wiring import store_of
from rtrec.runtime.knowledge import Knowledge
from rtrec.runtime.measure import Measured
from rtrec.runtime.serving import Serving
from rtrec.runtime.warm import warm
from rtrec.settings import Settings
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.hops.learn import WEIGHTS, LearnHop
from rtrec.stages.hops.profile import CONTROL
from rtrec.stages.publishing import shown

FOLLOW_S: Final = 0.02
REST_SHARE: Final = 5.0
LOST_COMMITS: Final = 1_000
STORE_MS: Final = 1_000
"""A read at most: requests read their user's record on the event loop."""
APPEND_S: Final = 5.0
AWAY_S: Final = 1.0
AGAIN_S: Final = 1.0
SLOW_S: Final = 1.0
IDLE_S: Final = 60.0
SCORED_S: Final = 0.05
"""How long logged rows wait for others: LABEL hands them to an impression that came before them, too."""
SCORED_AT_ONCE: Final = 500
SCORED: Final = "scored"
CONTROL_RECORDS: Final = 10_000
_log = logging.getLogger("rtrec.scorer")
_event_key = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Scorer:
    """One process. `serving` answers; `start` returns when it is ready.

    reload: new settings after a change, else None.
    """

    def __init__(
        self, settings: Settings, store: FollowedStore, now_ms: Callable[[], int],
        reload: Callable[[], Settings | None] = lambda: None,
    ) -> None:  # fmt: skip
        self.settings, self._store, self._reload = settings, store, reload
        self.known = Knowledge(settings, store, now_ms, settings.cluster.partitions)
        self.serving = Serving(self.known, self._append, self._append_events)
        self._log, self._producer = KafkaLog(settings), BackgroundProducer(settings)
        self._snapshots = Snapshots(settings.registry, settings.cluster.namespace)
        self._since, self._unsure = [-1] * settings.cluster.partitions, False
        self._away_s = -AWAY_S
        self._figures: bytes | None = None  # as stored: decoded once for each commit, not each second
        self._next = {CONTROL: 0, WEIGHTS: 0}
        self._arriving = Arriving()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._measured = Measured()

    def start(self) -> None:
        """Take everything into memory, warm the kernels, and follow from now on."""
        self._read_control()
        self._load_weights()
        self.known.follow()
        self._follow_anchors()
        warm()
        self.known.weights.page_in()
        for work in (self._follow, self._follow_topics, self._send_scored):
            thread = threading.Thread(target=work, name=f"rtrec{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self.serving.reasons = []

    def stop(self) -> None:
        """End; what requests logged is sent first."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=5.0)
        self._producer.close()
        self._log.close()

    def collect(self, metrics: Mapping[str, Counter | Gauge | Histogram]) -> None:
        """Bring the metrics of serving up to date; called before a scrape."""
        self._measured.collect_serving(self.serving, metrics)

    # What is stored

    def _append(self, topic: str, key: bytes, value: bytes) -> int:
        with self._broker():
            return self._producer.append(topic, 0, [NewRecord(value, key)], APPEND_S)

    def _append_events(self, events: list[bytes]) -> list[int]:
        topic = next((topic for topic, mapping in self.settings.cluster.sources.items() if not mapping), None)
        if topic is None:
            raise KafkaRefused("cluster.sources names no topic of our own events: produce into one of its topics")
        messages = [Message(topic, None, event, None, _key_of(event)) for event in events]
        with self._broker():
            return self._producer.send_all(messages, APPEND_S)

    @contextmanager
    def _broker(self) -> Iterator[None]:
        """Around what is appended: refuses at once what comes shortly after the broker was found away."""
        if time.monotonic() - self._away_s < AWAY_S:
            raise KafkaAway(f"{self.settings.kafka.bootstrap}: no broker answered a moment ago")
        try:
            yield
        except KafkaAway:
            self._away_s = time.monotonic()
            raise

    def _send_scored(self) -> None:
        queue, partitions = self.serving.queue, self.settings.cluster.partitions
        while not self._stopping.wait(SCORED_S) or queue:
            taken = [queue.popleft() for _ in range(min(len(queue), SCORED_AT_ONCE))]
            if not taken:
                continue
            messages = [Message(SCORED, partition_of(user, partitions), value) for user, value in taken]
            try:
                self._producer.send_all(messages)
            except (OSError, LookupError) as error:
                self.serving.counts["dropped"] += len(messages)
                _log.warning("logged rows of %d requests were not stored: %s", len(messages), error)

    # What is followed

    def _follow(self) -> None:
        slow_s = idle_s = time.monotonic()
        while not self._stopping.is_set():
            began_s, used_s = time.monotonic(), time.thread_time()
            try:
                if began_s - slow_s >= SLOW_S:
                    slow_s = began_s
                    self._follow_slowly()
                self._follow_anchors()
                if began_s - idle_s >= IDLE_S:
                    idle_s = began_s
                    self.known.view.drop_idle()
                pause_s = max(FOLLOW_S, REST_SHARE * (time.thread_time() - used_s))
            except Exception as error:  # noqa: BLE001 - what is known serves on, and says that it is stale
                expected = isinstance(error, OSError)
                _log.log(
                    logging.WARNING if expected else logging.ERROR, "following the store: %s; again in %.0f s", error,
                    AGAIN_S, exc_info=not expected,
                )  # fmt: skip
                pause_s, self._unsure = AGAIN_S, True
            self._stopping.wait(pause_s)

    def _follow_anchors(self) -> None:
        """Read the anchors that changed since the last time."""
        owners = [Owner("heat", partition) for partition in range(len(self._since))]
        back = LOST_COMMITS if self._unsure else 0
        since = [max(-1, number - back) for number in self._since]
        changed = self._store.changed_many(list(zip(owners, since, strict=True)))
        requests = [
            (owner, [f"{kind}/{name}" for name in names for kind in "am"])
            for owner, (_, names) in zip(owners, changed, strict=True)
        ]
        wanted = [request for request in requests if request[1]]
        for (owner, keys), values in zip(wanted, self._store.get_many(wanted), strict=True):
            self.known.view.apply(zip(keys, values, strict=True), 0, owner.partition)
        self._since = [now if now >= last else -1 for (now, _), last in zip(changed, self._since, strict=True)]
        self._unsure, self.known.followed_s = False, time.monotonic()

    def _follow_slowly(self) -> None:
        """What may be a second old: the settings, the partitions' times, the learner's figures."""
        if (settings := self._reload()) is not None:
            self.known.change(settings)
        self.known.refresh_times()
        figures, breaker = self._store.get(LEARN, [FIGURES, BREAKER])
        if figures is not None and figures != self._figures:
            self._figures, report = figures, msgspec.json.decode(figures)
            self.serving.figures = {"slots": report.pop("slots", {})}
            self.serving.progress = lambda *, slices: report  # noqa: ARG005 - they are in it
        self.serving.breaker = shown(breaker)

    def _follow_topics(self) -> None:
        asyncio.run(self._read_topics())

    async def _read_topics(self) -> None:
        sides = Sides(self.settings, lambda topic, _: self._take(topic, sides))
        for topic, offset in self._next.items():
            sides.follow(topic, 0, offset)
        sides.start()
        await asyncio.to_thread(self._stopping.wait)
        await sides.stop()

    def _take(self, topic: str, sides: Sides) -> None:
        """Take what has come of a topic."""
        records = sides.since(topic, 0, self._next[topic])
        if not records:
            return
        missed = records[0].offset - self._next[topic]
        if topic == WEIGHTS and missed > 0:
            _log.warning("%d updates of weights were missed; taking the newest snapshot", missed)
            self._load_weights()
            records = [record for record in records if record.offset >= self._next[topic]]
        if records:
            self._next[topic] = records[-1].offset + 1
        for record in records:
            self._take_one(topic, record)

    def _take_one(self, topic: str, record: Record) -> None:
        """Take one message; what cannot be read is said, and keeps nobody from the next."""
        try:
            if topic == CONTROL:
                self.known.control_changed([record.value])
            elif (update := self._arriving.add(record.value)) is not None:
                self.known.publish(update)
        except (ValueError, msgspec.MsgspecError) as error:
            _log.error("%s at offset %d is passed over: %s", topic, record.offset, error)

    # At the start

    def _read_control(self) -> None:
        start, end = self._log.bounds(CONTROL, 0)
        self._next[CONTROL] = start
        while self._next[CONTROL] < end:
            records = self._log.read(CONTROL, 0, self._next[CONTROL], CONTROL_RECORDS)
            if not records:
                break
            for record in records:
                self._take_one(CONTROL, record)
            self._next[CONTROL] = records[-1].offset + 1

    def _load_weights(self) -> None:
        """Begin from the newest snapshot, if there is one, and with the topic from where it was made."""
        snapshot = self._snapshots.newest(self._store.offsets(LEARN).get(EXAMPLES, 0), to_serve=True)
        start, end = self._log.bounds(WEIGHTS, 0)
        self._next[WEIGHTS] = start
        if snapshot is not None:
            hop = LearnHop(self.settings)
            hop.restore(snapshot)
            self.known.publish(hop.state.image(snapshot.epoch))
            self._next[WEIGHTS] = min(max(start, snapshot.weights_offset), end)


def begin(settings: Settings, now_ms: Callable[[], int], reload: Callable[[], Settings | None]) -> Scorer:
    """A scorer that is ready. Waits for store, brokers and topics, and says what for."""
    return patiently(lambda: _begun(settings, now_ms, reload))


def _begun(settings: Settings, now_ms: Callable[[], int], reload: Callable[[], Settings | None]) -> Scorer:
    scorer = Scorer(settings, store_of(settings, STORE_MS), now_ms, reload)
    try:
        scorer.start()
    except BaseException:
        scorer.stop()
        raise
    return scorer


def _key_of(event: bytes) -> bytes | None:
    """What a producer would key an event by: its anchor, else its user, as JSON has it."""
    fields: Mapping[str, Any] = _event_key(event)
    found = fields.get("anchor_id") or fields.get("user_id")
    return bytes(found) if found is not None else None
