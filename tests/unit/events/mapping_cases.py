"""A small mapping to vary, and what it makes of a message."""

import json
from typing import Any

from rtrec.events.codec import Refusal, decode
from rtrec.events.mapping import Mapping
from rtrec.events.mapping_table import read_mapping
from rtrec.events.schema import Event

NOW = 1_712_345_678_901
MESSAGE: dict[str, Any] = {"id": "m1", "kind": "gift_sent", "at": NOW, "to": "ada", "by": "bob", "price": 500}


def table(**sections: Any) -> dict[str, Any]:
    """A mapping's table that is sound; sections replace its own."""
    return {
        "decoder": "json",
        "type": {"path": "kind", "names": {"gift_sent": "gift", "followed": "follow"}, "ignore": ["ping"]},
        "time": {"path": "at", "unit": "ms"},
        "fields": {"event_id": "id", "anchor_id": "to", "user_id": "by", "value": "price"},
    } | sections


def with_fields(**rules: Any) -> Mapping:
    """The mapping with more rules, or others."""
    return read_mapping(table(fields=table()["fields"] | rules))


def message(**values: Any) -> bytes:
    """The message with other values; None takes one out."""
    return json.dumps({name: value for name, value in (MESSAGE | values).items() if value is not None}).encode()


def became(mapping: Mapping, line: bytes) -> Event:
    """The event that a message becomes, through the codec."""
    mapped = mapping.apply(line)
    assert isinstance(mapped, bytes), mapped
    event = decode(mapped)
    assert isinstance(event, Event), event
    return event


def reason(mapping: Mapping, line: bytes) -> str:
    """Why a message is refused, by the mapping or by the codec."""
    mapped = mapping.apply(line)
    assert mapped is not None
    event = mapped if isinstance(mapped, Refusal) else decode(mapped)
    assert isinstance(event, Refusal), event
    return event.reason
