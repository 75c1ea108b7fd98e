"""A broker that is killed, frozen and restarted: nothing acknowledged is lost, nothing is stored twice, all ends."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from rtrec.adapters.kafka_faults import KafkaAway
from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_producer import BackgroundProducer, BufferFull
from rtrec.adapters.kafka_publisher import Message, Publisher
from rtrec.ports import NewRecord
from rtrec.settings import Settings
from services.kafka_broker import KafkaBroker
from tests.kafka import settings_of
from tests.services import Session, start_or_skip

WAIT_S = 60


@pytest.fixture(scope="module")
def own_broker(service_session: Session) -> Iterator[KafkaBroker]:
    broker = service_session.isolated().kafka
    yield broker
    broker.kill()


@pytest.fixture
def broker(own_broker: KafkaBroker) -> KafkaBroker:
    """Running, whatever was done to it before."""
    start_or_skip(own_broker)
    return own_broker


@pytest.fixture
def settings(broker: KafkaBroker, namespace: str) -> Settings:
    return settings_of(broker.address, namespace)


@pytest.fixture
def log(settings: Settings) -> Iterator[KafkaLog]:
    log = KafkaLog(settings)
    log.create("events", 2)
    log.create("ticks", 1)
    yield log
    log.close()


def values(log: KafkaLog, topic: str = "events", partition: int = 0) -> list[bytes]:
    """As soon as the broker is back."""
    end_s = time.monotonic() + WAIT_S
    while True:
        try:
            return [record.value for record in log.read(topic, partition, 0, 100_000)]
        except KafkaAway:
            if time.monotonic() > end_s:
                raise


def test_a_broker_that_is_away_for_a_while_costs_time_alone(
    broker: KafkaBroker, settings: Settings, log: KafkaLog
) -> None:
    """Killed under load and started again: each message once and in order; calls have waited.

    Then it is frozen: who gives up waiting is told so, and the next call goes on when it thaws.
    """

    async def work() -> int:
        publisher, sent = Publisher(settings), 0
        restarting = asyncio.ensure_future(asyncio.to_thread(kill_and_start, broker))
        while not restarting.done() or sent % 500:
            await asyncio.wait_for(publisher.publish([Message("events", i, b"%d" % sent) for i in (0, 1)]), WAIT_S)
            sent += 1
        await restarting
        broker.pause()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(publisher.publish([Message("ticks", 0, b"given up")]), 1)
        broker.resume()
        await asyncio.wait_for(publisher.publish([Message("ticks", 0, b"next")]), WAIT_S)
        await publisher.stop()
        return sent

    sent = asyncio.run(work())
    assert values(log) == values(log, partition=1) == [b"%d" % i for i in range(sent)]
    assert values(log, "ticks") == [b"given up", b"next"]


def kill_and_start(broker: KafkaBroker) -> None:
    time.sleep(0.3)  # some messages before
    broker.kill()
    broker.start()


def test_threads_are_held_up_told_and_served_again(broker: KafkaBroker, settings: Settings, log: KafkaLog) -> None:
    with BackgroundProducer(settings, buffer_bytes=100_000) as producer:
        assert producer.append("ticks", 0, [NewRecord(b"before")]) == 0
        broker.kill()
        with pytest.raises(KafkaAway, match="may still be stored"):
            producer.append("ticks", 0, [NewRecord(b"during")], timeout_s=1)
        waiting = [producer.send("events", 0, None, b"%d" % i * 10) for i in range(100)]
        with pytest.raises(BufferFull):
            producer.send("events", 0, None, bytes(90_000))
        with pytest.raises(KafkaAway):
            log.read("events", 0, 0, 1)
        broker.start()
        assert sorted(future.result(WAIT_S) for future in waiting) == list(range(100))
        producer.append("ticks", 0, [NewRecord(b"after")], timeout_s=WAIT_S)
    found = values(log, "ticks")
    assert found[0] == b"before"
    assert found[-1] == b"after"
    assert len(found) == len(set(found))
    assert len(values(log)) == 100
    log.close()


def test_closing_while_the_broker_is_away_ends_in_time(broker: KafkaBroker, settings: Settings, log: KafkaLog) -> None:
    """A worker that is told to end has 10 s; aiokafka's own `stop` would wait until the broker comes back."""
    producer = BackgroundProducer(settings)
    producer.append("ticks", 0, [NewRecord(b"before")])
    broker.kill()
    left = [producer.send("ticks", 0, None, b"left") for _ in range(3)]
    began_s = time.monotonic()
    producer.close(timeout_s=1)
    log.close()
    assert time.monotonic() - began_s < 8
    assert all(future.done() for future in left)
