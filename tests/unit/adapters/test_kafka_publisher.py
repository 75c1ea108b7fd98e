"""Publishing from an event loop: acknowledged, in order, whole, and going on after a message that is refused."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest
from aiokafka import TopicPartition

from rtrec.adapters.kafka_faults import KafkaAway, KafkaRefused
from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_publisher import BATCH_BYTES, LARGEST_BYTES, Message, Publisher
from rtrec.adapters.kafka_topics import name
from rtrec.ports import NewRecord, Record
from rtrec.settings import Settings
from rtrec.settings_cluster import Kafka
from tests.kafka import settings_of

T = TypeVar("T")
WAIT_S = 60


@pytest.fixture
def settings(kafka: str, namespace: str) -> Settings:
    return settings_of(kafka, namespace)


@pytest.fixture
def log(settings: Settings) -> Iterator[KafkaLog]:
    log = KafkaLog(settings)
    log.create("anchor_events", 2)
    log.create("control", 1)
    log.create("ticks", 1)
    yield log
    log.close()


def run(settings: Settings, work: Callable[[Publisher], Awaitable[T]], compression: str | None = "snappy") -> T:
    async def inside() -> T:
        publisher = Publisher(settings, compression)
        try:
            return await asyncio.wait_for(work(publisher), WAIT_S)
        finally:
            await publisher.stop()

    return asyncio.run(inside())


def stored(log: KafkaLog, topic: str, partition: int = 0) -> list[Record]:
    return [r._replace(append_ms=0) for r in log.read(topic, partition, log.bounds(topic, partition).start, 100_000)]


def test_messages_are_stored_as_they_are_where_they_should_be(settings: Settings, log: KafkaLog) -> None:
    """Offsets come back in the order of the messages; key and headers keep the difference of empty and none."""
    messages = [
        Message("anchor_events", 0, b"a"),
        Message("anchor_events", 1, b"b", b"\x00h", b"\xffk"),
        Message("control", 0, b"c", b"", b""),
        Message("anchor_events", 0, b"", None, b"k"),
    ]
    assert run(settings, lambda publisher: publisher.publish(messages)) == [0, 0, 0, 1]
    assert stored(log, "anchor_events") == [Record(0, 0, None, b"a", None), Record(1, 0, b"k", b"", None)]
    assert stored(log, "anchor_events", 1) == [Record(0, 0, b"\xffk", b"b", b"\x00h")]
    assert stored(log, "control") == [Record(0, 0, b"", b"c", b"")]


def test_nothing_to_publish_is_published(settings: Settings, log: KafkaLog) -> None:
    assert run(settings, lambda publisher: publisher.publish([])) == []
    assert log.bounds("ticks", 0).end == 0


def test_one_key_has_one_partition_whoever_chooses(settings: Settings, log: KafkaLog) -> None:
    keys = [b"k%d" % (i % 10) for i in range(200)]
    messages = [Message("anchor_events", None, b"%d" % i, key=key) for i, key in enumerate(keys)]
    run(settings, lambda publisher: publisher.publish(messages))
    found = {partition: stored(log, "anchor_events", partition) for partition in (0, 1)}
    seats = {record.key: partition for partition in found for record in found[partition]}
    assert set(seats.values()) == {0, 1}
    for partition, records in found.items():
        numbers = [int(record.value) for record in records]
        assert numbers == [i for i, key in enumerate(keys) if seats[key] == partition]


def test_calls_side_by_side_keep_each_partitions_order(settings: Settings, log: KafkaLog) -> None:
    async def work(publisher: Publisher) -> list[list[int]]:
        calls = (
            publisher.publish([Message("ticks", 0, b"%d" % i), Message("anchor_events", 1, b"x")]) for i in range(300)
        )
        return await asyncio.gather(*calls)

    offsets = run(settings, work)
    values = {record.offset: int(record.value) for record in stored(log, "ticks")}
    assert [values[offset] for offset, _ in offsets] == list(range(300))
    assert sorted(offset for _, offset in offsets) == list(range(300))


@pytest.mark.parametrize(
    ("message", "missing"),
    [(Message("nowhere", 0, b"x"), "nowhere: `rtrec topics create`"), (Message("ticks", 1, b"x"), "ticks:1")],
)
def test_a_topic_or_partition_that_is_not_there_is_named_and_nothing_sent(
    settings: Settings, log: KafkaLog, message: Message, missing: str
) -> None:
    with pytest.raises(LookupError, match=missing):
        run(settings, lambda publisher: publisher.publish([Message("ticks", 0, b"before"), message]))
    assert log.bounds("ticks", 0).end == 0


def test_a_compacted_topic_takes_no_record_without_a_key(settings: Settings, log: KafkaLog) -> None:
    """The broker would refuse it; and the record before it."""
    with pytest.raises(ValueError, match="control is compacted"):
        run(
            settings,
            lambda publisher: publisher.publish([Message("control", 0, b"1", key=b"k"), Message("control", 0, b"2")]),
        )
    with pytest.raises(ValueError, match="control is compacted"):
        run(settings, lambda publisher: publisher.append("control", 0, [NewRecord(b"1", b"k"), NewRecord(b"2")]))
    assert log.bounds("control", 0).end == 0


def test_after_a_message_that_the_broker_refuses_the_next_ones_go_out(settings: Settings, log: KafkaLog) -> None:
    """Its sequence has a hole then: the same producer would fail for ever. What was on its way elsewhere arrives."""
    too_much = Message("ticks", 0, os.urandom(2 << 20))  # 1 MiB is what a tick may have

    async def work(publisher: Publisher) -> list[int]:
        beside = asyncio.gather(*(publisher.publish([Message("anchor_events", 0, b"%d" % i)]) for i in range(100)))
        for _ in range(2):
            with pytest.raises(KafkaRefused, match=r"max\.message\.bytes"):
                await publisher.publish([Message("anchor_events", 1, b"with it"), too_much])
        assert sorted(offset for (offset,) in await beside) == list(range(100))
        return [
            *await publisher.publish([Message("ticks", 0, b"next")]),
            *await publisher.publish([Message("ticks", 0, b"!")]),
        ]

    assert run(settings, work) == [0, 1]
    assert [record.value for record in stored(log, "ticks")] == [b"next", b"!"]


def test_a_producer_whose_sequence_broke_is_replaced(settings: Settings, log: KafkaLog) -> None:
    """As after 2³¹ messages to a partition, where aiokafka's numbers end: one call fails, the next is served."""

    async def work(publisher: Publisher) -> list[int]:
        await publisher.publish([Message("ticks", 0, b"before")])
        publisher._producer._txn_manager._sequence_numbers[TopicPartition(name(settings, "ticks"), 0)] += 7
        with pytest.raises(KafkaAway, match="OutOfOrderSequenceNumber"):
            await publisher.publish([Message("ticks", 0, b"broken")])
        return await publisher.publish([Message("ticks", 0, b"after")])

    assert run(settings, work) == [1]
    assert [record.value for record in stored(log, "ticks")] == [b"before", b"after"]


