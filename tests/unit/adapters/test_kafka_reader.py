"""Reading a log with holes: transactions that were committed, aborted or are open, and what compaction leaves."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka.admin import ConfigResource

from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_topics import admin_client, name
from rtrec.ports import Bounds, NewRecord, OffsetTrimmed
from rtrec.settings import Settings
from services.process import until
from services.service_set import ServiceSet
from tests.kafka import settings_of
from tests.services import start_or_skip

WAIT_S = 60
QUICK_CLEANER = {"log.cleaner.backoff.ms": "100"}


@pytest.fixture
def settings(kafka: str, namespace: str) -> Settings:
    return settings_of(kafka, namespace)


@pytest.fixture
def log(settings: Settings) -> Iterator[KafkaLog]:
    log = KafkaLog(settings)
    yield log
    log.close()


@pytest.fixture
def transactional(settings: Settings, namespace: str) -> Iterator[Callable[..., Producer]]:
    """Makes producers with an open transaction, in which values were sent."""
    made = []

    def begin(topic: str, *values: str) -> Producer:
        options: dict[str, Any] = {
            "bootstrap.servers": settings.kafka.bootstrap,
            "transactional.id": f"{namespace}{len(made)}",
        }
        producer = Producer(options)
        made.append(producer)
        producer.init_transactions(WAIT_S)
        producer.begin_transaction()
        for value in values:
            producer.produce(name(settings, topic), value, partition=0)
        producer.flush(WAIT_S)
        return producer

    yield begin
    made.clear()


def values(log: KafkaLog, topic: str, offset: int = 0, most: int = 1_000) -> list[tuple[int, str]]:
    return [(record.offset, record.value.decode()) for record in log.read(topic, 0, offset, most)]


def ends_at(log: KafkaLog, end: int) -> None:
    """Markers are written after the answer."""
    assert until(lambda: log.bounds("events", 0).end == end, WAIT_S)


def test_what_a_transaction_left_behind_is_no_record(log: KafkaLog, transactional: Callable[..., Producer]) -> None:
    """Aborted records and markers are holes: read over at any offset, also where nothing comes after."""
    log.create("events", 1)
    log.append("events", 0, [NewRecord(b"a")], 0)
    transactional("events", "b", "c").commit_transaction(WAIT_S)  # 1, 2, marker 3
    ends_at(log, 4)
    transactional("events", "x", "y").abort_transaction(WAIT_S)  # 4, 5, marker 6
    ends_at(log, 7)
    log.append("events", 0, [NewRecord(b"d")], 0)
    transactional("events", "z").abort_transaction(WAIT_S)  # 8, marker 9
    ends_at(log, 10)
    assert values(log, "events") == [(0, "a"), (1, "b"), (2, "c"), (7, "d")]
    assert values(log, "events", 3) == values(log, "events", 5) == [(7, "d")]
    assert values(log, "events", 3, 1) == [(7, "d")]
    assert [values(log, "events", offset) for offset in (8, 9, 10)] == [[], [], []]
    with pytest.raises(OffsetTrimmed):
        log.read("events", 0, 11, 1)
    assert log.append("events", 0, [NewRecord(b"e")], 0) == 10
    assert values(log, "events", 8) == [(10, "e")]


def test_an_open_transaction_ends_the_log_until_it_is_decided(
    log: KafkaLog, transactional: Callable[..., Producer]
) -> None:
    """What stands after its first record is not there yet: nobody reads what may be taken back."""
    log.create("events", 1)
    log.append("events", 0, [NewRecord(b"a")], 0)
    open_one = transactional("events", "b")
    assert log.append("events", 0, [NewRecord(b"c")], 0) == 2
    assert (log.bounds("events", 0), values(log, "events")) == (Bounds(0, 1), [(0, "a")])
    assert values(log, "events", 1) == []
    open_one.commit_transaction(WAIT_S)
    ends_at(log, 4)
    assert values(log, "events", 1) == [(1, "b"), (2, "c")]


def test_a_compacted_topic_is_read_over_its_holes(isolated_services: Callable[..., ServiceSet], namespace: str) -> None:
    """The table's own settings of `control`, with small segments and a cleaner that hurries."""
    services = isolated_services(kafka_properties=QUICK_CLEANER)
    start_or_skip(services.kafka)
    settings = settings_of(services.kafka.address, namespace)
    log = KafkaLog(settings)
    log.create("control", 1)
    hurry = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}
    with admin_client(settings.kafka) as admin:
        admin.alter_configs([ConfigResource("TOPIC", name(settings, "control"), hurry)])
    for turn in range(6):
        log.append("control", 0, [NewRecord(b"%d" % turn, b"ada"), NewRecord(b"b%d" % turn, b"bob")], 0)

    def compacted() -> bool:  # a later append closes the segment, and the cleaner takes what is closed
        log.append("control", 0, [NewRecord(b"x", b"eve")], 0)
        return len(values(log, "control", 0, 12)) < 12 and values(log, "control")[0][0] == 10

    assert until(compacted, WAIT_S)
    end = log.bounds("control", 0).end
    assert log.bounds("control", 0).start == 0
    found = values(log, "control")
    assert found[:2] == [(10, "5"), (11, "b5")]
    assert [offset for offset, _ in found] == sorted({offset for offset, _ in found})
    for offset in (0, 3, 9):
        assert values(log, "control", offset, 1) == [(10, "5")]
    assert values(log, "control", end) == []
    log.compact("control", 0)
    with pytest.raises(ValueError, match="compacted"):
        log.trim("control", 0, 5)
    log.close()


def test_many_threads_read_many_places(log: KafkaLog) -> None:
    """More than there are consumers, each at its own pace."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    log.create("events", 4)
    for partition in range(4):
        log.append("events", partition, [NewRecord(b"%d" % i) for i in range(1_000)], 0)

    def follow(worker: int) -> list[int]:
        seen: list[int] = []
        while page := log.read("events", worker % 4, len(seen), 37 + worker):
            seen += [int(record.value) for record in page]
        return seen

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(follow, range(10))) == [list(range(1_000))] * 10
