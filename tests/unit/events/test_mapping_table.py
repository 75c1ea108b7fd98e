"""A mapping with faults is refused with every one of them, each with its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.mapping_faults import MappingError
from rtrec.events.mapping_table import read_mapping
from rtrec.events.schema import FIELDS, TYPES
from tests.unit.events.mapping_cases import table

GIFT = table(type={"path": "kind", "names": {"gift_sent": "gift"}})
SOUND: dict[str, Any] = GIFT["fields"]


def faults(document: dict[str, Any]) -> list[str]:
    with pytest.raises(MappingError) as caught:
        read_mapping(document)
    return caught.value.faults


def without(section: str, key: str) -> dict[str, Any]:
    return GIFT | {section: {name: value for name, value in GIFT[section].items() if name != key}}


def test_no_type_is_named_as_a_field() -> None:
    """A table under `fields` is a type's by its name."""
    assert TYPES.keys() & FIELDS.keys() == set()


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (GIFT | {"decoder": "avro"}, 'decoder: expected one of json, got "avro"'),
        (GIFT | {"decoder": ["json"]}, "decoder: expected one of json, got a list of 1"),
        (GIFT | {"decoders": "json"}, "decoders: unknown; known are decoder, type, time, fields"),
        (GIFT | {"time": 5}, "time: expected a table, got 5"),
        (without("time", "unit"), "time.unit: missing"),
        (without("time", "path"), "time.path: missing"),
        (without("type", "names"), "type.names: missing"),
        (without("type", "path"), "type.path: missing; or say type.const where all messages are of one type"),
        (without("fields", "event_id"), "fields.event_id: missing; needed by gift"),
        (without("fields", "value"), "fields.value: missing; needed by gift"),
        (
            table(fields={"event_id": "id", "user_id": "u", "value": "v"}),
            "fields.anchor_id: missing; needed by gift, follow",
        ),
    ],
)  # fmt: skip
def test_sections_that_are_wrong_or_missing(document: dict[str, Any], fault: str) -> None:
    place = fault.partition(":")[0]
    assert [one for one in faults(document) if one.partition(":")[0] == place] == [fault]


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ({"const": "gft"}, "type.const: expected one of live_start, "),
        ({"const": "gift", "path": "kind"}, "type.path: no use beside type.const"),
        ({"path": "kind", "names": {}}, "type.names: expected a table of the messages' types, each with ours"),
        ({"path": "kind", "names": {"a": "gft"}}, "type.names.a: expected one of live_start, "),
        ({"path": "kind", "names": {"a": ["gift"]}}, "type.names.a: expected one of live_start, "),
        ({"path": "kind", "names": {"a": "gift"}, "ignore": "*"}, "type.ignore: expected a list of the messages'"),
        ({"path": "kind", "names": {"a": "gift"}, "ignore": ["a"]}, 'type.ignore: "a" stands in type.names too'),
        ({"path": "a..b", "names": {"a": "gift"}}, "type.path: expected a path such as user.id, "),
        ({"path": {"const": "a"}, "names": {"a": "gift"}}, "type.path.const: expected a path, got "),
        ({"path": "kind", "names": {"a": "gift"}, "name": 1}, "type.name: unknown; known are path, names, "),
    ],
)
def test_faults_of_the_type(section: dict[str, Any], fault: str) -> None:
    found = [one for one in faults(GIFT | {"type": section}) if one.startswith("type.")]
    assert len(found) == 1
    assert found[0].startswith(fault)


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ({"path": "at", "unit": "min"}, 'time.unit: expected one of ms, s, us, ns, iso8601, got "min"'),
        ({"path": "at", "unit": "s", "offset": "Z"}, "time.offset: stands beside the unit iso8601 only"),
        ({"path": "at", "unit": "iso8601", "offset": "CET"}, "time.offset: expected an offset from UTC such as "),
        ({"path": "at", "unit": "iso8601", "offset": "+99:00"}, "time.offset: expected an offset from UTC such as "),
        ({"path": [], "unit": "s"}, "time.path: expected a list of 1 to 16 paths, got a list of 0"),
    ],
)
def test_faults_of_the_time(section: dict[str, Any], fault: str) -> None:
    [found] = faults(GIFT | {"time": section})
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("field", "rule", "fault"),
    [
        ("tags2", "t", "fields.tags2: unknown; known are event_id, "),
        ("ts_ms", "at", "fields.ts_ms: said in [time]"),
        ("type", "kind", "fields.type: said in [type]"),
        ("like", {"count": "n"}, "fields.like: no name in type.names becomes a like"),
        ("gift", "x", 'fields.gift: expected a table of fields, got "x"'),
        ("gift", {"tags": "t"}, "fields.gift.tags: unknown; a gift has event_id, anchor_id, user_id, value, "),
        ("gift", {"ts_ms": "t"}, "fields.gift.ts_ms: said in [time]"),
        ("gift", {"count": 5}, "fields.gift.count: expected a path such as user.id, "),
        ("count", "a..b", 'fields.count: expected a path such as user.id, items[0].price or payload["user.id"], '),
        ("count", ["a", ["b"]], "fields.count: expected a list of 1 to 16 paths, got a list of 2"),
        ("count", ["a", {"const": "x"}], 'fields.count[1].const: expected an integer ≥ 0, got "x"'),
        ("count", {"const": -1}, "fields.count.const: expected an integer ≥ 0, got -1"),
        ("count", {"const": True}, "fields.count.const: expected an integer ≥ 0, got true"),
        ("title", {"const": 5}, "fields.title.const: expected a string of at most 1024 characters, got 5"),
        ("kind", {"const": "spam"}, "fields.kind.const: expected one of not_interested, block, report, "),
        ("propensity", {"const": float("nan")}, "fields.propensity.const: expected a number from 0 to 1, got NaN"),
        ("set", {"const": {"x": [1]}}, "fields.set.const: expected an object of at most 64 names, "),
        ("event_id", {"const": "x"}, "fields.event_id.const: expected a path; with a constant, every event is "),
        ("event_id", ["id", {"const": "x"}], "fields.event_id[1].const: expected a path; with a constant, "),
        ("event_id", {"join": [{"const": "x"}]}, "fields.event_id.join: expected a path among its parts, "),
        ("count", {}, "fields.count: expected one of path, join, object, const, got null"),
        ("count", {"path": "a", "const": 1}, "fields.count: expected one of path, join, object, const, got "),
        ("count", {"path": "a", "time": 100}, "fields.count.time: unknown; known are path, join, object, const, "),
        ("count", {"path": "a", "by": "-"}, "fields.count.by: stands beside join only"),
        ("count", {"const": 1, "times": 2}, "fields.count.times: stands beside path only"),
        ("count", {"path": "a", "times": 0}, "fields.count.times: expected a number > 0 and ≤ 10^12, got 0"),
        ("count", {"path": "a", "times": "9"}, 'fields.count.times: expected a number > 0 and ≤ 10^12, got "9"'),
        ("count", {"path": "a", "times": float("inf")}, "fields.count.times: expected a number > 0 and ≤ 10^12, "),
        ("title", {"path": "a", "times": 2}, "fields.title.times: only for numbers; title is a string "),
        ("count", {"path": "a", "times": 2, "round": "up"}, 'fields.count.round: expected nothing or "down", got "up"'),
        ("count", {"path": "a", "round": "down"}, "fields.count.round: stands beside times only"),
        ("count", {"path": "a", "times": 2, "values": {}}, "fields.count: expected times or values, got both"),
        ("count", {"path": "a", "values": {}}, "fields.count.values: expected a table of names, each a value "),
        ("kind", {"path": "a", "values": {"b": "c"}}, "fields.kind.values.b: expected one of not_interested, "),
        ("count", {"join": ["a"]}, "fields.count.join: only for ids and texts; count is an integer ≥ 0"),
        ("title", {"join": []}, "fields.title.join: expected a list of 1 to 16 paths, got a list of 0"),
        ("title", {"join": ["a", "b..c"]}, "fields.title.join[1]: expected a path such as user.id, "),
        ("title", {"join": ["a"], "by": 5}, "fields.title.by: expected a string of at most 8 characters, got 5"),
        ("title", {"object": {"a": "b"}}, "fields.title.object: only for attributes; title is a string "),
        ("set", {"object": {}}, "fields.set.object: expected a table of 1 to 64 names, each with a path, got a table"),
        ("set", {"object": {"a": "b..c"}}, "fields.set.object.a: expected a path such as user.id, "),
        ("set", {"object": {"a": {"const": {}}}}, "fields.set.object.a.const: expected a string, number, "),
    ],
)
def test_faults_of_a_field(field: str, rule: object, fault: str) -> None:
    [found] = faults(GIFT | {"fields": SOUND | {field: rule}})
    assert found.startswith(fault)


