import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.codec import Refusal, _explain, decode
from rtrec.events.schema import ENVELOPE, ENVELOPE_MAY, FIELDS, MAX_EVENT_BYTES, TYPES, Event, Kind
from tests.unit.events.event_cases import BAD, GOOD, NOW, accepted, escaped, line_of, near_events, refused, valid

USER_OF = {name: next(kind for kind in TYPES if name in (*TYPES[kind].needs, *TYPES[kind].may)) for name in FIELDS
           if any(name in (*kind.needs, *kind.may) for kind in TYPES.values())}  # fmt: skip
"""field → a type that lists it"""


def type_with(field: str) -> str:
    return USER_OF.get(field, "like")


@given(near_events())
def test_the_fast_path_and_the_explaining_one_agree(event: dict[str, Any]) -> None:
    """Whatever is near an event is taken by both with the same outcome, or refused by both with the same words."""
    assert decode(escaped(event)) == _explain(escaped(event))


@given(near_events())
def test_a_refusal_names_a_field_and_a_fault_and_the_event(event: dict[str, Any]) -> None:
    """`type.field: fault`, in one line of bounded length, with the id where there is one."""
    found = decode(escaped(event))
    if isinstance(found, Refusal):
        where, _, fault = found.reason.partition(": ")
        assert where.partition(".")[0] in {*TYPES, "event"}
        assert fault
        assert len(found.reason) < 500
        assert "\n" not in found.reason
        if event.get("event_id") == "e":
            assert found.event_id == "e"


@given(near_events())
def test_only_listed_fields_stand_in_an_event(event: dict[str, Any]) -> None:
    """A view_start with watch_ms must not count as watched: what the type does not list is taken out."""
    found = decode(escaped(event))
    if isinstance(found, Event):
        kind = TYPES[found.type]
        for name in FIELDS.keys() - {*ENVELOPE, *ENVELOPE_MAY, *kind.needs, *kind.may}:
            assert getattr(found, name) is None


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(line: bytes) -> None:
    """Random bytes are refused, never a crash."""
    assert isinstance(decode(line), Refusal)


@given(near_events(), st.integers(0, 400), st.binary(max_size=4))
def test_damaged_events_never_raise(event: dict[str, Any], place: int, junk: bytes) -> None:
    """An event with bytes overwritten or cut is an event or a refusal."""
    line = line_of(event)
    assert isinstance(decode(line[:place] + junk + line[place + len(junk) :]), Event | Refusal)
    assert isinstance(decode(line[:place]), Event | Refusal)


@pytest.mark.parametrize("type_name", TYPES)
def test_every_type_is_taken_with_its_needs_alone(type_name: str) -> None:
    event = accepted(valid(type_name))
    assert (event.event_id, event.type, event.ts_ms) == ("e", type_name, NOW)


@pytest.mark.parametrize(
    ("type_name", "field"), [(t, f) for t, kind in TYPES.items() for f in (*ENVELOPE, *kind.needs)]
)
@pytest.mark.parametrize("how", ["absent", "null"])
def test_a_needed_field_is_missed_by_name(type_name: str, field: str, how: str) -> None:
    event = valid(type_name)
    if how == "absent":
        del event[field]
    else:
        event[field] = None
    reason = refused(event).reason
    if field == "type":
        expected = "event.type: missing" if how == "absent" else "event.type: expected one of "
        assert reason.startswith(expected)
    else:
        assert reason == f"{type_name}.{field}: missing"


@pytest.mark.parametrize("field", [name for name in FIELDS if name not in {"type", "schema_version"}])
def test_good_values_of_every_field_are_taken(field: str) -> None:
    for value in GOOD[FIELDS[field]]:
        got = getattr(accepted(valid(type_with(field), **{field: value})), field)
        if FIELDS[field] is Kind.ID:
            assert got == str(value)
        elif FIELDS[field] is Kind.IDS:
            assert got == [str(one) for one in value]
        else:
            assert got == value


@pytest.mark.parametrize("field", [name for name in FIELDS if name != "type"])
def test_bad_values_of_every_field_are_refused_by_name(field: str) -> None:
    for value in BAD[FIELDS[field]]:
        if value is None:
            continue
        kind = type_with(field)
        reason = refused(valid(kind, **{field: value})).reason
        assert reason.startswith(f"{kind}.{field}: expected ")


