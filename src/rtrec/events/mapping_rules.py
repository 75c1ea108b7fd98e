"""The rules of a mapping's fields: where a field's value comes from, and what is done to it.

Rules
-----
- A source is a path, a list of paths of which the first that is there wins, or `{ const = … }`, also last in a list.
- A rule is a source, or a table of exactly one form: `path` (with `times`, and `round` there, or with `values`),
  `join` (with `by`), `object`, `const`.
- A constant must be what its field may be; this is known before the first message. An event's own id has none.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from rtrec.events.codec import NEGATIVE_KINDS
from rtrec.events.mapping_faults import Faults, Unfit, shown
from rtrec.events.mapping_numbers import scaled
from rtrec.events.mapping_paths import EXPECTED, Get, first_of, parse_path, reader
from rtrec.events.schema import FIELDS, MAX_ATTRIBUTES, Event, Kind

MAX_CANDIDATES: Final = 16
MAX_BY_CHARS: Final = 8
MAX_FACTOR: Final = 10**12
FORMS: Final = ("path", "join", "object", "const")
OPTIONS: Final = {"times": "path", "round": "path", "values": "path", "by": "join"}
"""What may stand beside a form, and beside which."""

_TYPES_OF_FIELDS: Final = get_type_hints(Event, include_extras=True)
_WHOLE: Final = (Kind.INT, Kind.WATCH)
_WORDS: Final = (Kind.ID, Kind.TEXT)

Check = Callable[[object], str | None]
"""What was expected instead of a constant; None where it may stand."""


class Rule(NamedTuple):
    """How a field is read. key: where `get` only takes this name from the message's top, which is faster done there."""

    get: Get
    key: str | None = None
    const: object = None
    """The value where it is the same for every message."""


def field_rule(name: str, value: object, where: str, faults: Faults) -> Rule | None:
    """Read the rule of a field; None after a fault."""
    check = _check_of_constant(name)
    if not isinstance(value, dict) or set(value) == {"const"}:
        return _source(value, where, check, faults)
    table = faults.table(where, value, (*FORMS, *OPTIONS))
    forms = [form for form in FORMS if form in table]
    if len(forms) != 1:
        faults.unexpected(where, f"one of {', '.join(FORMS)}", ", ".join(forms) or None)
        return None
    (form,) = forms
    misplaced = [option for option in table if option in OPTIONS and OPTIONS[option] != form]
    for option in misplaced:
        faults.append(f"{where}.{option}: stands beside {OPTIONS[option]} only")
    if misplaced or len(table) != len(value):
        return None
    if form == "join":
        return _join(name, table, where, faults)
    if form == "object":
        return _object(name, table["object"], f"{where}.object", faults)
    return _path(name, table, where, faults)


def _path(name: str, table: dict[str, Any], where: str, faults: Faults) -> Rule | None:
    """`path`, as it is or with `times` or `values`."""
    if "times" in table and "values" in table:
        faults.append(f"{where}: expected times or values, got both")
        return None
    if "round" in table and "times" not in table:
        faults.append(f"{where}.round: stands beside times only")
        return None
    if "times" in table:
        return _times(name, table, where, faults)
    if "values" in table:
        return _values(name, table, where, faults)
    return _source(table["path"], f"{where}.path", _check_of_constant(name), faults)


def _times(name: str, table: dict[str, Any], where: str, faults: Faults) -> Rule | None:
    source = _source(table["path"], f"{where}.path", _number, faults)
    kind, factor = FIELDS[name], table["times"]
    is_number = isinstance(factor, int | float) and not isinstance(factor, bool) and math.isfinite(factor)
    if kind not in {*_WHOLE, Kind.SHARE}:
        faults.append(f"{where}.times: only for numbers; {name} is {kind.value}")
    elif not is_number or not 0 < factor <= MAX_FACTOR:
        faults.unexpected(f"{where}.times", "a number > 0 and ≤ 10^12", factor)
    elif table.get("round", "down") != "down":
        faults.unexpected(f"{where}.round", 'nothing or "down"', table["round"])
    elif source is not None:
        exact, whole = Decimal(repr(factor)), kind in _WHOLE
        return Rule(scaled(source.get, exact, worded(table["path"]), whole=whole, down="round" in table))
    return None


def _values(name: str, table: dict[str, Any], where: str, faults: Faults) -> Rule | None:
    """A value becomes another by a table; what the table does not have is refused."""
    values, at, before = table["values"], worded(table["path"]), len(faults)
    source = _source(table["path"], f"{where}.path", _word, faults)
    if not isinstance(values, dict) or not values:
        faults.unexpected(f"{where}.values", "a table of names, each a value of the field", values)
        return None
    for theirs, ours in values.items():
        _constant(ours, f"{where}.values.{theirs}", _check_of(name), faults)
    if source is None or len(faults) > before:
        return None
    get = source.get

    def read(message: dict[str, Any]) -> Any:
        value = get(message)
        if value is None:
            return None
        found = values.get(as_name(value))
        if found is None:
            raise Unfit(f"expected one of {', '.join(values)} at {at}, got {shown(value)}")
        return found

    return Rule(read)


