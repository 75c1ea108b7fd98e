"""The fast way in decides as the slow one: field by field, refusal by refusal, whatever stands beside a line."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events import narrow
from rtrec.events.codec import Refusal, decode
from rtrec.events.columns import columns_of
from rtrec.events.narrow import LONG_BYTES, NESTED, SLICE, decode_many
from rtrec.events.schema import ENVELOPE_MAY, FIELDS, MAX_EVENT_BYTES, TYPES, Event, Kind
from tests.unit.events.event_cases import escaped, line_of, valid
from tests.unit.events.line_cases import ANY_LINE, GOOD_EVENTS, PLAIN, shuffled_borders

GOOD_LINE = escaped(valid("like"))
TEXT_IDS = [
    event
    for event in GOOD_EVENTS
    if not any(FIELDS[name] is Kind.ID and isinstance(value, int) for name, value in event.items())
    and 7 not in event.get("follows", ())
    and len(escaped(event)) <= LONG_BYTES
]
"""Good events of a usual length whose ids are all text."""


def check(lines: Sequence[bytes]) -> None:
    """`decode_many` says of every line what `decode` says of it alone; 1, 1.0 and True are not the same."""
    events, codes = decode_many(lines)
    assert len(events) == len(codes) == len(lines)
    for line, found, code in zip(lines, events, codes, strict=True):
        expected = decode(line)
        if isinstance(expected, Refusal):
            assert (found, code) == (expected, -1)
            continue
        kind = TYPES[expected.type]
        assert code == kind.code
        for name in ("event_id", "ts_ms", *ENVELOPE_MAY, *kind.needs, *kind.may):
            assert repr(getattr(found, name)) == repr(getattr(expected, name)), name


@given(ANY_LINE)
def test_a_line_is_taken_or_refused_as_decode_does(line: bytes) -> None:
    """A slice of one: nobody else's fault sends it to the slow path."""
    check([line])


@given(st.lists(PLAIN, max_size=6), ANY_LINE, st.integers(0, 6))
def test_one_odd_line_changes_nothing_for_those_beside_it(good: list[bytes], odd: bytes, place: int) -> None:
    check([*good[:place], odd, *good[place:]])


@given(st.lists(ANY_LINE, max_size=6))
def test_odd_lines_cannot_make_up_for_one_another(lines: list[bytes]) -> None:
    """One that holds two events beside one that holds none, brackets that another line closes."""
    check(lines)


@given(shuffled_borders())
def test_lines_are_not_what_they_would_be_as_one_text(lines: list[bytes]) -> None:
    check(lines)


@pytest.mark.parametrize("type_name", TYPES)
def test_every_good_value_of_every_field_is_taken_alike(type_name: str) -> None:
    """Each alone, written in ASCII and as it is."""
    for event in GOOD_EVENTS:
        if event["type"] == type_name:
            check([escaped(event)])
            check([line_of(event)])


def test_what_is_well_formed_goes_the_fast_way() -> None:
    """Otherwise the properties above would compare the slow way with itself."""
    lines = [escaped(event) for event in TEXT_IDS]
    taken = narrow._fast(b"\n".join(lines), [*map(len, lines)])
    assert taken is not None
    assert not any(isinstance(one, Event) for one in taken)
    assert {narrow._CODES[one.__class__] for one in taken} == {kind.code for kind in TYPES.values()}


