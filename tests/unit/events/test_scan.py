"""The kernel takes only what the slow way takes, in the very same columns, and it takes what is common."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.heat import lines as benchmark_lines
from rtrec.events import scan as scans
from rtrec.events.codec import Refusal, decode
from rtrec.events.columns import COLUMNS, DETAILS, Details, columns_of
from rtrec.events.lines import Lines
from rtrec.events.scan import Scanned, scan
from rtrec.events.schema import FIELDS, MAX_EVENT_BYTES, MAX_ID_CHARS, MAX_TEXT_CHARS, TYPES, Event
from rtrec.settings import Events
from rtrec.stages import ingest
from rtrec.stages.dead_letters import cut
from rtrec.stages.messages import Record
from tests.unit.events.event_cases import BAD, GOOD, NOW, escaped, valid
from tests.unit.events.line_cases import ANY_LINE, RAW

SLOW_TYPES = {"live_start", "negative", "user_profile", "anchor_profile"}
"""Their lists, objects and words are left to the decoder; they are rare."""
POLICY = Events(future_ms=60_000)
IDS = st.sampled_from(
    ["a", "b", "b ", "anchor-1", "anchor-2", "anchor-12", "x" * 128, 7, "7", 0, "0", 12345678901234567]
)
SPACES = st.sampled_from([b""] * 30 + [b" "] * 9 + [b"  ", b"\t", b"\n", b"\r", b"\x00"])
VALUES = st.one_of(
    st.sampled_from(RAW),
    st.sampled_from([msgspec.json.encode(one) for kind in GOOD.values() for one in kind]),
    st.sampled_from([escaped(one) for kind in BAD.values() for one in kind]),
    st.integers(-2, 10**20).map(lambda number: b"%d" % number),
    st.sampled_from([b"1.5", b"1.0", b"0.25", b"0.", b"00", b"01", b"0", b"-0", b"1e3", b"false", b"nul", b'"a\\nb"']),
)
SOME_FIELDS = [
    *FIELDS,
    *FIELDS,
    "unknown",
    "",
    "type_",
    "schema_versions",
    "a name of more than 16 bytes",
    "even\\u0074",
]


@st.composite
def nearly_plain(draw: st.DrawFn) -> bytes:
    """A line as producers write it, but for spaces, an odd value, a name that stands twice, or some bytes."""
    name = draw(st.sampled_from([*TYPES, *(one for one in TYPES if one not in SLOW_TYPES)]))
    event: dict[str, Any] = valid(name, anchor_id=draw(IDS), user_id=draw(IDS), live_id=draw(IDS), txn_id=draw(IDS))
    for field in draw(st.lists(st.sampled_from([*TYPES[name].may, "live_id", "surface"]), max_size=3)):
        event[field] = draw(st.sampled_from([*GOOD[FIELDS[field]], None]))
    parts = [(escaped(key), msgspec.json.encode(value)) for key, value in event.items()]
    more = draw(st.lists(st.tuples(st.sampled_from(SOME_FIELDS), VALUES), max_size=draw(st.sampled_from([0, 0, 0, 2]))))
    parts += [(b'"%s"' % key.encode(), value) for key, value in more]
    space = [draw(SPACES) for _ in range(4)]
    fields = [space[0] + key + space[1] + b":" + space[2] + value for key, value in draw(st.permutations(parts))]
    line = b"{" + (space[3] + b",").join(fields) + space[3] + b"}"
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(line)))
        line = line[:place] + draw(st.binary(max_size=2)) + line[place + draw(st.integers(0, 2)) :]
    return line


ODD_LINES = st.one_of(nearly_plain(), nearly_plain(), ANY_LINE)


def scanned(lines: Sequence[bytes]) -> Scanned:
    return scan(Lines.of(lines), np.ones(len(lines), np.bool_))


def takes(line: bytes) -> bool:
    return bool(scanned([line]).taken[0])


def nothing(lines: Lines, wanted: Any) -> Scanned:
    """A kernel that leaves every line to the slow way."""
    return Scanned(np.zeros_like(wanted), np.zeros(len(lines), COLUMNS), [])


def check(lines: Sequence[bytes]) -> None:
    """What is taken are events, in the columns that Python puts them in one by one."""
    found = scanned(lines)
    kept = np.flatnonzero(found.taken)
    taken = [decode(lines[place]) for place in kept.tolist()]
    assert not any(isinstance(one, Refusal) for one in taken)
    columns, anchors = columns_of(taken, [TYPES[one.type].code for one in taken if isinstance(one, Event)], 0)
    assert (found.columns[kept].tobytes(), found.anchors) == (columns.tobytes(), anchors)


@given(st.lists(ODD_LINES, max_size=10))
def test_what_is_taken_are_events_in_their_columns(lines: list[bytes]) -> None:
    check(lines)


@given(st.lists(st.tuples(ODD_LINES, st.sampled_from([0, 0, 0, 60_001]), st.booleans()), max_size=10))
def test_ingest_gives_the_same_with_the_kernel_and_without(lines: list[tuple[bytes, int, bool]]) -> None:
    """Columns, the dictionary of anchors, who is kept, who is refused and why; also of records that have headers."""
    records = []
    for k, (line, ahead_ms, own) in enumerate(lines):
        value, headers = cut(line)
        records.append(Record(3 * k, NOW - ahead_ms, None, value, b"other" if own and k % 3 == 0 else headers))
    with patch.object(ingest, "scan", nothing):
        without = ingest.ingest_lines(records, POLICY)
    found = ingest.ingest_lines(records, POLICY)
    assert found.chunk.columns.tobytes() == without.chunk.columns.tobytes()
    assert (found.chunk.anchors, found.refused) == (without.chunk.anchors, without.refused)
    assert list(found.records) == list(without.records)
    assert list(found.chunk.events) == list(without.chunk.events)


def test_no_records_are_no_events() -> None:
    found = ingest.ingest_lines([], POLICY)
    assert (len(found.chunk), len(found.records), found.refused) == (0, 0, [])


def test_the_types_that_are_taken_are_those_of_plain_fields() -> None:
    """A new type shows here whether it is; SLOW_TYPES are all that are not."""
    types = {name for name in TYPES if takes(escaped(valid(name)))}
    assert types == set(TYPES) - SLOW_TYPES


def test_what_tells_more_of_an_event_is_a_field_of_its_type() -> None:
    """The kernel asks only whether it is given; what a type does not list may be given, and says nothing."""
    for kind in TYPES.values():
        told = asdict(DETAILS.get(kind.code, Details()))
        assert {one for one in told.values() if isinstance(one, str)} <= {*kind.needs, *kind.may}


def test_every_line_of_the_benchmark_is_taken_but_the_rare_ones() -> None:
    """A silent fallback would be found by nothing else than a slow cluster."""
    lines = benchmark_lines(20_000)
    left = [msgspec.json.decode(lines[place]) for place in np.flatnonzero(~scanned(lines).taken).tolist()]
    assert len(left) < 0.02 * len(lines)
    assert all(one["type"] in SLOW_TYPES or "reversal_of" in one for one in left)


LIKE = b'{"event_id":"e","type":"like","ts_ms":1700000000000,"anchor_id":"a","user_id":"u"%s}'
TAKEN: list[tuple[str, bytes]] = [
    ("spaces", b'{ "event_id" : "e" , "type":"like", "ts_ms" :1700000000000,"anchor_id":"a","user_id": "u" }'),
    ("as Python writes it", escaped(valid("gift", count=2, txn_id="t", live_id="l"))),
    ("integer ids", escaped(valid("gift", event_id=7, anchor_id=0, user_id=123456789012345678, txn_id=7))),
    ("nulls", LIKE % b',"count":null,"live_id":null,"surface":null,"tags":null,"set":null'),
    ("a field of nobody", LIKE % b',"x":1.25,"y":"z","":true,"another one of nobody":null,"x":0'),
    ("fields of other types", LIKE % b',"watch_ms":5,"value":7,"on":false,"reversal_of":"r"'),
    ("a version of before", LIKE % b',"schema_version":0'),
    ("a version", LIKE % b',"schema_version":1'),
    ("a share", escaped(valid("impression", propensity=0.123456789, position=3))),
    ("a share that is whole", escaped(valid("impression", propensity=1))),
    ("longest texts", escaped(valid("like", event_id="e" * MAX_ID_CHARS, surface="s" * MAX_TEXT_CHARS))),
    ("a follow taken back", escaped(valid("follow", on=False))),
    ("a viewer's number", escaped(valid("live_heartbeat", viewers=0))),
    ("no user", escaped(valid("live_end", reason="tired"))),
    ("all the bytes that are plain", LIKE % (b',"surface":"%s"' % bytes(set(range(32, 128)) - set(b'"\\')))),
]  # fmt: skip


@pytest.mark.parametrize("line", [case[1] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_what_is_plain_is_taken(line: bytes) -> None:
    """And gives what the decoder gives."""
    assert takes(line)
    check([line, line])


LEFT: list[tuple[str, bytes]] = [
    ("a name twice", LIKE % b',"count":1,"count":1'),
    ("a name twice, once null", LIKE % b',"count":1,"count":null'),
    ("a need that is null", LIKE.replace(b'"a"', b"null") % b""),
    ("an escape", LIKE % b',"x":"\\u0041"'),
    ("a name with an escape", LIKE % b',"co\\u0075nt":2'),
    ("not ASCII", LIKE % ',"x":"é"'.encode()),
    ("a byte that is no text", LIKE % b',"x":"\xff"'),
    ("a control character", LIKE % b',"x":"\x1f"'),
    ("a list", LIKE % b',"x":[]'),
    ("an object", LIKE % b',"x":{}'),
    ("19 digits", LIKE % b',"x":1234567890123456789'),
    ("a sign", LIKE % b',"x":-1'),
    ("an exponent", LIKE % b',"x":1e2'),
    ("a zero before", LIKE % b',"x":01'),
    ("a fraction of a whole number", LIKE % b',"count":1.0'),
    ("a share above 1", escaped(valid("impression", propensity=1.5))),
    ("a version too new", LIKE % b',"schema_version":2'),
    ("a reversal", escaped(valid("gift", reversal_of="r"))),
    ("a gift without a value", escaped({k: v for k, v in valid("gift").items() if k != "value"})),
    ("an unknown type", LIKE.replace(b'"like"', b'"likes"') % b""),
    ("no type", b'{"event_id":"e","ts_ms":1700000000000,"anchor_id":"a","user_id":"u"}'),
    ("an id too long", escaped(valid("like", user_id="u" * (MAX_ID_CHARS + 1)))),
    ("a text too long", escaped(valid("like", surface="s" * (MAX_TEXT_CHARS + 1)))),
    ("an empty id", escaped(valid("like", user_id=""))),
    ("seconds", escaped(valid("like", ts_ms=1_700_000_000))),
    ("a space before", b" " + LIKE % b""),
    ("a space behind", LIKE % b"" + b" "),
    ("a tab", LIKE % b',\t"x":1'),
    ("a comma too many", LIKE % b","),
    ("too long", LIKE % (b',"x":"%s"' % (b"x" * MAX_EVENT_BYTES))),
]  # fmt: skip


@pytest.mark.parametrize("line", [case[1] for case in LEFT], ids=[case[0] for case in LEFT])
def test_what_is_not_plain_is_left(line: bytes) -> None:
    """Good or bad: others decide. Nothing of it stays behind for the next line."""
    assert scanned([line, LIKE % b"", line]).taken.tolist() == [False, True, False]
    assert scanned([line]).anchors == []


@pytest.mark.parametrize("line", [case[1] for case in TAKEN if len(case[1]) < 500])
def test_a_line_ends_where_it_ends(line: bytes) -> None:
    """The bytes behind it, which would make it whole, are another's: every line that is cut is left."""
    cuts = np.arange(len(line) + 1)
    found = scan(Lines(line + b'}"}', np.zeros_like(cuts), cuts), np.ones(len(cuts), np.bool_))
    assert np.flatnonzero(found.taken).tolist() == [len(line)]
    for end in cuts.tolist():  # and nothing behind it
        assert takes(line[:end]) == (end == len(line))


def test_lines_may_stand_in_any_order_and_some_may_not_be_wanted() -> None:
    lines = Lines.of([escaped(valid("like", anchor_id=name)) for name in "abcab"]).take(np.array([3, 1, 0, 4, 2]))
    found = scan(lines, np.array([True, True, True, False, True]))
    assert found.taken.tolist() == [True, True, True, False, True]
    assert (found.anchors, found.columns["anchor"].tolist()) == (["a", "b", "c"], [0, 1, 0, 0, 2])


def test_many_anchors_stay_apart() -> None:
    """More than any two of which share a slot of the table."""
    names = [f"anchor-{place * 7919 % 5_000}" for place in range(10_000)]
    found = scanned([escaped(valid("like", anchor_id=name)) for name in names])
    assert found.anchors == names[:5_000]
    assert [found.anchors[place] for place in found.columns["anchor"].tolist()] == names


def test_a_name_that_the_kernel_could_not_compare_is_an_error() -> None:
    """It would be taken for a field of nobody."""
    with pytest.raises(ValueError, match="longer than 16 bytes"):
        scans._by_name(["a_name_that_is_too_long"])
