"""Promises of a column of JSON: it is a sequence of events, whose bytes are what came."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.codec import decode
from rtrec.events.lines import Lines
from tests.unit.events.event_cases import escaped, valid

TEXTS = st.lists(st.binary(max_size=5), max_size=8)


def raws(lines: Lines) -> list[bytes]:
    return [lines.raw(place) for place in range(len(lines))]


@given(TEXTS)
def test_a_column_gives_back_what_it_was_made_of(texts: list[bytes]) -> None:
    """Also lines without a byte, and no lines at all."""
    lines = Lines.of(texts)
    assert (len(lines), raws(lines)) == (len(texts), texts)


@given(TEXTS, st.data())
def test_lines_are_picked_in_any_order_and_more_than_once(texts: list[bytes], data: st.DataObject) -> None:
    lines = Lines.of(texts)
    places = data.draw(st.lists(st.sampled_from(range(len(texts))), max_size=12) if texts else st.just([]))
    assert raws(lines.take(np.array(places, np.int64))) == [texts[place] for place in places]
    assert raws(lines) == texts


@given(TEXTS, st.slices(8))
def test_a_slice_is_a_lists_slice(texts: list[bytes], some: slice) -> None:
    assert raws(Lines.of(texts)[some]) == texts[some]


@given(st.lists(TEXTS, max_size=5))
def test_columns_follow_one_another(parts: list[list[bytes]]) -> None:
    """However many there are, empty ones among them."""
    joined = Lines.joined([Lines.of(part) for part in parts])
    assert raws(joined) == [text for part in parts for text in part]


def test_events_are_decoded_as_they_were_the_first_time() -> None:
    lines = [escaped(valid("like", event_id=name)) for name in "ab"] + [escaped(valid("gift", user_id=7))]
    column = Lines.of(lines)
    assert list(column) == [column[place] for place in range(3)] == [decode(line) for line in lines]


@pytest.mark.parametrize("texts", [[b"a"], [b"a", b"bc"], [b"", b"a", b""]])
def test_places_count_from_both_ends_and_end_there(texts: list[bytes]) -> None:
    lines = Lines.of(texts)
    count = len(texts)
    assert [lines.raw(place) for place in range(-count, count)] == 2 * texts
    reads: tuple[Callable[[int], object], ...] = (lines.raw, lines.__getitem__)
    for read in reads:
        for beyond in (count, -count - 1):
            with pytest.raises(IndexError):
                read(beyond)


def test_a_stored_line_that_is_refused_now_says_so() -> None:
    """A newer rtrec may have taken what this one does not know."""
    with pytest.raises(ValueError, match=r"refused now: event\.type: .*stored by a newer rtrec"):
        Lines.of([escaped(valid("like", type="poke"))])[0]
