"""A mapping's table (of a TOML file) becomes a `Mapping`, or every fault of it with its place.

Rules
-----
- `fields` holds rules for all types, `fields.TYPE` those that stand instead for one of our types.
- A type takes of `fields` what it lists (`schema.TYPES`); a rule of its own for a field it does not list is a fault.
- Each type that a mapping gives must have a rule for every field it needs: without one, each event would be refused.
"""

from typing import Any, Final, NamedTuple

from rtrec.events.mapping import Mapping, Plan
from rtrec.events.mapping_decoders import DECODERS
from rtrec.events.mapping_faults import Faults, MappingError
from rtrec.events.mapping_numbers import ISO8601, UNITS, iso_time, offset_of, time_in
from rtrec.events.mapping_paths import Get
from rtrec.events.mapping_rules import Rule, field_rule, source, worded
from rtrec.events.schema import ENVELOPE_MAY, FIELDS, TYPES

EVERY_OTHER: Final = "*"
"""In `type.ignore`: whatever `type.names` does not have."""

_SECTIONS: Final = ("decoder", "type", "time", "fields")
_SAID_ELSEWHERE: Final = {"type": "type", "ts_ms": "time"}
_Rules = dict[str, Rule | None]


class _Kinds(NamedTuple):
    """The section `type`. names: of the messages' types, each with ours."""

    get: Get | None
    at: str
    names: dict[str, str]
    ignored: list[str]


def read_mapping(document: dict[str, Any]) -> Mapping:
    """Make a mapping of its table; MappingError with every fault.

    >>> mapping = read_mapping({
    ...     "type": {"path": "kind", "names": {"gift_sent": "gift"}, "ignore": ["ping"]},
    ...     "time": {"path": "at", "unit": "s"},
    ...     "fields": {"event_id": "id", "anchor_id": "to", "user_id": "by", "value": {"path": "usd", "times": 100}},
    ... })
    >>> mapping.apply(b'{"kind": "gift_sent", "at": 1700000000, "id": 7, "to": "a", "by": "u", "usd": 19.99}')
    b'{"type":"gift","event_id":7,"anchor_id":"a","user_id":"u","ts_ms":1700000000000,"value":1999}'
    >>> mapping.apply(b'{"kind": "ping"}')
    >>> mapping.apply(b'{"kind": "pong"}').reason
    'event.type: expected a name in type.names or type.ignore at kind, got "pong"'
    """
    faults = Faults()
    table = faults.table("", document, _SECTIONS)
    name = table.get("decoder", "json")
    decoder = DECODERS.get(name) if isinstance(name, str) else None
    if decoder is None:
        faults.unexpected("decoder", f"one of {', '.join(DECODERS)}", name)
    for section in _SECTIONS[1:]:
        if section not in table:
            faults.missing(section)
    kinds = _kinds(table["type"], faults) if "type" in table else _Kinds(None, "", {}, [])
    time = _time(table["time"], faults) if "time" in table else None
    plans = _plans(list(dict.fromkeys(kinds.names.values())), time, table.get("fields", {}), faults)
    if faults or decoder is None:
        raise MappingError(faults)
    ignored: dict[str, Plan | None] = dict.fromkeys(kinds.ignored)
    by_name = ignored | {theirs: plans[ours] for theirs, ours in kinds.names.items()}
    return Mapping(decoder, kinds.get, kinds.at, by_name, EVERY_OTHER in kinds.ignored)


def _kinds(section: object, faults: Faults) -> _Kinds:
    table = faults.table("type", section, ("path", "names", "ignore", "const"))
    if "const" in table:
        faults.extend(f"type.{key}: no use beside type.const" for key in table if key != "const")
        return _Kinds(None, "", _known_types({"": table["const"]}, "type.const", faults), [])
    names = table.get("names", {})
    get = source(table["path"], "type.path", faults) if "path" in table else None
    if "path" not in table:
        faults.missing("type.path", "; or say type.const where all messages are of one type")
    if "names" not in table:
        faults.missing("type.names")
    elif not isinstance(names, dict) or not names:
        faults.unexpected("type.names", "a table of the messages' types, each with ours", names)
        names = {}
    ignored = table.get("ignore", [])
    if not isinstance(ignored, list) or not all(isinstance(one, str) for one in ignored):
        faults.unexpected("type.ignore", 'a list of the messages\' types, or ["*"]', ignored)
        ignored = []
    faults.extend(f'type.ignore: "{one}" stands in type.names too' for one in ignored if one in names)
    return _Kinds(get, worded(table.get("path")), _known_types(names, "type.names", faults), ignored)


