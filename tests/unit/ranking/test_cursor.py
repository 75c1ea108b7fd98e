import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.ranking.cursor import decode, encode, short_hash
from rtrec.ranking.errors import RequestError


@given(st.sets(st.integers(0, 2**32 - 1), max_size=300))
def test_a_cursor_remembers_what_was_shown(shown: set[int]) -> None:
    """And is plain ASCII, safe in a URL."""
    cursor = encode(shown)
    assert decode(cursor) == shown
    assert cursor.isascii()
    assert not set(cursor) & set("+/ &?")


def test_no_cursor_is_the_first_page() -> None:
    assert decode(None) == set()


@given(st.one_of(st.text(max_size=40), st.binary(max_size=40).map(lambda b: b.decode("latin-1"))))
def test_any_text_is_a_cursor_or_a_request_error(cursor: str) -> None:
    """Never another exception."""
    with contextlib.suppress(RequestError):
        assert isinstance(decode(cursor), set)


@pytest.mark.parametrize("cursor", ["", "x", "MQ", "MTIz", "Mg==", "主播", "\ud800", "null", "MQAAAA=="])
def test_what_is_no_cursor_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(RequestError, match="next_cursor") as refused:
        decode(cursor)
    assert refused.value.pointer == "/cursor"


@given(st.text(max_size=128))
def test_short_hashes_fit_the_cursor(anchor_id: str) -> None:
    assert decode(encode([short_hash(anchor_id)])) == {short_hash(anchor_id)}