@pytest.mark.parametrize("field", [name for name in FIELDS if name not in {*ENVELOPE, *ENVELOPE_MAY}])
def test_a_field_its_type_does_not_use_may_be_malformed(field: str) -> None:
    """A like with `value: -5` or a live_end with `set: []` is a like, and a live_end."""
    stranger = next(name for name, kind in TYPES.items() if field not in (*kind.needs, *kind.may))
    for value in BAD[FIELDS[field]]:
        assert accepted(valid(stranger, **{field: value})) == accepted(valid(stranger))


@pytest.mark.parametrize("value", [None, 5, "x", [], {"deep": [1, {"er": None}]}, float("nan"), 10**300])
def test_unknown_fields_are_no_error(value: Any) -> None:
    assert accepted(valid("like", nobody_knows=value)) == accepted(valid("like"))


@pytest.mark.parametrize("type_name", TYPES)
def test_null_is_absence(type_name: str) -> None:
    """Optional fields may be null."""
    kind = TYPES[type_name]
    absent = [name for name in (*ENVELOPE_MAY, *kind.may) if name not in kind.needs]
    assert accepted(valid(type_name, **dict.fromkeys(absent))) == accepted(valid(type_name))


REASONS = [
    (valid("gift", value=-5), "gift.value: expected an integer ≥ 0, got -5"),
    (valid("gift", value="5"), 'gift.value: expected an integer ≥ 0, got "5"'),
    (valid("gift", value=10**12 + 1), "gift.value: expected an integer ≤ 10^12, got 1000000000001"),
    (valid("gift", value=float("nan")), "gift.value: expected an integer ≥ 0, got NaN"),
    (valid("like", ts_ms=1_700_000_000),
     ("like.ts_ms: expected milliseconds since 1970 from 10^11 to 10^13, got 1700000000 "
      "(seconds? times are milliseconds)")),
    (valid("like", ts_ms=10**13 + 1),
     "like.ts_ms: expected milliseconds since 1970 from 10^11 to 10^13, got 10000000000001"),
    (valid("view_end", watch_ms=86_400_001), "view_end.watch_ms: expected an integer from 0 to 86400000, got 86400001"),
    (valid("negative", kind="dislike"), 'negative.kind: expected one of not_interested, block, report, got "dislike"'),
    (valid("like", user_id=""), 'like.user_id: expected a string of 1 to 128 characters or an integer, got ""'),
    (valid("like", schema_version=2), "like.schema_version: expected 0 or 1, got 2"),
    (valid("like", type="Like"), f'event.type: expected one of {", ".join(TYPES)}, got "Like"'),
    (valid("impression", propensity=1.5), "impression.propensity: expected a number from 0 to 1, got 1.5"),
    ({}, "event.event_id: missing"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "reason"), REASONS, ids=[reason[:40] for _, reason in REASONS])
def test_reasons_say_field_bound_and_value(event: dict[str, Any], reason: str) -> None:
    assert refused(event).reason == reason