def _known_types(names: dict[str, Any], where: str, faults: Faults) -> dict[str, str]:
    """The names that mean one of our types; the others are faults."""
    known: dict[str, str] = {}
    for theirs, ours in names.items():
        if isinstance(ours, str) and ours in TYPES:
            known[theirs] = ours
        else:
            faults.unexpected(f"{where}.{theirs}" if theirs else where, f"one of {', '.join(TYPES)}", ours)
    return known


def _time(section: object, faults: Faults) -> Get | None:
    table = faults.table("time", section, ("path", "unit", "offset"))
    unit, offset = table.get("unit"), table.get("offset")
    zone = offset_of(offset)
    get = source(table["path"], "time.path", faults) if "path" in table else None
    for key in ("path", "unit"):
        if key not in table:
            faults.missing(f"time.{key}")
    if "unit" in table and unit not in [*UNITS, ISO8601]:
        faults.unexpected("time.unit", f"one of {', '.join([*UNITS, ISO8601])}", unit)
    elif offset is not None and unit != ISO8601:
        faults.append(f"time.offset: stands beside the unit {ISO8601} only")
    if offset is not None and zone is None:
        faults.unexpected("time.offset", "an offset from UTC such as +08:00 or Z", offset)
    if get is None or faults:
        return None
    at = worded(table["path"])
    return iso_time(get, zone, at) if unit == ISO8601 else time_in(get, str(unit), at)


def _plans(types: list[str], time: Get | None, section: object, faults: Faults) -> dict[str, Plan]:
    """The plan of each of our types that the mapping gives."""
    table = section if isinstance(section, dict) else faults.table("fields", section, ())
    common: _Rules = {}
    own: dict[str, _Rules] = {name: {} for name in types}
    for name, value in table.items():
        where = f"fields.{name}"
        if name in own:
            own[name] = _rules_of_type(name, value, faults)
        elif name in TYPES:
            faults.append(f"{where}: no name in type.names becomes a {name}")
        elif name in _SAID_ELSEWHERE:
            faults.append(f"{where}: said in [{_SAID_ELSEWHERE[name]}]")
        elif name in FIELDS:
            common[name] = field_rule(name, value, where, faults)
        else:
            known = [one for one in FIELDS if one not in _SAID_ELSEWHERE]
            faults.append(f"{where}: unknown; known are {', '.join(known)}, and tables of types")
    rules = {name: {one: rule for one, rule in common.items() if one in _listed(name)} | own[name] for name in types}
    _require_needs(rules, faults)
    return {} if time is None or faults else {name: _plan(name, time, rules[name]) for name in types}


def _rules_of_type(type_name: str, section: object, faults: Faults) -> _Rules:
    where = f"fields.{type_name}"
    if not isinstance(section, dict):
        faults.unexpected(where, "a table of fields", section)
        return {}
    rules: _Rules = {}
    for name, value in section.items():
        if name in _SAID_ELSEWHERE:
            faults.append(f"{where}.{name}: said in [{_SAID_ELSEWHERE[name]}]")
        elif name not in _listed(type_name):
            faults.append(f"{where}.{name}: unknown; a {type_name} has {', '.join(_listed(type_name))}")
        else:
            rules[name] = field_rule(name, value, f"{where}.{name}", faults)
    return rules


def _listed(type_name: str) -> tuple[str, ...]:
    kind = TYPES[type_name]
    return tuple(dict.fromkeys(("event_id", *kind.needs, *ENVELOPE_MAY, *kind.may)))


def _require_needs(rules: dict[str, _Rules], faults: Faults) -> None:
    lacking: dict[str, list[str]] = {}
    for type_name, has in rules.items():
        for need in ("event_id", *TYPES[type_name].needs):
            if need not in has and not (need == "value" and "reversal_of" in has):
                lacking.setdefault(need, []).append(type_name)
    for need, types in lacking.items():
        faults.missing(f"fields.{need}", f"; needed by {', '.join(types)}")


def _plan(type_name: str, time: Get, rules: _Rules) -> Plan:
    """Sort the rules by what they cost; fields stand in the order of the schema."""
    constants: dict[str, Any] = {"type": type_name}
    flat: list[tuple[str, str]] = []
    read: list[tuple[str, Get]] = []
    for name in FIELDS:
        rule = Rule(time) if name == "ts_ms" else rules.get(name)
        if rule is None:
            continue
        if rule.const is not None:
            constants[name] = rule.const
        elif rule.key is not None:
            flat.append((name, rule.key))
        else:
            read.append((name, rule.get))
    return Plan(type_name, constants, tuple(flat), tuple(read))
