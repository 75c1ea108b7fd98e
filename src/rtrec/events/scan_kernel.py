"""The kernel of `scan`: lines of bytes to rows of `COLUMNS`.

Rules
-----
- What it knows of fields and types are its arguments, which `scan` makes: Numba's cache would keep constants of other
  files as they were.
- Nothing is read beyond a line's end but by `read64` within the bytes there are: Numba checks no bounds.
- Places in bytes and masks are unsigned: see `xxh3`, and `lines` for what signed ones cost.
"""

from typing import Any, Final

import numpy as np
from numba import njit, uint64

from rtrec.events.xxh3 import MAX_HASHED_BYTES, read32, read64, xxh3

ODD, TEXT, WHOLE, FRACTION, BOOL, NULL = 0, 1, 2, 4, 8, 16
"""What stands as a value; `ODD` is not plain."""
NAME_BYTES: Final = 16
SLOTS_LOG2: Final = 7
LIVE, TXN = b"live\0", b"txn\0"
LIVE_AT, TXN_AT, SPACE_BYTES = 0, MAX_HASHED_BYTES, 2 * MAX_HASHED_BYTES
"""Where the namespaces of `ids.hash_in` stand, each with room for an id after it."""

_LIVE_BYTES, _TXN_BYTES = len(LIVE), len(TXN)
_QUOTE, _ESCAPE, _COMMA, _COLON, _DOT, _SPACE, _OPEN, _CLOSE, _ZERO, _NINE = b'"\\,:. {}09'
_ASCII: Final = 127
_F: Final = ord("f")
_TRUE, _ALSE, _NONE = (int.from_bytes(word, "little") for word in (b"true", b"alse", b"null"))
_DIGITS: Final = 18
_SPREAD, _SPREAD_HIGH = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9
_ONES, _TOPS = 0x0101010101010101, 0x8080808080808080


@njit(cache=True, nogil=True)
def scan_lines(
    blob: Any, starts: Any, ends: Any, tables: Any, found: Any, spaces: Any, columns: Any, taken: Any, anchors: Any,
    slots: Any,
) -> int:  # fmt: skip
    """Fill the rows of what is taken; how many anchors these have. taken: what is wanted, then what was taken."""
    known = 0
    for k in range(starts.shape[0]):
        if not taken[k]:
            continue
        code, given = _read(blob, uint64(starts[k]), uint64(ends[k]), tables, found)
        kind = tables.types[code]
        needs = kind["needs"]
        taken[k] = code >= 0 and given & needs == needs and given & kind["not_with"] == uint64(0)
        if taken[k]:
            row = columns[k]
            row["type"] = code
            _fill(row, blob, kind, given, found, spaces)
            place = _numbered(blob, found[kind["anchor_id"]], anchors, slots, known)
            row["anchor"] = place
            known = max(known, place + 1)
    return known


@njit(cache=True, nogil=True)
def _read(blob: Any, at: Any, end: Any, tables: Any, found: Any) -> Any:
    """(code of the type, mask of the fields that are given) of a line whose every value is plain and in its bounds.

    The code is -1 for another line. Values are in `found` then, those of fields of other types too.
    """
    one, met, given, odd = uint64(1), uint64(0), uint64(0), (-1, uint64(0))
    if at >= end or blob[at] != _OPEN:
        return odd
    while True:
        at = _past_spaces(blob, at + one, end)
        if at >= end or blob[at] != _QUOTE:
            return odd
        begin = at + one
        at = _text_end(blob, begin, end)
        place = _place_of(blob, begin, at, tables.names)
        at = _past_spaces(blob, at + one, end)
        if at >= end or blob[at] != _COLON:
            return odd
        stands, begin, stop, number, at = _value(blob, _past_spaces(blob, at + one, end), end)
        if stands == ODD:
            return odd
        if place >= 0:
            bit = one << uint64(place)
            if met & bit != uint64(0):
                return odd
            met |= bit
            if stands != NULL:
                bounds = tables.fields[place]
                size = np.int64(stop - begin) if bounds["by_length"] else number
                if bounds["stands"] & stands == 0 or size < bounds["least"] or size > bounds["most"]:
                    return odd
                given |= bit
                value = found[place]
                value["begin"], value["end"], value["number"] = begin, stop, number
        at = _past_spaces(blob, at, end)
        if at >= end or blob[at] != _COMMA:
            break
    kind = uint64(tables.type_place)
    if at + one != end or blob[at] != _CLOSE or (given >> kind) & one == uint64(0):
        return odd
    return _place_of(blob, found[kind]["begin"], found[kind]["end"], tables.type_names), given