GOOD_LINE = escaped(valid("like"))
HOSTILE: list[tuple[str, bytes, str]] = [
    ("empty", b"", "event: expected JSON"),
    ("blank", b"  \n", "event: expected JSON"),
    ("null", b"null", "event: expected an object, got null"),
    ("list", b"[]", "event: expected an object, got []"),
    ("two", GOOD_LINE + b" {}", "event: expected JSON"),
    ("cut", GOOD_LINE[:-1], "event: expected JSON"),
    ("bracket", b"]" + GOOD_LINE, "event: expected JSON"),
    ("bom", b"\xef\xbb\xbf" + GOOD_LINE, "event: expected JSON"),
    ("utf-16", GOOD_LINE.decode().encode("utf-16"), "event: expected UTF-8, got the byte 0xff at 0"),
    ("bytes in an id", GOOD_LINE.replace(b'"e"', b'"\xff"'), "event: expected UTF-8, got the byte 0xff"),
    ("bytes in what nobody reads", GOOD_LINE[:-1] + b',"x":"\xc3\x28"}', "event: expected UTF-8, got the byte 0xc3"),
    ("bytes in a name", GOOD_LINE[:-1] + b',"\xff":1}', "event: expected UTF-8, got the byte 0xff"),
    ("surrogate bytes", line_of(valid("like", surface="\ud800")), "event: expected UTF-8, got the byte 0xed"),
    ("deep lists", b"[" * 50_000, "event: expected JSON"),
    ("deep in a field", GOOD_LINE[:-1] + b',"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "event: expected JSON"),
    ("digits", GOOD_LINE[:-1] + b',"live_id":' + b"9" * 5_000 + b"}", "event: expected JSON"),
    ("leading zero", GOOD_LINE[:-1] + b',"count":01}', "event: expected JSON"),
    ("control character", GOOD_LINE[:-1] + b',"surface":"\x01"}', "event: expected JSON"),
    ("nul", b"\x00", "event: expected JSON"),
    ("too long", GOOD_LINE + b" " * MAX_EVENT_BYTES, "event: expected at most 65536 bytes, got "),
]


@pytest.mark.parametrize(("line", "reason"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_hostile_lines_are_refused_with_what_they_are(line: bytes, reason: str) -> None:
    found = decode(line)
    assert isinstance(found, Refusal)
    assert found.reason.startswith(reason)


def test_the_size_bound_is_64_kib_of_the_whole_original() -> None:
    """65,536 bytes are taken, one more is not; a cut line is judged by the length it had."""
    padded = GOOD_LINE + b" " * (MAX_EVENT_BYTES - len(GOOD_LINE))
    assert isinstance(decode(padded), Event)
    assert isinstance(decode(padded + b" "), Refusal)
    cut = decode(padded, 70_000)
    assert cut == Refusal("event: expected at most 65536 bytes, got 70000")


def decoded_at(depth: int, line: bytes) -> Event | Refusal:
    return decode(line) if depth == 0 else decoded_at(depth - 1, line)


@pytest.mark.parametrize(("levels", "taken"), [(3, True), (199, True), (200, False), (900, False)])
@pytest.mark.parametrize("field", ["x", "tags"])
def test_nesting_is_decided_alike_however_deep_the_stack_is(field: str, levels: int, *, taken: bool) -> None:
    """Else a stage that is deeper in calls could not decode what an earlier one took; brackets in texts are text."""
    line = GOOD_LINE[:-1] + b',"%s":%s%s}' % (field.encode(), b"[" * levels, b"]" * levels)
    for depth in (0, 600):
        assert isinstance(decoded_at(depth, line), Event) == taken
    assert isinstance(decode(escaped(valid("like", surface='[{"' * 300))), Event)


def test_integer_ids_are_their_decimal_strings() -> None:
    event = accepted(valid("gift", event_id=7, anchor_id=0, user_id=-3, live_id=10**40, txn_id=12, reversal_of=11))
    assert (event.event_id, event.anchor_id, event.user_id) == ("7", "0", "-3")
    assert (event.live_id, event.txn_id, event.reversal_of) == ("1" + "0" * 40, "12", "11")
    assert accepted(valid("user_profile", follows=[1, "b"])).follows == ["1", "b"]


def test_the_last_of_equal_names_counts_on_both_paths() -> None:
    line = b'{"event_id":"e","type":"like","ts_ms":%d,"anchor_id":"a","user_id":"u","count":2,"count":3}' % NOW
    found = decode(line)
    assert isinstance(found, Event)
    assert found.count == 3
    assert found == _explain(line)


def test_numbers_among_attributes_are_floats_on_both_paths() -> None:
    """35 and 35.0 are one value to features, also where another field sent the event to the explaining path."""
    fast = accepted(valid("user_profile", set={"age": 35}))
    slow = accepted(valid("user_profile", set={"age": 35}, count="malformed, and not this type's"))
    assert fast.set is not None
    assert slow.set is not None
    assert json.dumps(fast.set) == json.dumps(slow.set) == '{"age": 35.0}'


def test_a_reversal_needs_no_value() -> None:
    event = valid("gift", reversal_of="g1")
    del event["value"]
    assert accepted(event).reversal_of == "g1"
    del event["reversal_of"]
    assert refused(event).reason == "gift.value: missing"
