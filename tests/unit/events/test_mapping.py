"""A foreign message becomes the event its mapping says, is ignored, or is refused with field and fault."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.codec import Refusal, decode
from rtrec.events.mapping_table import read_mapping
from rtrec.events.schema import MAX_EVENT_BYTES, Event
from tests.unit.events.mapping_cases import NOW, became, message, reason, table, with_fields


def test_a_flat_message_becomes_an_event() -> None:
    assert became(read_mapping(table()), message()) == Event(
        event_id="m1", type="gift", ts_ms=NOW, anchor_id="ada", user_id="bob", value=500
    )


def test_an_ignored_type_is_neither_an_event_nor_refused() -> None:
    assert read_mapping(table()).apply(message(kind="ping")) is None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pong", 'event.type: expected a name in type.names or type.ignore at kind, got "pong"'),
        (["gift_sent"], "event.type: expected a name in type.names or type.ignore at kind, got null"),
        (None, "event.type: missing, nothing at kind"),
    ],
)
def test_a_type_that_the_mapping_does_not_know_is_refused(kind: Any, said: str) -> None:
    assert reason(read_mapping(table()), message(kind=kind)) == said


def test_every_other_type_can_be_ignored() -> None:
    """But a message without a type is still refused: nobody meant that."""
    section = {"path": "kind", "names": {"gift_sent": "gift"}, "ignore": ["*"]}
    mapping = read_mapping(table(type=section))
    assert mapping.apply(message(kind="pong")) is None
    assert mapping.apply(message(kind=5)) is None
    assert reason(mapping, message(kind=None)).startswith("event.type: missing")


def test_a_type_may_be_a_number_or_the_same_for_all() -> None:
    numbered = read_mapping(table(type={"path": "kind", "names": {"7": "gift"}}))
    assert became(numbered, message(kind=7)).type == "gift"
    same = read_mapping(table(type={"const": "gift"}))
    assert became(same, message(kind="whatever")).type == "gift"


def test_the_first_candidate_that_is_there_wins() -> None:
    """null is not there; a constant stands last."""
    mapping = with_fields(anchor_id=["room.owner", "owner", "to"], count=["pieces", {"const": 1}])
    assert became(mapping, message(owner="eve", room={"owner": None})).anchor_id == "eve"
    assert became(mapping, message(room={"owner": "joe"}, owner="eve")).anchor_id == "joe"
    assert became(mapping, message()).count == 1
    assert became(mapping, message(pieces=3)).count == 3


def test_a_types_own_rule_stands_instead_of_the_common_one() -> None:
    mapping = with_fields(gift={"user_id": "giver", "count": {"const": 2}})
    gift = became(mapping, message(giver="gil"))
    assert (gift.user_id, gift.count) == ("gil", 2)
    follow = became(mapping, message(kind="followed", giver="gil"))
    assert (follow.user_id, follow.count) == ("bob", None)


def test_a_join_needs_all_of_its_parts() -> None:
    """An empty part is none: ids that end alike would be duplicates of each other."""
    mapping = with_fields(event_id={"join": [{"const": "shop"}, "order.id", ["order.line", "line"]], "by": ":"})
    assert became(mapping, message(order={"id": 5, "line": "a"})).event_id == "shop:5:a"
    assert became(mapping, message(order={"id": 5}, line=0)).event_id == "shop:5:0"
    assert reason(mapping, message(order={"id": 5})) == "gift.event_id: missing"
    assert reason(mapping, message(order={"id": "", "line": 1})) == "gift.event_id: missing"
    said = reason(mapping, message(order={"id": 5, "line": 1.5}))
    assert said == "gift.event_id: expected strings or integers to join, got 1.5"


def test_values_translate_and_refuse_what_they_do_not_have() -> None:
    on = {"path": "state", "values": {"true": True, "off": False, "1": True}}
    mapping = with_fields(on=on)
    for state, expected in ((True, True), ("off", False), (1, True)):
        assert became(mapping, message(kind="followed", state=state)).on is expected
    assert became(mapping, message(kind="followed")).on is None
    said = reason(mapping, message(kind="followed", state="maybe"))
    assert said == 'follow.on: expected one of true, off, 1 at state, got "maybe"'


def test_attributes_come_from_wherever_they_stand() -> None:
    mapping = read_mapping(
        {
            "type": {"const": "user_profile"},
            "time": {"path": "at", "unit": "ms"},
            "fields": {"event_id": "id", "user_id": "by", "set": {"object": {"city": "home.city", "age": "age"}}},
        }
    )
    assert became(mapping, message(home={"city": "Turin"})).set == {"city": "Turin"}
    assert became(mapping, message(home={"city": "Turin"}, age=40)).set == {"city": "Turin", "age": 40}
    assert became(mapping, message()).set is None


def test_what_a_value_may_be_is_the_codecs_to_say() -> None:
    mapping = read_mapping(table())
    assert reason(mapping, message(price=-5)) == "gift.value: expected an integer ≥ 0, got -5"
    assert reason(mapping, message(price=[1])) == "gift.value: expected an integer ≥ 0, got a list"
    assert reason(mapping, message(price=None)) == "gift.value: missing"
    assert reason(mapping, message(at=NOW // 1_000)).endswith("(seconds? times are milliseconds)")


def test_a_refusal_knows_the_events_id() -> None:
    mapping = with_fields(value={"path": "price", "times": 100})
    refused = mapping.apply(message(price=0.005))
    assert refused == Refusal("gift.value: expected an integer from price × 100, got 0.005 × 100", "m1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "message: expected JSON, got a fault at character 0 (Expecting value)"),
        (b'{"id": 1', "message: expected JSON, got a fault at character 8 (Expecting ',' delimiter)"),
        (b"[1, 2]", "message: expected an object, got a list of 2"),
        (b"null", "message: expected an object, got null"),
        (b'{"id": "\xff"}', "message: expected UTF-8, got the byte 0xff at 8"),
        (b'{"a": ' + b"[" * 30_000, "message: expected JSON, got nesting that is too deep"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "message: expected JSON, got a number with too many digits"),
        (b" " * 65_537, "message: expected at most 65536 bytes, got 65537"),
    ],
)
def test_what_is_no_message_is_refused_with_its_fault(line: bytes, said: str) -> None:
    assert reason(read_mapping(table()), line) == said


def test_a_message_cut_before_it_came_is_judged_by_its_whole_length() -> None:
    cut = read_mapping(table()).apply(message(), MAX_EVENT_BYTES + 1)
    assert cut == Refusal("message: expected at most 65536 bytes, got 65537")


@pytest.mark.parametrize("odd", [b'"\\ud83d"', b"NaN", b"-Infinity", b"1e999", b'"\\u0000"'])
def test_what_json_hardly_allows_matters_only_where_it_is_used(odd: bytes) -> None:
    """A cut emoji in a part that nobody reads costs no event; as an anchor's id, or as money, it does."""
    mapping = with_fields(value={"path": "price", "times": 1})
    line = message()
    assert became(mapping, line[:-1] + b', "other": ' + odd + b"}").value == 500
    assert "gift.value: " in reason(mapping, line.replace(b"500", odd))


