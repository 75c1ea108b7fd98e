"""Promises of the hops from HEAT to PROFILE to LABEL: users' events arrive as HEAT knew them, however they are cut."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtrec.events import user_chunk
from rtrec.events.schema import GIFT, IMPRESSION
from rtrec.events.user_chunk import VERSION, UserChunk
from rtrec.events.user_events import UserEvent
from tests.unit.events.chunk_cases import SEEDS, cuts_of, places_of, user_chunks


def sent(chunk: UserChunk) -> UserChunk:
    """As the next stage has it."""
    return user_chunk.decode(user_chunk.encode("anchor_events:3", chunk))[1]


def snapshot(chunk: UserChunk) -> tuple[object, ...]:
    lists = (chunk.anchors, chunk.categories, chunk.givers, chunk.words)
    return chunk.columns.tobytes(), chunk.facts.tobytes(), [list(one) for one in lists]


def picked(events: Sequence[UserEvent], places: NDArray[np.int64]) -> list[UserEvent]:
    return [events[place] for place in places.tolist()]


def rows_of(chunk: UserChunk) -> list[bytes]:
    """A row of 8 bytes for each impression."""
    return [k.to_bytes(8) for k in range(len(chunk.facts))]


def test_the_streams_hold_what_these_tests_are_about() -> None:
    """Impressions with words, gifts and reversals, categories, and events of users alone."""
    events = [event for seed in range(21) for event in user_chunks(seed)[0].user_events()]
    assert {event.type for event in events} >= {IMPRESSION, GIFT}
    assert any(event.reversal for event in events)
    assert any(event.anchor_attributes for event in events)
    assert {event.category for event in events} >= {"танці", None}
    assert any(not event.anchor_id for event in events)


@given(SEEDS)
def test_lines_say_what_decoded_events_say(seed: int) -> None:
    """PROFILE and LABEL cannot tell whether their input came as bytes or in memory."""
    lines, decoded = user_chunks(seed)
    assert lines.user_events() == decoded.user_events()
    assert sent(lines).user_events() == decoded.user_events()


@given(SEEDS)
def test_a_message_holds_what_was_put_in(seed: int) -> None:
    chunk = user_chunks(seed)[0]
    source, found = user_chunk.decode(user_chunk.encode("anchor_events:3", chunk))
    assert source == "anchor_events:3"
    assert snapshot(found) == snapshot(chunk)
    assert list(found.events) == list(chunk.events)


@given(SEEDS, st.data())
def test_some_events_are_picked_with_just_what_they_name(seed: int, data: st.DataObject) -> None:
    """From lines and from decoded events alike; what was picked from stays as it was."""
    lines, decoded = user_chunks(seed)
    places = data.draw(places_of(len(lines)))
    expected = picked(decoded.user_events(), places)
    for whole in (lines, decoded, sent(lines)):
        before = snapshot(whole)
        some = whole.take(places)
        assert some.user_events() == expected
        assert snapshot(whole) == before
    assert set(some.anchors) == {event.anchor_id for event in expected if event.anchor_id}
    assert set(some.categories) == {event.category for event in expected if event.category is not None}
    assert some.givers == [event.user_id for event in expected if event.reversal]
    assert len(some.facts) == sum(event.anchor_values is not None for event in expected)
    assert sent(some).user_events() == expected


@given(SEEDS, st.data())
def test_messages_follow_one_another_as_one_chunk(seed: int, data: st.DataObject) -> None:
    """However the events were cut, pieces without impressions or without an event among them."""
    whole = user_chunks(seed)[0]
    parts = [sent(whole.take(piece)) for piece in data.draw(cuts_of(len(whole)))]
    before = [snapshot(part) for part in parts]
    joined = UserChunk.joined(parts)
    assert joined.user_events() == whole.user_events()
    assert joined.columns["position"].tolist() == whole.columns["position"].tolist()
    assert [snapshot(part) for part in parts] == before
    assert sent(joined).user_events() == whole.user_events()


@given(SEEDS, st.data())
def test_impressions_go_on_with_their_rows_in_order(seed: int, data: st.DataObject) -> None:
    """PROFILE's rows take the place of HEAT's values, also where it passed only some events on."""
    whole = user_chunks(seed)[0]
    some = whole.take(data.draw(places_of(len(whole))))
    before = snapshot(some)
    rows = rows_of(some)
    found = sent(some.with_rows(rows)).profiled()
    assert snapshot(some) == before
    assert [row for _, row in found if row is not None] == rows
    for event, (passed, row) in zip(some.user_events(), found, strict=True):
        assert (row is not None) == (event.type == IMPRESSION)
        event.anchor_values, event.anchor_attributes = row, {} if row is not None else None
        assert passed == event


@given(SEEDS, st.data())
def test_rows_stay_with_their_impressions_when_messages_are_picked_from(seed: int, data: st.DataObject) -> None:
    """LABEL takes part of a message when it has met the other before."""
    whole = user_chunks(seed)[0]
    profiled = whole.with_rows(rows_of(whole))
    places = data.draw(places_of(len(whole)))
    rows = [row for _, row in profiled.profiled()]
    found = UserChunk.joined([sent(profiled.take(places)), sent(profiled)]).profiled()
    assert [row for _, row in found] == [*(rows[place] for place in places.tolist()), *rows]


@given(SEEDS)
def test_events_take_other_positions_and_nothing_else(seed: int) -> None:
    whole = user_chunks(seed)[0]
    before = snapshot(whole)
    moved = whole.placed(np.arange(len(whole)) + 10**15)
    assert moved.columns["position"].tolist() == list(range(10**15, 10**15 + len(whole)))
    assert moved.user_events() == whole.user_events()
    assert snapshot(moved.placed(whole.columns["position"])) == snapshot(whole) == before


def test_decoded_events_have_no_stored_form() -> None:
    with pytest.raises(TypeError, match="its events must be lines"):
        user_chunk.encode("anchor_events:0", user_chunks(0)[1])


def test_what_a_newer_release_wrote_is_refused_with_what_to_do() -> None:
    stored = msgspec.msgpack.decode(user_chunk.encode("anchor_events:0", user_chunks(0)[0]))
    with pytest.raises(ValueError, match=rf"written in format 2, this rtrec reads {VERSION}; use a newer rtrec"):
        user_chunk.decode(msgspec.msgpack.encode([VERSION + 1, *stored[1:]]))
