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


def test_the_end_stands_after_everything_is_removed_also_when_reopened(logs: Handles[EventLog]) -> None:
    log = logs.open()
    log.create("events", 1)
    log.append("events", 0, values("1", "2"), NOW_MS)
    log.trim("events", 0, 2)
    log = logs.reopen()
    assert log.bounds("events", 0) == Bounds(2, 2)
    assert log.append("events", 0, values("3"), NOW_MS) == 2
    log.trim("events", 0, 3)
    log = logs.reopen()
    assert log.bounds("events", 0) == Bounds(3, 3)
    assert log.append("events", 0, values("4"), NOW_MS) == 3


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
    """When superseded ones go is the log's affair; neither offsets nor the end move."""
    log.create("control", 2)
    history = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (BINARY, b"4"), (b"b", b"5"), (BINARY, b"6"), (b"c", b"7")]
    for partition in range(2):
        log.append("control", partition, [NewRecord(value, key) for key, value in history], NOW_MS)
    log.compact("control", 0)
    whole = list(enumerate(history))
    assert [(r.offset, (r.key, r.value)) for r in read_all(log, "control", 1)] == whole
    kept = [(r.offset, (r.key, r.value)) for r in read_all(log, "control", 0)]
    assert set(kept) <= set(whole)
    assert {offset for offset, _ in kept} >= {2, 4, 5, 6}
    assert kept == sorted(kept)
    assert log.bounds("control", 0) == Bounds(0, 7)
