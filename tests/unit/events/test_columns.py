from typing import Any

import pytest

from rtrec.events.columns import ABSENT, make_chunk
from rtrec.events.ids import NO_ID, hash_id, hash_in
from rtrec.events.schema import TYPES
from tests.unit.events.event_cases import accepted, valid


def row(type_name: str, **fields: Any) -> Any:
    return make_chunk([accepted(valid(type_name, **fields))], [41]).columns[0]


@pytest.mark.parametrize("type_name", TYPES)
def test_every_type_has_its_code_time_ids_and_position(type_name: str) -> None:
    made = row(type_name, live_id="l")
    assert (made["type"], made["ts_ms"], made["position"]) == (TYPES[type_name].code, valid(type_name)["ts_ms"], 41)
    assert made["event"] == made["key"] == hash_id("e")
    assert made["live"] == hash_in("live", "l")
    assert made["user"] == (hash_id("user_id") if "user_id" in TYPES[type_name].needs else NO_ID)
    assert made["anchor"] == (-1 if type_name == "user_profile" else 0)


AMOUNTS: list[tuple[str, dict[str, Any], int, int]] = [
    ("gift", {"value": 9}, 9, 1),
    ("gift", {"value": 9, "count": 3}, 9, 3),
    ("gift", {"value": 0, "count": 0}, 0, 0),
    ("like", {}, 0, 1),
    ("like", {"count": 4}, 0, 4),
    ("like", {"count": 0}, 0, 0),
    ("follow", {}, 0, 1),
    ("follow", {"on": True}, 0, 1),
    ("follow", {"on": False}, 0, 0),
    ("view_heartbeat", {"watch_ms": 5}, 5, 1),
    ("view_end", {"watch_ms": 6, "total_ms": 90}, 6, 1),
    ("view_start", {"watch_ms": 5}, 0, 1),
    ("like", {"watch_ms": 5, "value": 5}, 0, 1),
    ("comment", {"count": 7, "length": 3}, 0, 1),
    ("live_heartbeat", {}, ABSENT, 1),
    ("live_heartbeat", {"viewers": 0}, 0, 1),
    ("live_start", {}, ABSENT, 1),
    ("live_start", {"lease_ms": 5_000}, 5_000, 1),
]


@pytest.mark.parametrize(("type_name", "fields", "amount", "count"), AMOUNTS)
def test_amount_and_count_by_type(type_name: str, fields: dict[str, Any], amount: int, count: int) -> None:
    """What an event adds; a field of another type adds nothing."""
    made = row(type_name, **fields)
    assert (made["amount"], made["count"]) == (amount, count)


def test_a_gift_is_known_by_its_transaction() -> None:
    made = row("gift", txn_id="7")
    assert made["event"] == hash_id("e")
    assert made["key"] == hash_in("txn", "7") != hash_id("7")


def test_a_reversal_is_known_by_its_event_and_what_it_reverses_by_both_names() -> None:
    """A refund may carry its gift's transaction, and is no duplicate of it."""
    made = row("gift", txn_id="8", reversal_of="8")
    assert made["key"] == made["event"] == hash_id("e")
    assert (made["link"], made["link_txn"]) == (hash_id("8"), hash_in("txn", "8"))


def test_a_live_start_carries_its_category() -> None:
    assert row("live_start", category="dance")["link"] == hash_in("category", "dance")
    assert row("live_start")["link"] == 0


def test_anchors_stand_once_in_order_of_arrival() -> None:
    events = [accepted(valid("like", anchor_id=a)) for a in ("b", "a", "b")] + [accepted(valid("user_profile"))]
    chunk = make_chunk(events, [3, 5, 8, 9])
    assert (chunk.anchors, chunk.columns["anchor"].tolist(), len(chunk)) == (["b", "a"], [0, 1, 0, -1], 4)
    assert chunk.columns["position"].tolist() == [3, 5, 8, 9]


def test_an_empty_chunk_is_a_chunk() -> None:
    chunk = make_chunk([], [])
    assert (len(chunk), chunk.anchors, len(chunk.columns)) == (0, [], 0)
