"""The event log's contract on retention: trimming and compaction move no offset and no end."""

import pytest

from rtrec.ports import Bounds, EventLog, NewRecord, OffsetTrimmed
from tests.contract.handles import Handles
from tests.contract.records import BINARY, NOW_MS, numbered, offsets, read_all, values

# --- trim


def test_trim_moves_the_start_at_once_and_never_the_end(log: EventLog) -> None:
    log.create("events", 2)
    for partition in range(2):
        log.append("events", partition, numbered(0, 10), NOW_MS)
    log.trim("events", 0, 4)
    assert log.bounds("events", 0) == Bounds(4, 10)
    assert [r.offset for r in read_all(log, "events", 0)] == [4, 5, 6, 7, 8, 9]
    assert log.bounds("events", 1) == Bounds(0, 10)
    assert len(read_all(log, "events", 1)) == 10


def test_reading_below_the_start_is_an_alarm(log: EventLog) -> None:
    log.create("events", 1)
    log.append("events", 0, numbered(0, 10), NOW_MS)
    log.trim("events", 0, 4)
    with pytest.raises(OffsetTrimmed):
        log.read("events", 0, 3, 1)
    assert log.read("events", 0, 4, 1)[0].offset == 4


def test_the_start_never_goes_back(log: EventLog) -> None:
    log.create("events", 1)
    log.append("events", 0, numbered(0, 10), NOW_MS)
    log.trim("events", 0, 6)
    log.trim("events", 0, 2)
    assert log.bounds("events", 0) == Bounds(6, 10)


def test_trimming_beyond_the_end_empties_the_log_and_stops_at_the_end(log: EventLog) -> None:
    log.create("events", 1)
    log.append("events", 0, numbered(0, 10), NOW_MS)
    log.trim("events", 0, 1_000)
    assert log.bounds("events", 0) == Bounds(10, 10)
    assert log.read("events", 0, 10, 10) == []


@pytest.mark.parametrize("shrink", ["trim", "compact"])
def test_the_end_stands_after_everything_is_removed_also_when_reopened(logs: Handles[EventLog], shrink: str) -> None:
    log = logs.open()
    log.create("control", 1)
    log.append("control", 0, [NewRecord(b"1", b"k"), NewRecord(b"2", b"k")], NOW_MS)
    if shrink == "trim":
        log.trim("control", 0, 2)
    else:
        log.compact("control", 0)
    log = logs.reopen()
    assert log.bounds("control", 0).end == 2
    assert log.append("control", 0, [NewRecord(b"3", b"k")], NOW_MS) == 2
    log.trim("control", 0, 3)
    log = logs.reopen()
    assert log.bounds("control", 0) == Bounds(3, 3)
    assert log.append("control", 0, values("4"), NOW_MS) == 3


def test_a_trim_again_and_again_leaves_the_rest_readable(log: EventLog) -> None:
    """Retention calls every few seconds while producers append."""
    log.create("events", 1)
    for turn in range(20):
        log.append("events", 0, numbered(turn * 500, 500), NOW_MS)
        log.trim("events", 0, turn * 500 - 200)
        start, end = log.bounds("events", 0)
        assert (start, end) == (max(0, turn * 500 - 200), turn * 500 + 500)
        assert offsets(log, "events") == list(range(start, end))


# --- compact


def test_compaction_keeps_the_newest_record_of_each_key_at_its_offset(log: EventLog) -> None:
    log.create("control", 2)
    history = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (BINARY, b"4"), (b"b", b"5"), (BINARY, b"6"), (b"c", b"7")]
    for partition in range(2):
        log.append("control", partition, [NewRecord(value, key) for key, value in history], NOW_MS)
    log.compact("control", 0)
    assert [(r.offset, r.key, r.value) for r in read_all(log, "control", 0)] == [
        (2, b"a", b"3"),
        (4, b"b", b"5"),
        (5, BINARY, b"6"),
        (6, b"c", b"7"),
    ]
    assert log.bounds("control", 0) == Bounds(0, 7)
    assert len(read_all(log, "control", 1)) == 7


def test_a_record_without_a_key_is_nobodys_successor(log: EventLog) -> None:
    log.create("control", 1)
    log.append("control", 0, [NewRecord(b"1"), NewRecord(b"2", b""), NewRecord(b"3"), NewRecord(b"4", b"")], NOW_MS)
    log.compact("control", 0)
    assert offsets(log, "control") == [0, 2, 3]


def test_a_read_in_a_hole_goes_on_behind_it(log: EventLog) -> None:
    log.create("control", 1)
    log.append("control", 0, [NewRecord(str(i).encode(), b"k") for i in range(9)], NOW_MS)
    log.compact("control", 0)
    assert [r.offset for r in log.read("control", 0, 3, 1)] == [8]
    log.append("control", 0, [NewRecord(b"9", b"k")], NOW_MS)
    log.compact("control", 0)
    assert [r.offset for r in log.read("control", 0, 0, 10)] == [9]


def test_a_long_history_compacts_whole(log: EventLog) -> None:
    log.create("control", 1)
    log.append("control", 0, [NewRecord(b"v", str(i % 7).encode()) for i in range(5_000)], NOW_MS)
    log.trim("control", 0, 100)
    log.compact("control", 0)
    assert offsets(log, "control") == list(range(4_993, 5_000))
