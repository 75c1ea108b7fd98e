"""What is read of batches in columns is what aiokafka reads of them, record by record."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from rtrec.adapters import kafka_batches
from rtrec.adapters.kafka_batches import Fetched, Pieces, read_whole
from rtrec.adapters.kafka_records import record_of
from rtrec.adapters.kafka_settings import for_aiokafka
from rtrec.adapters.kafka_topics import admin_client, ensure, name
from rtrec.settings import Settings
from rtrec.stages.messages import Record
from rtrec.stages.records import Records
from tests.kafka import settings_of

HERE = TopicPartition("t", 0)
NOW = 1_700_000_000_000
TEXT = st.binary(max_size=200)
HEADERS = st.lists(st.tuples(st.sampled_from(["h", "H", "hh", "", "é"]), st.none() | TEXT), max_size=3)
ROWS = st.lists(st.tuples(st.integers(-9, 9), st.none() | TEXT, st.none() | TEXT, HEADERS), min_size=1, max_size=6)
ONE = [(0, None, b"x", [])]
TRANSACTIONAL, CONTROL, APPEND_TIME = 0x10, 0x20, 0x08
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"


def batch(
    offset: int, rows: Sequence[Any] = ONE, codec: int = 0, more: int = 0, producer: int = -1, last: int | None = None
) -> bytes:
    """A batch as a broker stores it. rows: (ms since NOW, key, value, headers). more: attributes."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, producer, 0, 0, 1 << 24)
    for delta, (ms, key, value, headers) in enumerate(rows):
        builder.append(delta, NOW + ms, key, value, headers)
    found = bytearray(builder.build())
    found[0:8] = offset.to_bytes(8, "big")
    found[22] |= more
    if last is not None:
        found[23:27] = last.to_bytes(4, "big")
    found[17:21] = calc_crc32c(bytes(found[21:])).to_bytes(4, "big")
    return bytes(found)


def marker(offset: int, producer: int, kind: bytes) -> bytes:
    """The end of a transaction."""
    return batch(offset, [(0, kind, b"\0" * 6, [])], more=TRANSACTIONAL | CONTROL, producer=producer)


def read(data: bytes, begins: int = 0, aborted: Any = (), level: int = READ_COMMITTED) -> tuple[list[Record], int]:
    """In columns, one record after another, and where the next fetch begins."""
    pieces = Pieces(HERE, Fetched(data), aborted, begins, None, None, True, level)
    return [record for piece in pieces for record in piece], pieces.next_fetch_offset


def theirs(data: bytes, begins: int = 0, aborted: Any = (), level: int = READ_COMMITTED) -> tuple[list[Record], int]:
    """By aiokafka."""
    records = PartitionRecords(HERE, MemoryRecords(data), aborted, begins, None, None, True, level)
    return [record_of(one) for one in records], records.next_fetch_offset


@given(st.lists(ROWS, max_size=3), st.integers(0, 4), st.booleans(), st.integers(0, 20))
def test_every_record_of_every_codec_is_read_alike(parts: list[Any], codec: int, append: bool, begins: int) -> None:
    """Keys, values and headers that are there, empty or absent; from the middle of a batch on, too."""
    data, offset = b"", 0
    for rows in parts:
        data += batch(offset, rows, codec, APPEND_TIME if append else 0)
        offset += len(rows) + 2
    assert read(data, begins) == theirs(data, begins)


@pytest.mark.parametrize("level", [READ_COMMITTED, READ_UNCOMMITTED])
def test_what_a_transaction_took_back_is_read_by_nobody(level: int) -> None:
    """Two producers' transactions beside each other: one ends well, the other does not, and begins anew."""
    data = b"".join(
        [
            batch(0, more=TRANSACTIONAL, producer=1),
            batch(1, more=TRANSACTIONAL, producer=2),
            batch(2),
            marker(3, 1, ABORT),
            batch(4, more=TRANSACTIONAL, producer=1),
            marker(5, 2, COMMIT),
            marker(6, 1, COMMIT),
        ]
    )
    found, next_ = read(data, 0, [(1, 0)], level)
    assert (found, next_) == theirs(data, 0, [(1, 0)], level)
    assert [one.offset for one in found] == ([1, 2, 4] if level == READ_COMMITTED else [0, 1, 2, 4])
    assert next_ == 7


def test_the_next_fetch_begins_after_what_compaction_took_away() -> None:
    data = batch(0, last=9)
    assert read(data) == theirs(data)
    assert read(data)[1] == 10
    empty = batch(0, [], last=9)
    assert read(empty) == theirs(empty) == ([], 10)


