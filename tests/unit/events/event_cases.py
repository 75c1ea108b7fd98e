"""Valid events of every type as JSON objects, and values near them, for tests of the codec."""

import json
from typing import Any

from hypothesis import strategies as st

from rtrec.events.codec import Refusal, decode
from rtrec.events.schema import FIELDS, MAX_INT, MAX_WATCH_MS, MIN_TS_MS, TYPES, Event, Kind

NOW = 1_700_000_000_000
ENOUGH: dict[str, Any] = {"watch_ms": 10, "value": 5, "kind": "block"}
"""What a type may need beside ids."""

GOOD: dict[Kind, list[Any]] = {
    Kind.ID: ["x", "é" * 128, 0, 7, -5, 10**40],
    Kind.TEXT: ["", "word", "字" * 1_024],
    Kind.TIME: [MIN_TS_MS, NOW, 10**13],
    Kind.INT: [0, 1, MAX_INT],
    Kind.WATCH: [0, MAX_WATCH_MS],
    Kind.SHARE: [0, 0.5, 1, 1.0],
    Kind.BOOL: [True, False],
    Kind.TAGS: [[], ["a", "b"], ["t"] * 64],
    Kind.IDS: [[], ["a", 7], ["i"] * 2_000],
    Kind.ATTRIBUTES: [{}, {"city": "北京", "age": 35, "vip": True, "likes": ["a"], "x": -0.5}],
    Kind.NEGATIVE: ["not_interested", "block", "report"],
}
BAD: dict[Kind, list[Any]] = {
    Kind.ID: ["", "x" * 129, 10**128, 1.0, True, [], {}, "\ud800"],
    Kind.TEXT: ["x" * 1_025, 7, True, [], "\udc00"],
    Kind.TIME: [0, MIN_TS_MS - 1, 10**13 + 1, 1_700_000_000, 1.7e12, "1700000000000", True, float("nan")],
    Kind.INT: [-1, MAX_INT + 1, 1.0, 1.5, "5", True, [], float("nan"), float("inf")],
    Kind.WATCH: [-1, MAX_WATCH_MS + 1, 0.5, "1", float("-inf")],
    Kind.SHARE: [-0.1, 1.1, 2, "0.5", True, float("nan")],
    Kind.BOOL: [0, 1, "true", []],
    Kind.TAGS: ["a", [1], ["t"] * 65, ["x" * 1_025], {}, [None]],
    Kind.IDS: ["a", [1.5], ["i"] * 2_001, ["x" * 129], [""], [10**200], [None]],
    Kind.ATTRIBUTES: [
        [],
        {"a": None},
        {"a": {"b": 1}},
        {"a": [1]},
        {f"n{k}": 1 for k in range(65)},
        {"a": float("nan")},
    ],
    Kind.NEGATIVE: ["", "Block", 3, None],
}


def valid(type_name: str, **fields: Any) -> dict[str, Any]:
    """The least event of a type, with more fields or others."""
    needs = {name: ENOUGH.get(name, name) for name in TYPES[type_name].needs}
    return {"event_id": "e", "type": type_name, "ts_ms": NOW, **needs, **fields}


def line_of(event: Any) -> bytes:
    """As a producer writes it; Python's NaN and Infinity stay as they are."""
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")


def escaped(event: Any) -> bytes:
    """ASCII with escapes: a lone surrogate is valid JSON and no text."""
    return json.dumps(event).encode()


def accepted(event: Any) -> Event:
    """The decoded event."""
    found = decode(escaped(event))
    assert isinstance(found, Event), found
    return found


def refused(event: Any) -> Refusal:
    """Why an event was refused."""
    found = decode(escaped(event))
    assert isinstance(found, Refusal), found
    return found


@st.composite
def near_events(draw: st.DrawFn) -> dict[str, Any]:
    """An event of any type with some fields replaced by good ones, bad ones, nulls, and fields nobody knows."""
    event = valid(draw(st.sampled_from(list(TYPES))))
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from([*FIELDS, "unknown"]))
        kind = FIELDS.get(name, Kind.TEXT)
        event[name] = draw(st.sampled_from([*GOOD[kind], *BAD[kind], None]))
    for name in draw(st.lists(st.sampled_from(list(event)), max_size=1)):
        del event[name]
    return event