def test_a_refund_needs_no_value() -> None:
    """`reversal_of` stands for it, as in the schema."""
    assert faults(without("fields", "value")) == ["fields.value: missing; needed by gift"]
    read_mapping(without("fields", "value") | {"fields": {**SOUND, "reversal_of": "refunds"}})


def test_a_field_that_no_mapped_type_has_is_left_alone() -> None:
    """`fields` may be shared by topics of which each has some of the types."""
    read_mapping(GIFT | {"fields": SOUND | {"watch_ms": "ms"}})


def test_every_fault_is_reported() -> None:
    """None hides another, wherever they stand."""
    found = faults({
        "decoder": "avro",
        "type": {"names": {"a": "gift", "b": "likes"}},
        "time": {"unit": "m", "zone": "UTC"},
        "fields": {"value": {"path": "a..b", "times": 0}, "gift": {"user_id": 5}, "colour": "c"},
        "more": 1,
    })  # fmt: skip
    assert sorted(one.split(":")[0] for one in found) == [
        "decoder", "fields.anchor_id", "fields.colour", "fields.event_id", "fields.gift.user_id", "fields.value.path",
        "fields.value.times", "more", "time.path", "time.unit", "time.zone", "type.names.b", "type.path",
    ]  # fmt: skip


def test_an_empty_file_lacks_its_sections() -> None:
    assert faults({}) == ["type: missing", "time: missing", "fields: missing"]


toml_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.sampled_from(["a", "a.b", "gift", "ms", "json", "..", "down"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["path", "const", "join", "by", "times", "values", "object", "round", "names", "ignore", "unit",
                         "offset", "a", "gift", "value", "set", "event_id"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(document=st.dictionaries(st.sampled_from(["decoder", "type", "time", "fields", "x"]), toml_values))
def test_no_table_breaks_the_reader(document: dict[str, Any]) -> None:
    """Whatever stands in the file is a mapping or a list of faults."""
    for one in (document, GIFT | document, GIFT | {"fields": SOUND | {"set": document, "value": document}}):
        found = []
        try:
            read_mapping(one)
        except MappingError as error:
            found = error.faults
        assert all(": " in fault for fault in found)
