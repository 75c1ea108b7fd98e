"""Bytes become an `Event` or a `Refusal` that names field and fault.

Rules
-----
- `decode` tries the struct's decoder first (half a microsecond); only what that refuses is read again,
  slowly, field by field, to say why, or to accept it where the fault is in a field its type does not use.
- What its type does not list is taken out of an event, so that no stage can read it by mistake.
- The struct's decoder does not check the UTF-8 of what it passes over; a line that is not ASCII is checked whole.
- Each line is decoded alone: joined lines would let one line's brackets close another's.
- Nesting is bounded, far below what any stack takes: what one stage has taken, every stage can decode.
- Nothing here raises for bad input.
"""

import json
import math
import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from rtrec.events.schema import (
    ACCEPTED_MAJORS,
    ENVELOPE,
    ENVELOPE_MAY,
    FIELDS,
    MAX_EVENT_BYTES,
    MAX_ID_CHARS,
    MAX_INT,
    MIN_TS_MS,
    TYPES,
    Event,
    EventType,
    Kind,
)

MAX_SHOWN_CHARS: Final = 80
MAX_NESTED: Final = 200
"""Brackets that may be open at once; a line of 400 bytes or less cannot have more that are closed again."""
NEGATIVE_KINDS: Final = frozenset({"not_interested", "block", "report"})

_FIELD_TYPES: Final = get_type_hints(Event, include_extras=True)
_decode_struct: Final[Callable[[bytes], Event]] = msgspec.json.Decoder(Event).decode


_Read = Callable[[Event], tuple[Any, ...]]


class _Fields(NamedTuple):
    """A type's needs, its ids and what it does not list, with readers of many at once: one by one is slow."""

    needs: tuple[str, ...]
    ids: tuple[str, ...]
    others: tuple[str, ...]
    read_needs: _Read
    read_ids: _Read
    read_others: _Read
    no_others: tuple[None, ...]


def _fields_of(kind: EventType) -> _Fields:
    listed = {*ENVELOPE, *ENVELOPE_MAY, *kind.needs, *kind.may}
    ids = tuple(name for name in FIELDS if name in listed and FIELDS[name] is Kind.ID)
    others = tuple(name for name in FIELDS if name not in listed)
    needs = ("event_id", *kind.needs)  # two names at least: of one, attrgetter gives no tuple
    return _Fields(needs, ids, others, attrgetter(*needs), attrgetter(*ids), attrgetter(*others), (None,) * len(others))


