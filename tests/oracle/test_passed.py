"""What the oracle of a partition says of each event, against cases worked out by hand."""

from typing import Any

import pytest

from tests.oracle.anchors import Partition
from tests.oracle.passed import Original, Outcome, Passed
from tests.oracle.rules import Event

T0 = 1_600_000_200_000


def event(kind: str, ts_ms: int, /, **fields: Any) -> Event:
    """An event of anchor a by user u unless given."""
    return {"event_id": f"{kind}{ts_ms}", "type": kind, "ts_ms": ts_ms, "anchor_id": "a", "user_id": "u"} | fields


def test_every_event_has_an_outcome_and_accepted_ones_of_users_are_passed() -> None:
    """What is refused or doubled goes no further, nor does what names no user."""
    oracle = Partition()
    like, heartbeat = event("like", T0), event("live_heartbeat", T0, user_id=None)
    assert oracle.take(like) == Outcome("accepted", Passed(like))
    assert oracle.take(like) == Outcome("duplicate")
    assert oracle.take(heartbeat) == Outcome("accepted")
    assert oracle.take(event("click", T0 - 90_000_001)) == Outcome("too_late")
    assert oracle.take(event("gift", T0, value=1, reversal_of="nobody")) == Outcome("unknown_reversal")
    assert oracle.verdicts == ["accepted", "duplicate", "accepted", "too_late", "unknown_reversal"]


def test_future_is_judged_where_an_append_time_is_given() -> None:
    """A partition's topic holds what INGEST let pass."""
    assert Partition().take(event("like", T0), append_ms=T0 - 60_001).verdict == "future"
    assert Partition().take(event("like", T0)).verdict == "accepted"


def test_a_reversal_brings_its_original() -> None:
    """Of whoever gave it, by event_id or txn_id, whatever the reversal says of itself."""
    oracle = Partition()
    oracle.take(event("gift", T0, event_id=7, txn_id="t", user_id=5, value=30, count=2))
    back = event("gift", T0 + 9, user_id="other", value=999, reversal_of="t")
    assert oracle.take(back).passed == Passed(back, None, Original("5", "a", T0, 30))
    assert oracle.take(back | {"event_id": "r2", "reversal_of": 7}) == Outcome("duplicate")


@pytest.mark.parametrize(
    ("before", "category"),
    [
        ([], None),
        ([event("live_start", T0, category="dance")], "dance"),
        ([event("live_start", T0, category="dance"), event("live_start", T0 + 1)], None),
        ([event("live_start", T0, category="dance", live_id="l1"), event("view_start", T0 + 1, live_id="l2")], "dance"),
        ([event("live_start", T0, category="dance"), event("click", T0 + 10**9, anchor_id="b")], "dance"),
        (
            [
                event("live_start", T0, category="dance", live_id="l1"),
                event("live_start", T0 - 1, category="game", live_id="l0"),
            ],
            "dance",
        ),
        ([event("live_start", T0, category="dance"), event("live_end", T0 + 1)], "dance"),
        ([event("live_start", T0, category="dance", anchor_id="b")], None),
    ],
    ids=["nothing said", "said", "left out", "implied room", "long silence", "older room", "ended", "another's"],
)
def test_the_category_is_what_the_current_room_was_last_said_to_be(before: list[Event], category: str | None) -> None:
    """As of the event; a profile of a user has none, even if it names an anchor."""
    oracle = Partition()
    for one in before:
        oracle.take(one)
    like = event("like", T0 + 10**9)
    assert oracle.take(like).passed == Passed(like, category)
    said = event("user_profile", T0 + 10**9)
    assert oracle.take(said).passed == Passed(said, None)