def test_a_producer_whose_sender_ended_is_replaced(settings: Settings, log: KafkaLog) -> None:
    def fault(**_: object) -> None:
        raise AssertionError("a fault inside the client")

    async def work(publisher: Publisher) -> list[int]:
        await publisher.start()
        publisher._producer._message_accumulator.drain_by_nodes = fault
        for _ in range(2):  # the first ends it, and what it was to send; the second may meet the new one already
            with contextlib.suppress(KafkaAway):
                await publisher.publish([Message("ticks", 0, b"lost?")])
        return await publisher.publish([Message("ticks", 0, b"after")])

    run(settings, work)
    assert stored(log, "ticks")[-1].value == b"after"


def test_a_record_larger_than_any_topic_takes_is_refused_before_it_is_sent(settings: Settings, log: KafkaLog) -> None:
    big = bytes(LARGEST_BYTES + 1)
    with pytest.raises(KafkaRefused, match="larger"):
        run(settings, lambda publisher: publisher.publish([Message("anchor_events", 0, big)]))
    with pytest.raises(KafkaRefused, match="larger"):
        run(settings, lambda publisher: publisher.append("anchor_events", 0, [NewRecord(b"small"), NewRecord(big)]))
    assert log.bounds("anchor_events", 0).end == 0


@pytest.mark.parametrize("compression", [None, "snappy"])
def test_the_largest_chunk_fits(settings: Settings, log: KafkaLog, compression: str | None) -> None:
    """Incompressible bytes, which a codec makes longer."""
    chunk = os.urandom(LARGEST_BYTES - 1_024)
    run(settings, lambda publisher: publisher.publish([Message("anchor_events", 0, chunk)]), compression)
    assert stored(log, "anchor_events")[0].value == chunk


def test_an_append_beyond_one_message_set_is_still_in_order(settings: Settings, log: KafkaLog) -> None:
    records = [NewRecord(os.urandom(BATCH_BYTES // 3) + b"%d" % i) for i in range(10)]
    assert run(settings, lambda publisher: publisher.append("anchor_events", 0, records)) == 0
    assert [record.value for record in stored(log, "anchor_events")] == [record.value for record in records]


def test_an_append_is_in_one_piece_between_messages_of_others(settings: Settings, log: KafkaLog) -> None:
    async def work(publisher: Publisher) -> list[int]:
        singles = (publisher.publish([Message("ticks", 0, b"single")]) for _ in range(100))
        batches = (publisher.append("ticks", 0, [NewRecord(b"%d.%d" % (b, i)) for i in range(50)]) for b in range(10))
        return (await asyncio.gather(asyncio.gather(*singles), *batches))[1:]

    firsts = run(settings, work)
    values = [record.value for record in stored(log, "ticks")]
    for batch, first in enumerate(firsts):
        assert values[first : first + 50] == [b"%d.%d" % (batch, i) for i in range(50)]
    assert len(values) == 600


def test_a_caller_that_stops_waiting_disturbs_nobody(settings: Settings, log: KafkaLog) -> None:
    """A drained host cancels its turn; what it had sent is stored, and others' messages with it."""

    async def work(publisher: Publisher) -> list[int]:
        await publisher.start()
        calls = [asyncio.ensure_future(publisher.publish([Message("ticks", 0, b"%d" % i)])) for i in range(20)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended[::2])
        return [*ended[1][:0], *await publisher.publish([Message("ticks", 0, b"last")])]  # type: ignore[index]

    run(settings, work)
    values = [record.value for record in stored(log, "ticks")]
    assert values[-1] == b"last"
    assert {b"%d" % i for i in range(1, 20, 2)} <= set(values)
    assert len(values) == len(set(values))


def test_without_a_broker_the_cause_is_said(namespace: str) -> None:
    settings = settings_of(Kafka(bootstrap="127.0.0.1:1"), namespace)
    for _ in range(2):  # and again: it is not remembered
        with pytest.raises(KafkaAway, match="no broker answers"):
            run(settings, lambda publisher: publisher.publish([Message("ticks", 0, b"x")]))


def test_partitions_are_counted(settings: Settings, log: KafkaLog) -> None:
    del log
    assert run(settings, lambda publisher: publisher.partitions("anchor_events")) == 2
    with pytest.raises(LookupError, match="nowhere"):
        run(settings, lambda publisher: publisher.partitions("nowhere"))
