"""Whatever a producer compresses with is read by both clients that read here, and what we send by anybody's."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as Place
from kafka import KafkaProducer

from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_publisher import Message, Publisher
from rtrec.adapters.kafka_settings import for_aiokafka, for_kafka_python
from rtrec.adapters.kafka_topics import admin_client, name
from rtrec.settings import Settings
from tests.kafka import settings_of

CODECS = ["gzip", "snappy", "lz4", "zstd", None]
TEXTS = [b'{"event_id": "%d", "type": "view_start"}' % i * 20 for i in range(500)]
WAIT_S = 60


def by_librdkafka(settings: Settings, codec: str | None) -> None:
    options = {"bootstrap.servers": settings.kafka.bootstrap, "compression.type": codec or "none", "linger.ms": 20}
    producer = Producer(options)
    for text in TEXTS:
        producer.produce(name(settings, "events"), text, partition=0)
    assert producer.flush(WAIT_S) == 0


def by_kafka_python(settings: Settings, codec: str | None) -> None:
    producer = KafkaProducer(**for_kafka_python(settings.kafka), compression_type=codec, linger_ms=20)
    for text in TEXTS:
        producer.send(name(settings, "events"), text, partition=0)
    producer.flush(WAIT_S)
    producer.close()


def by_us(settings: Settings, codec: str | None) -> None:
    async def inside() -> None:
        publisher = Publisher(settings, codec)
        await publisher.publish([Message("events", 0, text) for text in TEXTS])
        await publisher.stop()

    asyncio.run(inside())


def stored_bytes(settings: Settings) -> int:
    full = name(settings, "events")
    with admin_client(settings.kafka) as admin:
        found = admin.describe_log_dirs({full: [0]})
    topics = [topic for broker in found for folder in broker["log_dirs"] for topic in folder["topics"]]
    return sum(part["partition_size"] for topic in topics if topic["name"] == full for part in topic["partitions"])


async def read_by_aiokafka(settings: Settings) -> list[bytes]:
    place = TopicPartition(name(settings, "events"), 0)
    consumer = AIOKafkaConsumer(**for_aiokafka(settings.kafka), enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign([place])
    await consumer.start()
    found: list[bytes] = []
    try:
        async with asyncio.timeout(WAIT_S):
            while len(found) < len(TEXTS):
                found += [one.value for one in (await consumer.getmany(timeout_ms=500)).get(place, [])]
    finally:
        await consumer.stop()
    return found


def read_by_librdkafka(settings: Settings) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap, "group.id": "codecs"})
    consumer.assign([Place(name(settings, "events"), 0, 0)])
    found: list[bytes] = []
    while len(found) < len(TEXTS):
        page = consumer.consume(len(TEXTS), WAIT_S)
        assert page
        found += [one.value() for one in page]
    consumer.close()
    return found


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("produce", [by_librdkafka, by_kafka_python, by_us], ids=lambda one: one.__name__)
def test_every_codec_of_every_producer_is_read_by_every_reader(
    kafka: str, namespace: str, produce: Callable[[Settings, str | None], None], codec: str | None
) -> None:
    settings = settings_of(kafka, namespace)
    log = KafkaLog(settings)
    log.create("events", 1)
    produce(settings, codec)
    assert (stored_bytes(settings) < sum(map(len, TEXTS)) / 4) == bool(codec)
    assert asyncio.run(read_by_aiokafka(settings)) == TEXTS
    assert [record.value for record in log.read("events", 0, 0, 1_000)] == TEXTS
    assert [record.value for record in log.read("events", 0, 250, 10)] == TEXTS[250:260]
    assert read_by_librdkafka(settings) == TEXTS
    log.close()