def _join(name: str, table: dict[str, Any], where: str, faults: Faults) -> Rule | None:
    """Several parts as one text; absent where a part is absent or empty."""
    parts, by, before = table["join"], table.get("by", "-"), len(faults)
    if FIELDS[name] not in _WORDS:
        faults.append(f"{where}.join: only for ids and texts; {name} is {FIELDS[name].value}")
    if not isinstance(by, str) or len(by) > MAX_BY_CHARS:
        faults.unexpected(f"{where}.by", f"a string of at most {MAX_BY_CHARS} characters", by)
    if not isinstance(parts, list) or not 1 <= len(parts) <= MAX_CANDIDATES:
        faults.unexpected(f"{where}.join", f"a list of 1 to {MAX_CANDIDATES} paths", parts)
        return None
    sources = [_source(part, f"{where}.join[{place}]", _word, faults) for place, part in enumerate(parts)]
    gets = [source.get for source in sources if source is not None]
    if len(gets) == len(sources) and all(source and source.const is not None for source in sources):
        faults.append(f"{where}.join: expected a path among its parts, got constants only")
    if len(faults) > before:
        return None

    def read(message: dict[str, Any]) -> Any:
        texts: list[str] = []
        for get in gets:
            value = get(message)
            if value.__class__ is int:
                value = str(value)
            elif value is None or value == "":
                return None
            elif value.__class__ is not str:
                raise Unfit(f"expected strings or integers to join, got {shown(value)}")
            texts.append(value)
        return by.join(texts)

    return Rule(read)


def _object(name: str, parts: object, where: str, faults: Faults) -> Rule | None:
    """Named attributes from places all over the message; those that are absent are left out."""
    before = len(faults)
    if FIELDS[name] is not Kind.ATTRIBUTES:
        faults.append(f"{where}: only for attributes; {name} is {FIELDS[name].value}")
        return None
    if not isinstance(parts, dict) or not 1 <= len(parts) <= MAX_ATTRIBUTES:
        faults.unexpected(where, f"a table of 1 to {MAX_ATTRIBUTES} names, each with a path", parts)
        return None
    sources = [(one, _source(part, f"{where}.{one}", _attribute, faults)) for one, part in parts.items()]
    gets = [(one, source.get) for one, source in sources if source is not None]
    if len(faults) > before:
        return None

    def read(message: dict[str, Any]) -> Any:
        found = {one: get(message) for one, get in gets}
        return {one: value for one, value in found.items() if value is not None} or None

    return Rule(read)


def _source(value: object, where: str, check: Check, faults: Faults) -> Rule | None:
    """A path, a list of candidates, or a constant."""
    if isinstance(value, list):
        if not 1 <= len(value) <= MAX_CANDIDATES or any(isinstance(one, list) for one in value):
            faults.unexpected(where, f"a list of 1 to {MAX_CANDIDATES} paths", value)
            return None
        candidates = [_source(one, f"{where}[{place}]", check, faults) for place, one in enumerate(value)]
        gets = [one.get for one in candidates if one is not None]
        return Rule(first_of(gets)) if len(gets) == len(value) else None
    if isinstance(value, dict) and set(value) == {"const"}:
        return _constant(value["const"], f"{where}.const", check, faults)
    steps = parse_path(value)
    if steps is None:
        faults.unexpected(where, f"{EXPECTED}, or {{ const = … }}", value)
        return None
    return Rule(reader(steps), steps[0] if len(steps) == 1 else None)  # type: ignore[arg-type]  # the first is a name


def source(value: object, where: str, faults: Faults) -> Get | None:
    """Read a path or a list of paths; None after a fault."""
    rule = _source(value, where, lambda _: "a path", faults)
    return rule.get if rule else None


def _constant(value: object, where: str, check: Check, faults: Faults) -> Rule | None:
    expected = check(value)
    if expected is not None:
        faults.unexpected(where, expected, value)
        return None
    return Rule(lambda _: value, const=value)


def _check_of_constant(name: str) -> Check:
    if name == "event_id":
        return lambda _: "a path; with a constant, every event is a duplicate of the first"
    return _check_of(name)


def _check_of(name: str) -> Check:
    kind, hint = FIELDS[name], _TYPES_OF_FIELDS[name]

    def check(value: object) -> str | None:
        try:
            fits = msgspec.convert(value, hint) is not None
        except msgspec.ValidationError:
            fits = False
        if fits and kind is Kind.NEGATIVE:
            fits = value in NEGATIVE_KINDS
        return None if fits and _finite(value) else kind.value

    return check


def _number(value: object) -> str | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
    return None if fits else "a number"


def _word(value: object) -> str | None:
    return None if isinstance(value, str | int) and not isinstance(value, bool) else "a string or an integer"


def _attribute(value: object) -> str | None:
    return _check_of("set")({"it": value}) and "a string, number, boolean or list of strings"


def _finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def as_name(value: object) -> str | None:
    """The name under which a table of a mapping has a value; None for what has no name.

    >>> as_name("a"), as_name(7), as_name(True), as_name([])
    ('a', '7', 'true', None)
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def worded(source: object) -> str:
    """A source as its paths, for refusals.

    >>> worded("a.b"), worded(["a", "b"])
    ('a.b', 'a or b')
    """
    paths = [one for one in (source if isinstance(source, list) else [source]) if isinstance(one, str)]
    return " or ".join(paths) or "a constant"
