import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.settings import Events
from rtrec.stages.dead_letters import Cut, cut, refuse
from rtrec.stages.ingest import ingest, ingest_lines
from rtrec.stages.messages import Record
from tests.unit.events.event_cases import NOW, escaped, valid
from tests.unit.events.line_cases import ANY_LINE

POLICY = Events(future_ms=60_000)


def record(offset: int, line: bytes, append_ms: int = NOW) -> Record:
    value, headers = cut(line)
    return Record(offset, append_ms, None, value, headers)


@pytest.mark.parametrize(("ahead_ms", "taken"), [(-(10**9), True), (0, True), (60_000, True), (60_001, False)])
def test_future_is_judged_by_the_records_append_time(ahead_ms: int, *, taken: bool) -> None:
    """More than 60 s after it: the log's own clock decides, and decides alike in a rebuild."""
    found = ingest([record(0, escaped(valid("like")), NOW - ahead_ms)], POLICY)
    assert len(found.chunk) == taken
    if not taken:
        ((_, reason),) = found.refused
        assert reason == "like.ts_ms: future, expected at most 60000 ms after its arrival, got 60001 ms"


def test_events_keep_their_order_and_offsets_around_what_is_refused() -> None:
    ahead = valid("like", event_id="c", ts_ms=NOW + 60_001)
    likes = {name: escaped(valid("like", event_id=name)) for name in "abd"}
    lines = [likes["a"], b"nonsense", likes["b"], escaped(ahead), likes["d"]]
    found = ingest([record(10 + 3 * k, line) for k, line in enumerate(lines)], POLICY)
    assert [event.event_id for event in found.chunk.events] == ["a", "b", "d"]
    assert found.chunk.columns["position"].tolist() == [10, 16, 22] == [one.offset for one in found.records]
    assert [one.offset for one, _ in found.refused] == [13, 19]


def test_an_oversized_event_is_refused_by_the_length_it_had() -> None:
    """Also where what was appended is a valid event of 64 KiB that someone cut."""
    line = escaped(valid("like")) + b" " * 70_000
    ((_, reason),) = ingest([record(0, line)], POLICY).refused
    assert reason == f"event: expected at most 65536 bytes, got {len(line)}"


def test_nothing_in_nothing_out() -> None:
    found = ingest([], POLICY)
    assert (len(found.chunk), found.records, found.refused) == (0, [], [])


@given(st.lists(st.tuples(ANY_LINE, st.sampled_from([0, -(10**9), 60_000, 60_001])), max_size=8))
def test_lines_are_judged_as_events_are(lines: list[tuple[bytes, int]]) -> None:
    """Where events stay their own JSON: the same are taken, in the same columns, and refused for the same reasons."""
    records = [record(3 * k, line, NOW - ahead_ms) for k, (line, ahead_ms) in enumerate(lines)]
    decoded, kept = ingest(records, POLICY), ingest_lines(records, POLICY)
    assert (kept.refused, list(kept.records)) == (decoded.refused, decoded.records)
    assert kept.chunk.anchors == decoded.chunk.anchors
    assert np.array_equal(kept.chunk.columns, decoded.chunk.columns)
    assert list(kept.chunk.events) == list(decoded.chunk.events)


def test_a_producers_own_word_on_the_length_of_a_whole_event_does_no_harm() -> None:
    """On a cluster anyone may write headers: one that makes an event shorter than it is changes nothing."""
    value, (_, long) = escaped(valid("like")), cut(b" " * 70_000)
    short = msgspec.msgpack.encode(Cut(5, b""))
    for line, said, taken in ((value, short, 1), (value, long, 0), (value + b" " * 70_000, short, 0)):
        for judge in (ingest, ingest_lines):
            found = judge([Record(0, NOW, None, line, said)], POLICY)
            assert (len(found.chunk), len(found.refused)) == (taken, 1 - taken)


@given(st.binary(max_size=40), st.sampled_from([escaped(valid("like")), b"nonsense"]))
def test_headers_that_are_not_ours_change_nothing(headers: bytes, value: bytes) -> None:
    """On a cluster anyone may write them: an event is an event, and a refusal a dead letter of what is there."""
    found = ingest_lines([Record(0, NOW, None, value, headers)], POLICY)
    assert len(found.chunk) == (value != b"nonsense")
    for one, reason in found.refused:
        assert refuse(one, "events", 0, reason).whole
