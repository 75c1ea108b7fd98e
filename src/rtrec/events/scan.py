"""The fastest way in: one pass over the bytes of plain lines fills their columns, and makes no object of Python.

Rules
-----
- A line is taken only where `codec.decode` takes it and `columns_of` gives that very row (a property test holds it).
  What is not taken is no refusal: it goes through `narrow` and `columns`, which decide.
- Plain is an object of printable ASCII without escapes, lists or objects in it, or a field that stands there twice; its
  numbers are whole, without a sign, and of at most 18 digits. A fraction is read where it is below 1, or nobody's.
- What the kernel knows of fields and types are tables made of `schema` and `columns.DETAILS`: there is no second list.
- A type is taken where it is an anchor's and all its fields can stand plain: nothing else says which types these are.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtrec.events.columns import COLUMNS, DETAILS, Columns, Details
from rtrec.events.lines import Lines
from rtrec.events.scan_kernel import (
    BOOL,
    FRACTION,
    LIVE,
    LIVE_AT,
    NAME_BYTES,
    ODD,
    SLOTS_LOG2,
    SPACE_BYTES,
    TEXT,
    TXN,
    TXN_AT,
    WHOLE,
    scan_lines,
    slot_of_name,
)
from rtrec.events.schema import (
    ACCEPTED_MAJORS,
    ENVELOPE,
    ENVELOPE_MAY,
    FIELDS,
    MAX_EVENT_BYTES,
    MAX_ID_CHARS,
    MAX_INT,
    MAX_TEXT_CHARS,
    MAX_TS_MS,
    MAX_WATCH_MS,
    MIN_TS_MS,
    TYPES,
    EventType,
    Kind,
)
from rtrec.events.xxh3 import MAX_HASHED_BYTES

_ID_BYTES: Final = min(MAX_ID_CHARS, MAX_HASHED_BYTES - max(len(LIVE), len(TXN)))
_BOUNDS: Final = {
    Kind.ID: (TEXT | WHOLE, True, 1, _ID_BYTES),
    Kind.TEXT: (TEXT, True, 0, MAX_TEXT_CHARS),
    Kind.TIME: (WHOLE, False, MIN_TS_MS, MAX_TS_MS),
    Kind.INT: (WHOLE, False, 0, MAX_INT),
    Kind.WATCH: (WHOLE, False, 0, MAX_WATCH_MS),
    Kind.SHARE: (WHOLE | FRACTION, False, 0, 1),
    Kind.BOOL: (BOOL, False, 0, 1),
}
"""The kinds that can stand plain: as what, and the least and most of their length (or else of their value)."""

_FIELD: Final = np.dtype([("stands", "i8"), ("by_length", "?"), ("least", "i8"), ("most", "i8")])
_ALWAYS: Final = ("event_id", "ts_ms", "anchor_id", "user_id", "live_id")
_TYPE: Final = np.dtype(
    [
        ("needs", "u8"),  # a mask of fields, bit k for the k-th of `FIELDS`; all ones where the type is not taken
        ("not_with", "u8"),  # a mask of fields with which it is left: what these link to has columns of its own
        *((name, "i8") for name in _ALWAYS),  # places in `FIELDS`
        *((name, "i8") for name in ("amount", "count", "key")),  # the same, -1 for none
        ("without", "i8"),
    ]
)
_NAME: Final = np.dtype([("low", "u8"), ("high", "u8"), ("place", "i8")])
_FOUND: Final = np.dtype([("begin", "u8"), ("end", "u8"), ("number", "i8")])
_ANCHOR: Final = np.dtype([("hash", "u8"), ("begin", "u8"), ("end", "u8")])


class _Tables(NamedTuple):
    """names, type_names: hash tables, of places in `FIELDS` and of codes. type_place: the place of `type`."""

    names: NDArray[Any]
    fields: NDArray[Any]
    type_names: NDArray[Any]
    types: NDArray[Any]
    type_place: int


class Scanned(NamedTuple):
    """taken: which lines were. columns: a row each, zeros where not, without positions. anchors: those of the rows."""

    taken: NDArray[np.bool_]
    columns: Columns
    anchors: list[str]


def scan(lines: Lines, wanted: NDArray[np.bool_]) -> Scanned:
    """Take what is plain of the lines that are wanted.

    >>> like = b'{"event_id":"e","type":"like","ts_ms":1700000000000,"anchor_id":"a","user_id":"u","count":3}'
    >>> found = scan(Lines.of([like, like[:-1]]), np.ones(2, np.bool_))
    >>> found.taken.tolist(), found.columns["count"].tolist(), found.anchors
    ([True, False], [3, 0], ['a'])
    """
    taken, blob, count = wanted & (lines.ends - lines.starts <= MAX_EVENT_BYTES), lines.blob, len(lines)
    columns, anchors = np.zeros(count, COLUMNS), np.empty(count, _ANCHOR)
    known = scan_lines(
        np.frombuffer(blob, np.uint8), lines.starts, lines.ends, _tables(), np.zeros(len(FIELDS), _FOUND), _spaces(),
        columns, taken, anchors, np.full(1 << (2 * count).bit_length(), -1, np.int32),
    )  # fmt: skip
    spans = zip(anchors["begin"][:known].tolist(), anchors["end"][:known].tolist(), strict=True)
    return Scanned(taken, columns, [str(blob[a:b], "ascii") for a, b in spans])


def _spaces() -> NDArray[np.uint8]:
    """Room for ids in namespaces."""
    room = np.zeros(SPACE_BYTES, np.uint8)
    for at, name in ((LIVE_AT, LIVE), (TXN_AT, TXN)):
        room[at : at + len(name)] = np.frombuffer(name, np.uint8)
    return room


@cache
def _tables() -> _Tables:
    places = {name: place for place, name in enumerate(FIELDS)}
    majors = (WHOLE, False, min(ACCEPTED_MAJORS), max(ACCEPTED_MAJORS))
    bounds = [majors if name == "schema_version" else _BOUNDS.get(kind, (ODD,) * 4) for name, kind in FIELDS.items()]
    types = [_type_row(kind, DETAILS.get(kind.code, Details()), places) for kind in TYPES.values()]
    return _Tables(_by_name(FIELDS), np.array(bounds, _FIELD), _by_name(TYPES), np.array(types, _TYPE), places["type"])


def _type_row(kind: EventType, details: Details, places: dict[str, int]) -> tuple[int, ...]:
    fields = {*ENVELOPE, *ENVELOPE_MAY, *kind.needs, *kind.may}
    taken = "anchor_id" in kind.needs and all(FIELDS[name] in _BOUNDS for name in fields)
    needs = sum(1 << places[name] for name in {*ENVELOPE, *kind.needs}) if taken else 2**64 - 1
    told = [-1 if name is None else places[name] for name in (details.amount, details.count, details.key)]
    not_with = 1 << places[details.link] if details.link else 0
    return (needs, not_with, *(places[name] for name in _ALWAYS), *told, details.without)


def _by_name(names: Iterable[str]) -> NDArray[Any]:
    table = np.zeros(1 << SLOTS_LOG2, _NAME)
    table["place"] = -1
    for place, name in enumerate(names):
        if len(name) > NAME_BYTES:
            raise ValueError(f"scan: {name} is longer than {NAME_BYTES} bytes, which the kernel compares")
        low, high = (int.from_bytes(name.encode()[at : at + 8], "little") for at in (0, 8))
        slot = slot_of_name(np.uint64(low), np.uint64(high))
        while table["place"][slot] >= 0:
            slot = (slot + np.uint64(1)) % np.uint64(len(table))
        table[slot] = low, high, place
    return table
