"""Promises of the hop from INGEST to HEAT: events arrive as they were sent, in order, with their sources' positions."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtrec.events import anchor_chunk
from rtrec.events.anchor_chunk import PLACE_BITS, VERSION, AnchorChunk, position_of
from rtrec.events.columns import Columns, EventChunk, make_chunk
from rtrec.events.lines import Lines
from tests.unit.events.chunk_cases import SEEDS, cuts_of, event_chunks, places_of


def encoded(chunk: EventChunk, places: NDArray[np.int64], source: str = "events:7") -> bytes:
    assert isinstance(chunk.events, Lines)
    return anchor_chunk.encode(source, chunk.anchors, chunk.columns[places], chunk.events.take(places))


def named(columns: Columns, anchors: Sequence[str]) -> list[str | None]:
    """Each event's anchor."""
    return [[*anchors, None][place] for place in columns["anchor"].tolist()]


def without_anchor(columns: Columns) -> bytes:
    copy = columns.copy()
    copy["anchor"] = 0
    return copy.tobytes()


@given(SEEDS, st.data())
def test_a_message_holds_what_was_put_in(seed: int, data: st.DataObject) -> None:
    """Columns, anchors by name, bytes, source; of the dictionary nothing but what is named; the input is as it was."""
    chunk = event_chunks(seed).lines
    before = chunk.columns.tobytes()
    places = data.draw(places_of(len(chunk)))
    found = anchor_chunk.decode(encoded(chunk, places))
    some = chunk.columns[places]
    assert found.source == "events:7"
    assert without_anchor(found.columns) == without_anchor(some)
    assert named(found.columns, found.anchors) == named(some, chunk.anchors)
    assert set(found.anchors) == {name for name in named(some, chunk.anchors) if name is not None}
    assert list(found.lines) == [chunk.events[place] for place in places.tolist()]
    assert chunk.columns.tobytes() == before


@given(SEEDS, st.data())
def test_some_events_of_many_messages_are_one_chunk(seed: int, data: st.DataObject) -> None:
    """As if just those had come, decoded, at the positions they get."""
    chunk, decoded = event_chunks(seed)
    parts, kept, positions = [], list[int](), list[int]()
    for offset, piece in enumerate(data.draw(cuts_of(len(chunk))), 5):
        message = anchor_chunk.decode(encoded(chunk, piece))
        chosen = data.draw(places_of(len(piece))) if len(piece) else np.zeros(0, np.int64)
        parts.append((message, chosen, position_of(offset, chosen)))
        kept += piece[chosen].tolist()
        positions += position_of(offset, chosen).tolist()
    found = anchor_chunk.merged(parts)
    expected = make_chunk([decoded.events[place] for place in kept], positions)
    assert without_anchor(found.columns) == without_anchor(expected.columns)
    assert named(found.columns, found.anchors) == named(expected.columns, expected.anchors)
    assert list(found.events) == list(expected.events)
    assert all(before < after for before, after in pairwise(positions))


def test_what_concerns_a_user_alone_has_no_anchor_before_or_after() -> None:
    chunk = next(event_chunks(seed).lines for seed in range(20) if -1 in event_chunks(seed).lines.columns["anchor"])
    alone = np.flatnonzero(chunk.columns["anchor"] < 0)
    found = anchor_chunk.decode(encoded(chunk, alone))
    assert (found.anchors, set(found.columns["anchor"].tolist())) == ([], {-1})
    merged = anchor_chunk.merged([(found, np.arange(len(alone)), np.arange(len(alone)))])
    assert set(merged.columns["anchor"].tolist()) == {-1}


def test_nothing_is_a_chunk_of_nothing() -> None:
    """No messages, and messages of which nothing is wanted."""
    none = np.zeros(0, np.int64)
    message = anchor_chunk.decode(encoded(event_chunks(0).lines, np.arange(3)))
    for parts in ([], [(message, none, none)]):
        found = anchor_chunk.merged(parts)
        assert (len(found), len(found.columns)) == (0, 0)


@given(st.integers(0, 2**43 - 2))
def test_positions_grow_with_offsets_and_places(offset: int) -> None:
    """The last place of a message comes before the first of the next, up to 2^43 messages."""
    first, last = position_of(offset, np.array([0, 2**PLACE_BITS - 1])).tolist()
    assert 0 <= first < last < position_of(offset + 1, np.array([0]))[0]


def test_what_a_newer_release_wrote_is_refused_with_what_to_do() -> None:
    stored = msgspec.msgpack.decode(encoded(event_chunks(0).lines, np.arange(3)))
    with pytest.raises(ValueError, match=rf"written in format 2, this rtrec reads {VERSION}; use a newer rtrec"):
        anchor_chunk.decode(msgspec.msgpack.encode([VERSION + 1, *stored[1:]]))


def test_a_decoded_message_is_not_written_to() -> None:
    """Columns stand in the message's own bytes: merging gives positions to copies."""
    message: AnchorChunk = anchor_chunk.decode(encoded(event_chunks(0).lines, np.arange(3)))
    before = message.columns.tobytes()
    anchor_chunk.merged([(message, np.arange(3), np.arange(7, 10))])
    assert message.columns.tobytes() == before
