"""Sending from threads: futures become offsets, what waits is bounded, and closing ends."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from rtrec.adapters.kafka_faults import KafkaAway, KafkaRefused
from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_producer import BackgroundProducer, BufferFull
from rtrec.adapters.kafka_publisher import Message
from rtrec.ports import NewRecord
from rtrec.settings import Settings
from rtrec.settings_cluster import Kafka
from tests.kafka import settings_of

WAIT_S = 30
NOBODY = Kafka(bootstrap="127.0.0.1:1")


@pytest.fixture
def settings(kafka: str, namespace: str) -> Settings:
    return settings_of(kafka, namespace)


@pytest.fixture
def log(settings: Settings) -> Iterator[KafkaLog]:
    log = KafkaLog(settings)
    log.create("events", 2)
    yield log
    log.close()


@pytest.fixture
def producer(settings: Settings, log: KafkaLog) -> Iterator[BackgroundProducer]:
    del log
    with BackgroundProducer(settings) as producer:
        yield producer


def values(log: KafkaLog, partition: int = 0) -> list[bytes]:
    return [record.value for record in log.read("events", partition, 0, 100_000)]


def test_a_future_becomes_the_messages_offset(producer: BackgroundProducer, log: KafkaLog) -> None:
    futures = [producer.send("events", 0, b"k", b"%d" % i, b"h") for i in range(100)]
    offsets = [future.result(WAIT_S) for future in futures]
    found = {record.offset: record for record in log.read("events", 0, 0, 1_000)}
    assert [found[offset].value for offset in offsets] == [b"%d" % i for i in range(100)]
    assert {(record.key, record.headers) for record in found.values()} == {(b"k", b"h")}


def test_many_are_acknowledged_at_once(producer: BackgroundProducer, log: KafkaLog) -> None:
    messages = [Message("events", i % 2, b"%d" % i) for i in range(1_000)]
    assert producer.send_all(messages) == [i // 2 for i in range(1_000)]
    assert values(log, 1) == [b"%d" % i for i in range(1, 1_000, 2)]
    assert producer.send_all([]) == []


def test_an_append_says_where_it_begins(producer: BackgroundProducer, log: KafkaLog) -> None:
    assert [producer.append("events", 1, [NewRecord(b"a"), NewRecord(b"b")]) for _ in range(3)] == [0, 2, 4]
    assert values(log, 1) == [b"a", b"b"] * 3
    assert producer.partitions("events") == 2


def test_threads_share_it(producer: BackgroundProducer, log: KafkaLog) -> None:
    def work(worker: int) -> list[int]:
        return [producer.send_all([Message("events", 0, b"%d.%d" % (worker, i))])[0] for i in range(50)]

    with ThreadPoolExecutor(8) as pool:
        offsets = list(pool.map(work, range(8)))
    found = values(log)
    assert [[found[offset] for offset in mine] for mine in offsets] == [
        [b"%d.%d" % (worker, i) for i in range(50)] for worker in range(8)
    ]
    assert len(found) == 400


def test_what_cannot_be_sent_fails_its_own_call_alone(producer: BackgroundProducer, log: KafkaLog) -> None:
    with pytest.raises(LookupError, match="nowhere"):
        producer.send("nowhere", 0, None, b"x").result(WAIT_S)
    with pytest.raises(KafkaRefused, match="larger"):
        producer.append("events", 0, [NewRecord(bytes(20 << 20))])
    assert producer.send_all([Message("events", 0, b"x")]) == [0]
    assert values(log) == [b"x"]


def test_no_more_waits_than_was_said(settings: Settings, log: KafkaLog) -> None:
    """One message may be larger than the room; the next one waits until it is acknowledged."""
    with BackgroundProducer(settings, buffer_bytes=10_000) as producer:
        large = producer.send("events", 0, None, bytes(1 << 20))
        with pytest.raises(BufferFull, match="10,000"):
            producer.send("events", 0, None, b"x")
        second = producer.send("events", 0, None, b"y", wait_s=WAIT_S)
        assert (large.result(WAIT_S), second.result(WAIT_S)) == (0, 1)
    assert [len(value) for value in values(log)] == [1 << 20, 1]


def test_room_comes_back_when_nobody_waits_for_the_answer(namespace: str) -> None:
    """A broker that is away fills the room no longer than the calls last."""
    with BackgroundProducer(settings_of(NOBODY, namespace), buffer_bytes=10_000) as producer:
        for _ in range(50):
            with pytest.raises(KafkaAway, match="no broker answers"):
                producer.send_all([Message("events", 0, bytes(9_000))])


def test_after_closing_nothing_is_taken_and_closing_again_is_nothing(settings: Settings, log: KafkaLog) -> None:
    producer = BackgroundProducer(settings)
    futures = [producer.send("events", 0, None, b"%d" % i) for i in range(200)]
    producer.close()
    producer.close()
    assert sorted(future.result(0) for future in futures) == list(range(200))
    assert len(values(log)) == 200
    with pytest.raises(KafkaAway, match="closed"):
        producer.send("events", 0, None, b"x")
    with pytest.raises(KafkaAway, match="closed"):
        producer.send_all([Message("events", 0, b"x")])
    assert "rtrec-kafka-producer" not in {thread.name for thread in threading.enumerate()}
