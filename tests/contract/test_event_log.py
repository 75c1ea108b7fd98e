"""The event log's contract: what every adapter promises (`rtrec.ports`, *Rules of the log*)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event
from time import time_ns

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtrec.ports import Bounds, EventLog, NewRecord, OffsetTrimmed, Record
from tests.contract.handles import Handles
from tests.contract.records import BINARY, NOW_MS, numbered, read_all, timeless, values

FRESH = count()
CLOCKS_DIFFER_MS = 60_000

new_records = st.builds(
    NewRecord,
    value=st.binary(max_size=64),
    key=st.none() | st.binary(max_size=8),
    headers=st.none() | st.binary(max_size=8),
)


# --- topics


def test_a_topic_has_the_partitions_it_was_made_with(log: EventLog) -> None:
    log.create("events", 3)
    assert log.partitions("events") == 3
    assert [log.bounds("events", partition) for partition in range(3)] == [Bounds(0, 0)] * 3


def test_making_a_topic_again_changes_nothing(log: EventLog) -> None:
    log.create("events", 2)
    log.append("events", 1, values("a"), NOW_MS)
    log.create("events", 2)
    assert log.bounds("events", 1) == Bounds(0, 1)


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_topic_that_stands_with_other_partitions_is_refused(log: EventLog, partitions: int) -> None:
    log.create("events", 2)
    with pytest.raises(ValueError, match="events"):
        log.create("events", partitions)
    assert log.partitions("events") == 2


def test_a_topic_without_partitions_is_refused(log: EventLog) -> None:
    with pytest.raises(ValueError, match="events"):
        log.create("events", 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda log: log.partitions("nowhere"),
        lambda log: log.bounds("nowhere", 0),
        lambda log: log.read("nowhere", 0, 0, 1),
        lambda log: log.append("nowhere", 0, values("a"), NOW_MS),
        lambda log: log.trim("nowhere", 0, 1),
        lambda log: log.compact("nowhere", 0),
        lambda log: log.read("events", 2, 0, 1),
        lambda log: log.append("events", -1, values("a"), NOW_MS),
    ],
)
def test_an_unknown_topic_or_partition_is_a_lookup_error(log: EventLog, call: Callable[[EventLog], object]) -> None:
    log.create("events", 2)
    with pytest.raises(LookupError) as caught:
        call(log)
    assert not isinstance(caught.value, OffsetTrimmed)


# --- append and read


def test_offsets_of_each_partition_grow_by_one_from_zero(log: EventLog) -> None:
    log.create("events", 2)
    assert log.append("events", 0, values("a", "b"), NOW_MS) == 0
    assert log.append("events", 1, values("x"), NOW_MS) == 0
    assert log.append("events", 0, values("c"), NOW_MS) == 2
    assert [(r.offset, r.value) for r in read_all(log, "events", 0)] == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert [(r.offset, r.value) for r in read_all(log, "events", 1)] == [(0, b"x")]


def test_topics_do_not_share_offsets(log: EventLog) -> None:
    log.create("events", 1)
    log.create("scored", 1)
    log.append("events", 0, values("a", "b"), NOW_MS)
    assert log.append("scored", 0, values("c"), NOW_MS) == 0
    assert [r.value for r in read_all(log, "scored")] == [b"c"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(new_records, max_size=5), max_size=5), size=st.integers(1, 7))
def test_what_is_read_is_what_was_appended(log: EventLog, batches: list[list[NewRecord]], size: int) -> None:
    """Key, value and headers come back byte for byte, however the reader pages."""
    topic = f"t{next(FRESH)}"
    log.create(topic, 1)
    expected: list[Record] = []
    for batch in batches:
        assert log.append(topic, 0, batch, NOW_MS) == len(expected)
        expected += [
            Record(offset, 0, new.key, new.value, new.headers) for offset, new in enumerate(batch, len(expected))
        ]
    assert timeless(read_all(log, topic, size=size)) == expected
    assert log.bounds(topic, 0) == Bounds(0, len(expected))


def test_records_carry_the_time_they_were_appended_at(log: EventLog) -> None:
    """The caller's wall clock or the log's own, which may be another machine's; it never goes back."""
    log.create("events", 1)
    told = []
    for _ in range(3):
        told.append(time_ns() // 1_000_000)
        log.append("events", 0, values("a", "b"), told[-1])
    times = [record.append_ms for record in read_all(log, "events")]
    assert times == sorted(times)
    assert all(abs(time - now) < CLOCKS_DIFFER_MS for time, now in zip(times[::2], told, strict=True))


def test_an_empty_append_moves_nothing(log: EventLog) -> None:
    log.create("events", 1)
    log.append("events", 0, values("a"), NOW_MS)
    assert log.append("events", 0, [], NOW_MS) == 1
    assert log.bounds("events", 0) == Bounds(0, 1)


@pytest.mark.parametrize("size", [100 * 1024, 900 * 1024])
def test_big_values_and_binary_keys_survive(log: EventLog, size: int) -> None:
    big = bytes(range(256)) * (size // 256)
    log.create("events", 1)
    log.append("events", 0, [NewRecord(big, BINARY, BINARY), NewRecord(b"", b"", b""), NewRecord(b"")], NOW_MS)
    assert timeless(log.read("events", 0, 0, 3)) == [
        Record(0, 0, BINARY, big, BINARY),
        Record(1, 0, b"", b"", b""),
        Record(2, 0, None, b"", None),
    ]


def test_a_read_is_bounded_and_starts_where_it_was_asked(log: EventLog) -> None:
    log.create("events", 1)
    log.append("events", 0, numbered(0, 10), NOW_MS)
    assert [r.offset for r in log.read("events", 0, 4, 3)] == [4, 5, 6]
    assert [r.offset for r in log.read("events", 0, 8, 100)] == [8, 9]


def test_a_read_at_the_end_is_empty_until_more_is_appended(log: EventLog) -> None:
    log.create("events", 1)
    assert log.read("events", 0, 0, 10) == []
    log.append("events", 0, values("a"), NOW_MS)
    assert log.read("events", 0, 1, 10) == []
    log.append("events", 0, values("b"), NOW_MS)
    assert [r.value for r in log.read("events", 0, 1, 10)] == [b"b"]


@pytest.mark.parametrize("offset", [-1, 4, 1_000_000])
def test_an_offset_that_the_log_never_had_is_an_alarm(log: EventLog, offset: int) -> None:
    log.create("events", 2)
    log.append("events", 0, values("a", "b", "c"), NOW_MS)
    log.append("events", 1, numbered(0, 10), NOW_MS)
    with pytest.raises(OffsetTrimmed):
        log.read("events", 0, offset, 10)


def test_everything_stands_after_a_reopen(logs: Handles[EventLog]) -> None:
    log = logs.open()
    log.create("events", 2)
    log.append("events", 1, values("a", "b"), NOW_MS)
    before = read_all(log, "events", 1)
    log = logs.reopen()
    assert log.partitions("events") == 2
    assert read_all(log, "events", 1) == before
    assert log.append("events", 1, values("c"), NOW_MS) == 2


# --- several handles, several threads


def test_two_processes_see_one_log(logs: Handles[EventLog]) -> None:
    one, other = logs.open(), logs.open()
    one.create("events", 1)
    other.create("events", 1)
    assert one.append("events", 0, values("a"), NOW_MS) == 0
    assert other.append("events", 0, values("b"), NOW_MS) == 1
    assert one.append("events", 0, values("c"), NOW_MS) == 2
    assert read_all(one, "events") == read_all(other, "events")
    other.trim("events", 0, 2)
    assert one.bounds("events", 0) == Bounds(2, 3)
    with pytest.raises(OffsetTrimmed):
        one.read("events", 0, 1, 1)


def test_appends_of_threads_and_processes_interleave_whole(logs: Handles[EventLog]) -> None:
    """Every append stands in one piece at the offset it was told, and no offset is left out or given twice."""
    handles = [logs.open(), logs.open()]
    handles[0].create("events", 1)

    def produce(worker: int) -> list[tuple[int, bytes]]:
        log, told = handles[worker % 2], []
        for turn in range(15):
            name = f"{worker}.{turn}"
            first = log.append("events", 0, values(name, name, name), NOW_MS)
            told += [(first + i, name.encode()) for i in range(3)]
        return told

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pair for pairs in pool.map(produce, range(4)) for pair in pairs)
    assert [(r.offset, r.value) for r in read_all(handles[0], "events")] == told
    assert [offset for offset, _ in told] == list(range(4 * 15 * 3))


def test_a_reader_beside_a_writer_sees_whole_appends_in_order(logs: Handles[EventLog]) -> None:
    writer, reader = logs.open(), logs.open()
    writer.create("events", 1)
    done = Event()

    def follow() -> list[int]:
        seen: list[int] = []
        while True:
            finished = done.is_set()
            page = reader.read("events", 0, len(seen), 1_000_000)
            assert len(page) % 50 == 0
            seen += [record.offset for record in page]
            if finished and not page:
                return seen

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow)
        try:
            for turn in range(60):
                writer.append("events", 0, numbered(turn * 50, 50), NOW_MS)
        finally:
            done.set()
        assert following.result(timeout=60) == list(range(3_000))
