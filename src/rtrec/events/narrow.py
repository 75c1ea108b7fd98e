"""The way in for what `scan` leaves: many events at once, each as a struct of its type with only that type's fields.

Rules
-----
- What is taken here `codec.decode` takes alike, field by field (a property test holds it): both are made of the
  tables in `schema`. What is not taken here is no refusal: it goes through `codec.decode`, which decides and words.
- Lines are decoded as newline-separated values. That is safe only where each line is one object in itself: it
  begins with `{`, ends with `}`, and holds no newline, so that no line's brackets can close another's.
- One line that is not taken sends its slice of `SLICE` lines to be taken one by one, never the whole batch.
- Integer ids are left to `codec.decode`, which turns them into text; so are lines that may hold a number or a nesting
  which its slow reader refuses also in fields that are passed over here (`LONG_BYTES`, `NESTED`).
"""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from rtrec.events.codec import MAX_NESTED, NEGATIVE_KINDS, Refusal, decode
from rtrec.events.lines import Lines
from rtrec.events.schema import (
    ACCEPTED_MAJORS,
    ENVELOPE_MAY,
    FIELDS,
    MAX_ID_CHARS,
    TYPES,
    Event,
    EventType,
    Kind,
)

SLICE: Final = 256
LONG_BYTES: Final = 4_096
"""A longer line may hold an integer of more digits than Python reads (4,300)."""
DEEP_BYTES, NESTED = 2 * MAX_NESTED, 64
"""A longer line with more brackets may be nested deeper than `codec.decode` takes."""

_TextId = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)]
_HINTS: Final = get_type_hints(Event, include_extras=True)


def _hint(name: str) -> Any:
    """A field's type without None; an id is text alone."""
    if FIELDS[name] is Kind.ID:
        return _TextId
    if FIELDS[name] is Kind.IDS:
        return list[_TextId]
    if name == "schema_version":
        return Literal[tuple(sorted(ACCEPTED_MAJORS))]
    if FIELDS[name] is Kind.NEGATIVE:
        return Literal[tuple(sorted(NEGATIVE_KINDS))]
    present = [one for one in get_args(_HINTS[name]) if one is not type(None)]
    return _HINTS[name] if name == "ts_ms" else reduce(or_, present)


def _struct(name: str, kind: EventType) -> type[Struct]:
    needs = {"event_id", "ts_ms", *kind.needs} - ({"value"} if name == "gift" else set())
    listed = dict.fromkeys((*sorted(needs), *ENVELOPE_MAY, *kind.needs, *kind.may))
    fields = [(one, _hint(one)) if one in needs else (one, _hint(one) | None, None) for one in listed]
    return msgspec.defstruct(name, fields, tag_field="type", tag=name, kw_only=True, gc=False)


_STRUCTS: Final = {name: _struct(name, kind) for name, kind in TYPES.items()}
_CODES: Final = {struct: TYPES[name].code for name, struct in _STRUCTS.items()}
_decode_lines: Final = msgspec.json.Decoder(reduce(or_, _STRUCTS.values())).decode_lines
_GIFT: Final[type[Any]] = _STRUCTS["gift"]


def decode_many(lines: Sequence[bytes]) -> tuple[list[Any], list[int]]:
    """(events, type codes) of lines, in order; a refused one is a `Refusal`, of code -1.

    An event is a struct of its type, or an `Event`: both have the attributes that the type lists.

    >>> decode_many([b'{"event_id":"e","type":"like","ts_ms":1700000000000,"anchor_id":"a","user_id":"u"}', b"[]"])[1]
    [10, -1]
    """
    return decode_text(*Lines.of(lines).text())


def decode_text(text: bytes, ends: NDArray[np.int64]) -> tuple[list[Any], list[int]]:
    """The same of lines that stand in one text, a newline between two. ends: where each ends."""
    events: list[Any] = []
    codes: list[int] = []
    borders = [-1, *ends.tolist()]
    for first in range(0, len(ends), SLICE):
        some = borders[first : first + SLICE + 1]
        taken = _fast(text[some[0] + 1 : some[-1]], [b - a - 1 for a, b in pairwise(some)])
        if taken is None:
            taken = [decode(text[a + 1 : b]) for a, b in pairwise(some)]
            codes += [-1 if isinstance(one, Refusal) else TYPES[one.type].code for one in taken]
        else:
            codes += [_CODES[one.__class__] for one in taken]
        events += taken
    return events, codes


def _brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _fast(joined: bytes, lengths: Sequence[int]) -> list[Any] | None:
    """Every line of a slice as a struct of its type, or None where one of them needs a closer look."""
    borders = len(lengths) - 1
    if not joined.startswith(b"{") or not joined.endswith(b"}"):
        return None
    if joined.count(b"\n") != borders or joined.count(b"}\n{") != borders:
        return None
    longest = max(lengths)
    if longest > LONG_BYTES or (longest > DEEP_BYTES and max(map(_brackets, joined.split(b"\n"))) > NESTED):
        return None
    try:
        if not joined.isascii():
            joined.decode()
        events: list[Any] = _decode_lines(joined)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    gifts = [one for one in events if one.__class__ is _GIFT]
    worthless = any(gift.value is None and gift.reversal_of is None for gift in gifts)
    return events if len(events) == len(lengths) and not worthless else None