@njit(cache=True, nogil=True)
def _past_spaces(blob: Any, at: Any, end: Any) -> Any:
    while at < end and blob[at] == _SPACE:
        at += uint64(1)
    return at


@njit(cache=True, nogil=True)
def _text_end(blob: Any, at: Any, end: Any) -> Any:
    """Where the closing quote stands, or `end` where the text is not plain or not closed."""
    while at + uint64(8) <= end:
        word = read64(blob, at)
        quote, escape = word ^ uint64(_QUOTE * _ONES), word ^ uint64(_ESCAPE * _ONES)
        ends = ((quote - uint64(_ONES)) & ~quote) | ((escape - uint64(_ONES)) & ~escape)
        if (ends | (word - uint64(_SPACE * _ONES)) | word) & uint64(_TOPS) != uint64(0):
            break  # one of the eight ends it, or is not plain
        at += uint64(8)
    while at < end:
        byte = blob[at]
        if byte == _QUOTE:
            return at
        if byte < _SPACE or byte > _ASCII or byte == _ESCAPE:
            return end
        at += uint64(1)
    return end


@njit(cache=True, nogil=True)
def _value(blob: Any, at: Any, end: Any) -> Any:
    """(what stands there, its begin, its end, its number, where to go on); a text stands without its quotes."""
    one = uint64(1)
    if at >= end:
        return ODD, at, at, 0, at
    first = blob[at]
    if first == _QUOTE:
        stop = _text_end(blob, at + one, end)
        return TEXT if stop < end else ODD, at + one, stop, 0, stop + one
    if _ZERO <= first <= _NINE:
        return _number(blob, at, end)
    if at + uint64(5) > end:
        return ODD, at, at, 0, at
    word = read32(blob, at)
    if word == _TRUE:
        return BOOL, at, at, 1, at + uint64(4)
    if word == _NONE:
        return NULL, at, at, 0, at + uint64(4)
    if first == _F and read32(blob, at + one) == _ALSE:
        return BOOL, at, at, 0, at + uint64(5)
    return ODD, at, at, 0, at


@njit(cache=True, nogil=True)
def _number(blob: Any, at: Any, end: Any) -> Any:
    """The same of a number; a fraction counts as the next whole one. More digits are left for the caller to meet."""
    number: Any = 0
    begin, limit = at, min(end, at + uint64(_DIGITS))
    while at < limit and _ZERO <= blob[at] <= _NINE:
        number = 10 * number + np.int64(blob[at]) - _ZERO
        at += uint64(1)
    stands = ODD if blob[begin] == _ZERO and at - begin > uint64(1) else WHOLE
    if at < end and blob[at] == _DOT:
        at += uint64(1)
        dot, limit = at, min(end, at + uint64(_DIGITS))
        while at < limit and _ZERO <= blob[at] <= _NINE:
            at += uint64(1)
        number += 1
        stands = FRACTION if stands == WHOLE and at > dot else ODD
    return stands, begin, at, number, at


@njit(cache=True, nogil=True)
def slot_of_name(low: Any, high: Any) -> Any:
    """Where a name is looked for first."""
    spread = (low ^ (high * uint64(_SPREAD_HIGH))) * uint64(_SPREAD)
    return spread >> uint64(64 - SLOTS_LOG2)


