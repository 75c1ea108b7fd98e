"""Topics are bounded by records and by age, and never trimmed ahead of their reader."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rtrec.ports import Bounds, NewRecord
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import CONTROL, DEAD_LETTERS, EVENTS, SCORED, TICKS, Folder
from rtrec.runtime.retention import SIDE_KEEP, trim
from rtrec.settings import Log
from tests.unit.runtime.hosts import SETTINGS, event, take

POLICY = Log(keep_records=1_000, keep_dead_letters=100, keep_ms=10_000)
NOW_MS = 1_712_345_678_901


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder.open(tmp_path / "data")
    yield folder
    folder.close()


def fill(folder: Folder, topic: str, records: int, append_ms: int = NOW_MS) -> None:
    folder.log.append(topic, 0, [NewRecord(b"x")] * records, append_ms)


@pytest.mark.parametrize(("read", "start"), [(1_500, 500), (300, 300), (0, 0)])
def test_events_are_kept_by_number_but_never_trimmed_past_what_is_read(folder: Folder, read: int, start: int) -> None:
    fill(folder, EVENTS, 1_500)
    trim(folder.log, POLICY, {EVENTS: read}, NOW_MS)
    assert folder.log.bounds(EVENTS, 0) == Bounds(start, 1_500)


@pytest.mark.parametrize(("read", "start"), [(90, 70), (40, 40)])
def test_events_are_kept_by_age_but_never_trimmed_past_what_is_read(folder: Folder, read: int, start: int) -> None:
    """30 too old by far, 40 by a millisecond, 20 just young enough."""
    for records, age_ms in ((30, 99_999), (40, 10_001), (20, 10_000)):
        fill(folder, EVENTS, records, NOW_MS - age_ms)
    trim(folder.log, POLICY, {EVENTS: read}, NOW_MS)
    assert folder.log.bounds(EVENTS, 0) == Bounds(start, 90)


def test_a_topic_that_is_old_as_a_whole_is_emptied_and_keeps_its_end(folder: Folder) -> None:
    fill(folder, EVENTS, 10, NOW_MS - 20_000)
    for _ in range(2):
        trim(folder.log, POLICY, {EVENTS: 10}, NOW_MS)
    assert folder.log.bounds(EVENTS, 0) == Bounds(10, 10)


def test_dead_letters_and_side_topics_are_bounded_without_a_reader(folder: Folder) -> None:
    fill(folder, DEAD_LETTERS, 130)
    fill(folder, SCORED, SIDE_KEEP + 7)
    fill(folder, TICKS, SIDE_KEEP - 1)
    trim(folder.log, POLICY, {}, NOW_MS)
    assert folder.log.bounds(DEAD_LETTERS, 0) == Bounds(30, 130)
    assert folder.log.bounds(SCORED, 0) == Bounds(7, SIDE_KEEP + 7)
    assert folder.log.bounds(TICKS, 0) == Bounds(0, SIDE_KEEP - 1)


def test_control_is_compacted_by_key_and_its_state_survives(tmp_path: Path) -> None:
    """Of an anchor's changes the last stands, of whatever age; what no stage has met yet is met afterwards."""
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, event("live_start", user_id=None))
        for ban in (True, False) * 5:
            host.serving.set_anchor_state("a", {"banned": ban})
        host.serving.set_anchor_state("b", {"banned": True, "min_age": 18})
        host.serving.erase_user("u")
        log = host.folder.log
        trim(log, POLICY, {}, NOW_MS * 2)
        kept = log.read(CONTROL, 0, 0, 100)
        assert [record.key for record in kept] == [b"anchor_state/a", b"anchor_state/b", b"user_erase/u"]
        assert log.bounds(CONTROL, 0) == Bounds(0, 12)
        host.drain()
        assert not host.journey.control.anchors["a"].banned
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        assert msgspec.to_builtins(host.journey.control.anchors["b"])["min_age"] == 18
        assert set(host.journey.control.erased) == {"u"}
        assert host.step() == 0