CLOSER_LOOKS: list[tuple[str, list[bytes]]] = [
    ("two events and a newline", [GOOD_LINE + b"\n" + GOOD_LINE]),
    ("two events", [GOOD_LINE + GOOD_LINE, GOOD_LINE]),
    ("two events beside an empty line", [GOOD_LINE + GOOD_LINE, b""]),
    ("two events beside a blank line", [GOOD_LINE + b" " + GOOD_LINE, b" "]),
    ("an empty line", [GOOD_LINE, b"", GOOD_LINE]),
    ("nothing but an empty line", [b""]),
    ("a newline inside", [GOOD_LINE.replace(b", ", b",\n")]),
    ("a newline in a text that another line ends", [GOOD_LINE[:-1] + b',"x":"}', b'{","y":1}']),
    ("a list that another line ends", [GOOD_LINE[:-1] + b',"x":[{}', b"{}]}"]),
    ("a carriage return", [GOOD_LINE + b"\r"]),
    ("a space before", [b" " + GOOD_LINE]),
    ("an integer id", [escaped(valid("like", user_id=7))]),
    ("an integer id of 40 digits", [escaped(valid("like", user_id=10**40))]),
    ("an integer among follows", [escaped(valid("user_profile", follows=["a", 7]))]),
    ("a fault in a field of other types", [escaped(valid("like", value=-5, tags="x"))]),
    ("a fault in a field of nobody", [GOOD_LINE[:-1] + b',"x":NaN}']),
    ("a surrogate in a field of nobody", [GOOD_LINE[:-1] + b',"x":"\\ud800"}']),
    ("a surrogate in a field of its own", [GOOD_LINE[:-1] + b',"surface":"\\ud800"}']),
    ("bytes that are no text in a field of nobody", [GOOD_LINE[:-1] + b',"x":"\xff"}']),
    ("too long", [GOOD_LINE + b" " * MAX_EVENT_BYTES]),
    ("too long, ending like an event", [GOOD_LINE[:-1] + b" " * MAX_EVENT_BYTES + b"}"]),
    ("exactly long enough", [GOOD_LINE[:-1] + b" " * (MAX_EVENT_BYTES - len(GOOD_LINE)) + b"}"] * 2),
    ("a gift without a value", [escaped({k: v for k, v in valid("gift").items() if k != "value"})]),
    ("a gift whose value is null", [escaped(valid("gift", value=None))]),
    ("a gift whose last value is null", [escaped(valid("gift"))[:-1] + b',"value":null}']),
    ("a reversal without a value", [escaped(valid("gift", value=None, reversal_of="g"))]),
    ("more digits than are read, in a field of other types", [GOOD_LINE[:-1] + b',"tags":' + b"9" * 5_000 + b"}"]),
    ("more digits than are read, in a field of nobody", [GOOD_LINE[:-1] + b',"x":' + b"9" * 5_000 + b"}"]),
    *(
        (f"{depth} deep in {name}", [GOOD_LINE[:-1] + b',"%s":%s%s}' % (name.encode(), b"[" * depth, b"]" * depth)])
        for name in ("tags", "x")
        for depth in (NESTED, 300, 600)
    ),
    ("two types", [GOOD_LINE[:-1] + b',"type":"share"}']),
    ("a type at the end", [b'{"event_id":"e","ts_ms":1700000000000,"anchor_id":"a","user_id":"u","type":"like"}']),
    ("a version too new", [escaped(valid("like", schema_version=2))]),
    ("a version of before", [escaped(valid("like", schema_version=0))]),
    ("a version that is a boolean", [escaped(valid("like", schema_version=True))]),
    ("a version with a fraction", [escaped(valid("like", schema_version=1.0))]),
    ("a kind of negative that is unknown", [escaped(valid("negative", kind="hate"))]),
    ("too deep", [GOOD_LINE[:-1] + b',"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"]),
]


@pytest.mark.parametrize("lines", [case[1] for case in CLOSER_LOOKS], ids=[case[0] for case in CLOSER_LOOKS])
def test_what_needs_a_closer_look_gets_it(lines: list[bytes]) -> None:
    """Alone, and among good ones."""
    check(lines)
    check([GOOD_LINE, *lines, GOOD_LINE])


@pytest.mark.parametrize("count", [SLICE - 1, SLICE, SLICE + 1, 2 * SLICE + 1])
def test_slices_are_decided_each_for_itself(count: int) -> None:
    """Odd lines on both sides of a border; a slice without one is taken fast."""
    rng = random.Random(count)
    lines = [escaped(valid("like", event_id=f"e{k}", count=k)) for k in range(count)]
    for place in (0, SLICE - 1, SLICE, 2 * SLICE):
        if place < count:
            lines[place] = rng.choice([GOOD_LINE * 2, b"", escaped(valid("like", user_id=7)), GOOD_LINE[:-1]])
    check(lines)


def test_lines_on_both_sides_of_a_border_are_not_one_text() -> None:
    """What a slice's last line opens, the next slice's first does not close."""
    lines = [GOOD_LINE] * (2 * SLICE)
    lines[SLICE - 1], lines[SLICE] = GOOD_LINE[:-1] + b',"x":[{}', b"{}]}"
    check(lines)


def test_no_lines_are_no_events() -> None:
    assert decode_many([]) == ([], [])


@given(st.lists(ANY_LINE, max_size=12))
def test_columns_of_what_was_taken_fast_are_those_of_events(lines: list[bytes]) -> None:
    """Every column, and the dictionary of anchors."""
    taken, codes = decode_many(lines)
    kept = [k for k, code in enumerate(codes) if code >= 0]
    decoded = [decode(lines[k]) for k in kept]
    assert all(isinstance(one, Event) for one in decoded)
    fast = columns_of([taken[k] for k in kept], [codes[k] for k in kept], kept)
    slow = columns_of(decoded, [codes[k] for k in kept], kept)
    assert fast[1] == slow[1]
    assert np.array_equal(fast[0], slow[0])
