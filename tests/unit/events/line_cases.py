"""Lines as producers, careless ones and hostile ones send them: near events, and near JSON."""

import json
import random
from typing import Any

from hypothesis import strategies as st

from rtrec.events.schema import FIELDS, TYPES
from tests.replay.hostility import MAKERS, hostile_line
from tests.unit.events.event_cases import GOOD, escaped, line_of, near_events, valid

RAW: list[bytes] = [
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"-0.0", b"1e2", b"1.0", b"0.5", b"01", b"1.", b".5", b"0x10",
    b"1" + b"0" * 40, b"9" * 5_000, b"18446744073709551616", b"-9223372036854775809", b"null", b"true", b"tru", b"[]",
    b"[1,]", b"[null]", b"{}", b'{"a":1}', b'{"a":1,}', b'""', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\u0000"',
    b'"\\x41"', b'"\x01"', b'"\t"', b'"\xff"', b'"\xc3\x28"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xc0\x80"',
    '"é字"'.encode(), b'"x\x7fx"', b'"block"', b'"gift"', b"0", b"1", b"2", b"3", b"-1", b"1700000000000",
]  # fmt: skip
"""Values as they may be written, good and bad."""

JUNK: list[bytes] = [
    b"\n", b"\r", b"\r\n", b" ", b"\t", b"\x00", b"\x0b", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", b"{", b"}", b"}{",
    b"}\n{", b"},{", b'"', b'\\"', b"\\", b",", b":", b"[", b"]", b"/**/", b"\xef\xbb\xbf", b'"\n"', b'"}\n{"',
]  # fmt: skip

GOOD_EVENTS = [
    valid(name, **{field: value})
    for name, kind in TYPES.items()
    for field in (*kind.needs, *kind.may, "event_id", "live_id", "surface")
    for value in GOOD[FIELDS[field]]
]
"""Every value of every field that its type takes."""


@st.composite
def raw_fields(draw: st.DrawFn) -> bytes:
    """An event with fields whose values are written by hand; names may repeat, or be written with an escape."""
    line = escaped(valid(draw(st.sampled_from(list(TYPES)))))
    for _ in range(draw(st.integers(1, 3))):
        name = json.dumps(draw(st.sampled_from([*FIELDS, "unknown", "", "é"]))).encode()
        if draw(st.integers(0, 9)) == 0 and len(name) > 2:
            name = b'"\\u%04x%s' % (name[1], name[2:])
        line = line[:-1] + b"," + name + b":" + draw(st.sampled_from(RAW)) + b"}"
    return line


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A line cut, or with bytes put in or over others."""
    line = draw(st.one_of(st.sampled_from(GOOD_EVENTS).map(escaped), raw_fields()))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(line)))
        junk = draw(st.one_of(st.sampled_from(JUNK), st.binary(max_size=3)))
        line = line[:place] + junk + line[place + draw(st.sampled_from([0, 0, len(junk), 1])) :]
        if draw(st.integers(0, 5)) == 0:
            line = line[: draw(st.integers(0, len(line)))]
    return line


def several(lines: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Two events in one line."""
    between = st.sampled_from([b"", b" ", b"\n", b"\n\n", b",", b"\r\n"])
    return st.tuples(lines, between, lines).map(b"".join)


def _hostile(seed: int) -> bytes:
    return hostile_line(random.Random(seed), _GIFT)


_GIFT: dict[str, Any] = valid("gift", anchor_id="a", user_id="u")
PLAIN = st.sampled_from(GOOD_EVENTS).map(escaped)
ANY_LINE = st.one_of(
    PLAIN,
    st.sampled_from(GOOD_EVENTS).map(line_of),
    near_events().map(escaped),
    near_events().map(line_of),
    raw_fields(),
    mutated(),
    several(PLAIN),
    st.integers(0, 50 * len(MAKERS)).map(_hostile),
    st.sampled_from([b"", b"{}", b"[]", b"null", b"\n", b"{", b"}", b"{}{}", b" " * 70_000, b"\xff"]),
)


@st.composite
def shuffled_borders(draw: st.DrawFn) -> list[bytes]:
    """Good lines joined by newlines, and cut anew into as many lines anywhere: what two lines are as one text."""
    text = b"\n".join(draw(st.lists(PLAIN, min_size=2, max_size=4)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=1, max_size=3)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