@pytest.mark.parametrize("cut", [1, 11, 12, 60, 61])
def test_a_last_batch_that_was_cut_is_left_to_the_next_fetch(cut: int) -> None:
    data = batch(0) + batch(1)[:cut]
    assert read(data) == theirs(data)
    assert read(data)[1] == 1
    assert not Fetched(batch(0)[:cut]).has_next()
    assert (Fetched(data).has_next(), Fetched(data).size_in_bytes()) == (True, len(data))


@pytest.mark.parametrize("magic", [0, 1])
def test_batches_of_before_are_read(magic: int) -> None:
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    for offset in range(3):
        builder.append(offset, NOW, b"k", b"v%d" % offset)
    data = bytes(builder.build())
    found, next_ = read(data, 1)
    assert [(one.offset, one.key, one.value) for one in found] == [(1, b"k", b"v1"), (2, b"k", b"v2")]
    assert next_ == 3
    if magic:
        assert (found, next_) == theirs(data, 1)


def test_damage_is_said_and_nothing_of_the_batch_handed_on() -> None:
    """A wrong checksum; with a right one, records that are longer or shorter than they say, and an unknown codec."""
    good = batch(0, [(0, b"k", b"value", [("h", b"x")])])
    with pytest.raises(CorruptRecordException, match="CRC"):
        read(good[:-1] + b"\xff")
    for place in range(61, len(good)):
        for value in (0x00, 0x01, 0x7F, 0xFF):
            if place in (62, len(good) - 3):  # the record's attributes, which say nothing; the header's name
                continue
            data = bytearray(good)
            data[place] = value
            data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
            assert _outcome(read, bytes(data)) in (_outcome(theirs, bytes(data)), "corrupt")
    with pytest.raises(CorruptRecordException, match="codec, 7"):
        read(batch(0, more=7))


def _outcome(reader: Any, data: bytes) -> object:
    try:
        return reader(data)
    except (CorruptRecordException, UnicodeDecodeError):
        return "corrupt"


def test_pieces_are_bounded_and_the_position_is_that_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """By records and by bytes; a batch is never cut."""
    data = b"".join(batch(3 * number, ONE * 3) for number in range(5))
    for limit, value in (("PIECE_RECORDS", 6), ("PIECE_BYTES", 2 * len(batch(0, ONE * 3)) - 2 * 61)):
        with monkeypatch.context() as patch:
            patch.setattr(kafka_batches, limit, value)
            pieces = Pieces(HERE, Fetched(data), (), 1, None, None, True, READ_COMMITTED)
            found = [([one.offset for one in piece], pieces.next_fetch_offset) for piece in pieces]
        assert found == [([1, 2, 3, 4, 5], 6), ([6, 7, 8, 9, 10, 11], 12), ([12, 13, 14], 15)]


def test_a_consumer_reads_whole(kafka: str, namespace: str) -> None:
    """A real one: of a real broker's log, with a transaction that was aborted and one that was not."""
    settings = settings_of(kafka, namespace, 1)
    with admin_client(settings.kafka) as admin:
        ensure(settings, admin)
    topic = name(settings, "events")
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": namespace, "compression.type": "lz4"})
    producer.init_transactions()
    for number, end in enumerate(
        (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction)
    ):
        producer.begin_transaction()
        for place in range(3):
            producer.produce(topic, b"%d-%d" % (number, place), partition=0, headers={"h": b"x", "other": b"y"})
        producer.flush()
        end()
    found = asyncio.run(_consumed(settings, topic, 6))
    assert [(one.offset, one.value) for one in found] == [
        (8 * (number // 2) + place, b"%d-%d" % (number, place)) for number in (0, 2) for place in range(3)
    ]
    assert {one.headers for one in found} == {b"x"}


async def _consumed(settings: Settings, topic: str, count: int) -> list[Record]:
    consumer = AIOKafkaConsumer(
        **for_aiokafka(settings.kafka), isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    found: list[Record] = []
    try:
        read_whole(consumer._fetcher)
        consumer.assign([TopicPartition(topic, 0)])
        while len(found) < count:
            for pieces in (await consumer.getmany(timeout_ms=1_000, max_records=1)).values():
                assert all(isinstance(piece, Records) for piece in pieces)
                found += [one for piece in pieces for one in piece]
    finally:
        await consumer.stop()
    return found