@njit(cache=True, nogil=True)
def _place_of(blob: Any, begin: Any, end: Any, names: Any) -> Any:
    """The place of a name, -1 where it is none of the table's."""
    length, low, high = end - begin, uint64(0), uint64(0)
    if length > uint64(NAME_BYTES) or length == uint64(0):
        return -1
    if begin + uint64(NAME_BYTES) <= uint64(blob.shape[0]):
        beyond = (uint64(NAME_BYTES) - length) << uint64(3)  # bits
        low, high = read64(blob, begin), read64(blob, begin + uint64(8))
        if length > uint64(8):
            high = (high << beyond) >> beyond
        else:
            high, beyond = uint64(0), beyond - uint64(64)
            low = (low << beyond) >> beyond
    else:
        for k in range(length):
            byte = uint64(blob[begin + k]) << ((k & uint64(7)) << uint64(3))
            if k < uint64(8):
                low |= byte
            else:
                high |= byte
    slot = slot_of_name(low, high)
    while names[slot]["place"] >= 0 and (names[slot]["low"] != low or names[slot]["high"] != high):
        slot = (slot + uint64(1)) & uint64((1 << SLOTS_LOG2) - 1)
    return names[slot]["place"]


@njit(cache=True, nogil=True)
def _fill(row: Any, blob: Any, kind: Any, given: Any, found: Any, spaces: Any) -> None:
    """What an event says of itself. What is not of its type was not asked for."""
    row["ts_ms"] = found[kind["ts_ms"]]["number"]
    row["event"] = row["key"] = _hash(blob, found[kind["event_id"]])
    if _has(given, kind["user_id"]):
        row["user"] = _hash(blob, found[kind["user_id"]])
    if _has(given, kind["live_id"]):
        row["live"] = _hash_in(blob, found[kind["live_id"]], spaces, uint64(LIVE_AT), uint64(_LIVE_BYTES))
    if _has(given, kind["key"]):
        row["key"] = _hash_in(blob, found[kind["key"]], spaces, uint64(TXN_AT), uint64(_TXN_BYTES))
    row["amount"] = found[kind["amount"]]["number"] if _has(given, kind["amount"]) else kind["without"]
    row["count"] = found[kind["count"]]["number"] if _has(given, kind["count"]) else 1


@njit(cache=True, nogil=True)
def _has(given: Any, place: Any) -> Any:
    return place >= 0 and (given >> uint64(place)) & uint64(1) != uint64(0)


@njit(cache=True, nogil=True)
def _hash(blob: Any, span: Any) -> Any:
    """`ids.hash_id`."""
    return max(xxh3(blob, span["begin"], span["end"] - span["begin"]), uint64(1))


@njit(cache=True, nogil=True)
def _hash_in(blob: Any, span: Any, spaces: Any, at: Any, skipped: Any) -> Any:
    """`ids.hash_in` the namespace that stands at a place of the room."""
    length = span["end"] - span["begin"]
    for k in range(length):
        spaces[at + skipped + k] = blob[span["begin"] + k]
    return max(xxh3(spaces, at, skipped + length), uint64(1))


@njit(cache=True, nogil=True)
def _numbered(blob: Any, span: Any, anchors: Any, slots: Any, known: Any) -> Any:
    """The place of an anchor among those known; `known` for a new one, which is put there."""
    begin, end, hashed, last = span["begin"], span["end"], _hash(blob, span), uint64(slots.shape[0] - 1)
    slot = hashed & last
    while slots[slot] >= 0:
        one = anchors[slots[slot]]
        if one["hash"] == hashed and _same(blob, begin, end, one["begin"], one["end"]):
            return np.int64(slots[slot])
        slot = (slot + uint64(1)) & last
    slots[slot], one = known, anchors[known]
    one["hash"], one["begin"], one["end"] = hashed, begin, end
    return known


@njit(cache=True, nogil=True)
def _same(blob: Any, begin: Any, end: Any, at: Any, until: Any) -> Any:
    if end - begin != until - at:
        return False
    for k in range(end - begin):
        if blob[begin + k] != blob[at + k]:
            return False
    return True