def test_half_a_surrogate_pair_is_refused_where_it_is_used() -> None:
    said = reason(read_mapping(table()), message().replace(b"ada", b"\\ud83d"))
    assert said.startswith("gift.anchor_id: ")
    assert said.endswith("(a lone surrogate)")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
GREEDY = table(
    type={"path": ["kind", "a[0]"], "names": {"gift_sent": "gift"}},
    time={"path": "at", "unit": "iso8601"},
    fields={
        "event_id": {"join": ["id", "a"]},
        "anchor_id": ["to.x", "to"],
        "user_id": "by[0]",
        "value": {"path": "price", "times": 100},
        "surface": {"path": "by", "values": {"1": "app"}},
        "live_id": "other",
    },
)


@given(line=st.binary(max_size=64))
def test_bytes_of_any_kind_are_judged_and_never_raise(line: bytes) -> None:
    assert isinstance(read_mapping(table()).apply(line), Refusal)


@given(values=st.dictionaries(st.sampled_from(["id", "a", "at", "to", "by", "price", "other"]), json_values))
def test_messages_of_any_shape_are_judged_and_never_raise(values: dict[str, Any]) -> None:
    """Both ways of writing text, and every unit of time."""
    for ascii_only in (True, False):
        line = json.dumps(values | {"kind": "gift_sent"}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        for unit in ("iso8601", "s", "ns"):
            mapped = read_mapping(GREEDY | {"time": {"path": "at", "unit": unit}}).apply(line)
            assert isinstance(mapped, Refusal) or isinstance(decode(mapped or b""), Event | Refusal)


@given(values=st.dictionaries(st.sampled_from(["id", "at", "to", "by", "price", "other"]), json_values))
def test_paths_alone_copy_what_stands_there(values: dict[str, Any]) -> None:
    """Without conversions the event is what renaming by hand makes it."""
    line = json.dumps(values | {"kind": "gift_sent", "at": NOW}, allow_nan=True).encode()
    mapped = with_fields(gift_id="other").apply(line)
    assert isinstance(mapped, bytes)
    names = {"id": "event_id", "to": "anchor_id", "by": "user_id", "price": "value", "other": "gift_id"}
    by_hand = {ours: values[theirs] for theirs, ours in names.items() if theirs in values}
    expected = decode(json.dumps(by_hand | {"type": "gift", "ts_ms": NOW}).encode())
    found = decode(mapped)
    if isinstance(expected, Event):
        assert found == expected
    else:
        assert isinstance(found, Refusal)