_FIELDS_OF: Final = {name: _fields_of(kind) for name, kind in TYPES.items()}


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why an event was not taken: `field: fault`, as answered to producers and kept in dead letters."""

    reason: str
    event_id: str | None = None


def decode(line: bytes, length: int | None = None) -> Event | Refusal:
    """Read one event.

    Parameters
    ----------
    line: UTF-8 JSON, one object.
    length: the event's whole length in bytes where `line` holds only its beginning.

    >>> decode(b'{"event_id": 7, "type": "like", "ts_ms": 1700000000000, "anchor_id": "a", "user_id": "u"}').event_id
    '7'
    >>> decode(b'{"event_id":"e","type":"gift","ts_ms":1700000000000,"anchor_id":"a","user_id":"u","value":-5}').reason
    'gift.value: expected an integer ≥ 0, got -5'
    """
    if (length or len(line)) > MAX_EVENT_BYTES:
        return Refusal(f"event: expected at most {MAX_EVENT_BYTES} bytes, got {length or len(line)}")
    if len(line) > 2 * MAX_NESTED and line.count(b"[") + line.count(b"{") > MAX_NESTED and _nested(line) > MAX_NESTED:
        return Refusal("event: expected JSON, got nesting that is too deep")
    try:
        if not line.isascii():
            line.decode()
        event = _decode_struct(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _explain(line)
    return _finish(event)


_TEXTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_OTHERS: Final = bytes(set(range(256)) - set(b"[]{}"))


def _nested(line: bytes) -> int:
    """How many brackets are open at most, outside of texts; counted no further than one too many."""
    opened = deepest = 0
    for byte in _TEXTS.sub(b"", line).translate(None, _OTHERS):
        opened += 1 if byte in b"[{" else -1
        deepest = max(deepest, opened)
        if deepest > MAX_NESTED:
            break
    return deepest


def _finish(event: Event) -> Event | Refusal:
    """What the struct cannot say: the type, what it lists, ids as strings, its needs, the version."""
    fields = _FIELDS_OF.get(event.type)
    if fields is None:
        return _refuse(event, "event.type", "one of " + ", ".join(TYPES), event.type)
    if fields.read_others(event) != fields.no_others:
        for name in fields.others:
            setattr(event, name, None)
    for one in fields.read_ids(event):
        if one.__class__ is int:
            fault = _ids_to_text(event, fields.ids)
            if fault is not None:
                return fault
            break
    if event.follows is not None and (fault := _follows_to_text(event)) is not None:
        return fault
    if None in fields.read_needs(event):
        for name in fields.needs:
            if getattr(event, name) is None and not (name == "value" and event.reversal_of is not None):
                return Refusal(f"{event.type}.{name}: missing", str(event.event_id))
    if event.schema_version is not None and event.schema_version not in ACCEPTED_MAJORS:
        accepted = " or ".join(map(str, sorted(ACCEPTED_MAJORS)))
        return _refuse(event, f"{event.type}.schema_version", accepted, event.schema_version)
    if event.kind is not None and event.kind not in NEGATIVE_KINDS:
        return _refuse(event, "negative.kind", Kind.NEGATIVE.value, event.kind)
    return event


def _ids_to_text(event: Event, names: tuple[str, ...]) -> Refusal | None:
    """Integer ids become their decimal strings, and are bounded by their digits."""
    for name in names:
        value = getattr(event, name)
        if value.__class__ is int:
            if len(str(value)) > MAX_ID_CHARS:
                return _refuse(event, f"{event.type}.{name}", Kind.ID.value, value)
            setattr(event, name, str(value))
    return None


def _follows_to_text(event: Event) -> Refusal | None:
    ids = [str(one) for one in event.follows or ()]
    if any(len(one) > MAX_ID_CHARS for one in ids):
        return _refuse(event, f"{event.type}.follows", Kind.IDS.value, ids)
    event.follows = list[str | int](ids)
    return None


def _refuse(event: Event, where: str, expected: str, got: object) -> Refusal:
    return Refusal(f"{where}: expected {expected}, got {_shown(got)}", str(event.event_id)[:MAX_ID_CHARS])


def _explain(line: bytes) -> Event | Refusal:
    """Read an event field by field: the refusal names the first faulty field its type uses, or none is."""
    try:
        loaded = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Refusal(f"event: expected UTF-8, got the byte 0x{line[error.start]:02x} at {error.start}")
    except json.JSONDecodeError as error:
        return Refusal(f"event: expected JSON, got a fault at character {error.pos} ({error.msg})")
    except RecursionError:
        return Refusal("event: expected JSON, got nesting that is too deep")
    except ValueError:
        return Refusal("event: expected JSON, got a number with too many digits")
    if not isinstance(loaded, dict):
        return Refusal(f"event: expected an object, got {_shown(loaded)}")
    return _from_fields(loaded)


def _from_fields(loaded: dict[str, Any]) -> Event | Refusal:
    event_id = loaded.get("event_id")
    known_id = str(event_id)[:MAX_ID_CHARS] if isinstance(event_id, str | int) else None
    type_name = loaded.get("type")
    kind = TYPES.get(type_name) if isinstance(type_name, str) else None
    if "type" in loaded and kind is None:
        return Refusal(f"event.type: expected one of {', '.join(TYPES)}, got {_shown(type_name)}", known_id)
    where = type_name if kind else "event"
    names = (*ENVELOPE, *ENVELOPE_MAY, *(dict.fromkeys((*kind.needs, *kind.may)) if kind else ()))
    values: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        value = loaded.get(name)
        if value is None and name not in ENVELOPE:
            continue
        if value is None:
            return Refusal(f"{where}.{name}: missing", known_id)
        fault = _fault(name, value)
        if fault:
            return Refusal(f"{where}.{name}: {fault}", known_id)
        values[name] = msgspec.convert(value, _FIELD_TYPES[name])
    return _finish(Event(**values))


def _fault(name: str, value: object) -> str | None:
    """What is wrong with one field's value, in the words of its kind."""
    if not _finite(value):
        return f"expected {FIELDS[name].value}, got {_shown(value)}"
    try:
        msgspec.convert(value, _FIELD_TYPES[name])
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (msgspec.ValidationError, RecursionError):
        return _worded(name, value)
    except UnicodeEncodeError:
        return f"expected {FIELDS[name].value}, got text that is not Unicode (a lone surrogate)"
    return None


def _worded(name: str, value: object) -> str:
    expected = FIELDS[name].value
    integer = isinstance(value, int) and not isinstance(value, bool)
    if integer and FIELDS[name] is Kind.INT and value > MAX_INT:  # type: ignore[operator]
        expected = "an integer ≤ 10^12"
    hint = ""
    if integer and FIELDS[name] is Kind.TIME and 0 <= value < MIN_TS_MS:  # type: ignore[operator]
        hint = " (seconds? times are milliseconds)"
    return f"expected {expected}, got {_shown(value)}{hint}"


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_finite(one) for one in value.values())
    return all(_finite(one) for one in value) if isinstance(value, list) else True


def _shown(value: object) -> str:
    """A value as JSON, cut to a line; what JSON cannot write is named."""
    if isinstance(value, dict | list) and value:
        return "an object" if isinstance(value, dict) else "a list"
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (ValueError, RecursionError):
        return "a number with too many digits"
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"
