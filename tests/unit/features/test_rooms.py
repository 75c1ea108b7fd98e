"""A room's lifecycle, computed when read: a table of cases."""

from typing import Any

import pytest

from rtrec.events.schema import Event
from tests.unit.stages.heat_host import T0, Host, made

LEASE = 90_000


def start(ts: int, live_id: str | None = "l1", **fields: Any) -> Event:
    return made("live_start", T0 + ts, live_id=live_id, **fields)


def end(ts: int, live_id: str | None = "l1") -> Event:
    return made("live_end", T0 + ts, live_id=live_id)


def act(kind: str, ts: int, live_id: str | None = None) -> Event:
    return made(kind, T0 + ts, live_id=live_id)


Case = tuple[str, list[Event], int, bool, str | None]
CASES: list[Case] = [
    ("nothing but likes: no room", [act("like", 0)], 0, False, None),
    ("started", [start(0)], 0, True, "l1"),
    ("started without a name", [start(0, None), act("like", 60_000)], 60_000 + LEASE - 1, True, None),
    ("a nameless room ends", [start(0, None), end(1, None)], 1, False, None),
    ("and another one starts", [start(0, None), end(1, None), start(2, None)], 2, True, None),
    ("a nameless start belongs to the open room", [start(0), start(1, None)], 1, True, "l1"),
    ("a named room closes a nameless one", [start(0, None), act("like", 1, "l1")], 1, True, "l1"),
    ("until its lease", [start(0)], LEASE - 1, True, "l1"),
    ("not at its lease", [start(0)], LEASE, False, "l1"),
    ("lease of its own", [start(0, lease_ms=5_000)], 5_000, False, "l1"),
    ("longer lease of its own", [start(0, lease_ms=500_000)], 499_999, True, "l1"),
    ("ended", [start(0), end(1)], 1, False, "l1"),
    ("end of another room is ignored", [start(0), end(1, "l2")], 1, True, "l1"),
    ("end without live_id ends the current", [start(0), end(1, None)], 1, False, "l1"),
    ("an end is final", [start(0), end(1), start(2), act("view_start", 3, "l1")], 3, False, "l1"),
    ("a new room after the end", [start(0), end(1), start(2, "l2")], 2, True, "l2"),
    ("a newer room closes the older", [start(0), start(1, "l2")], 1, True, "l2"),
    ("a closed room never comes back", [start(0), start(1, "l2"), act("view_start", 2, "l1")], 2, True, "l2"),
    ("nor by its end", [start(0), start(1, "l2"), end(2, "l1")], 2, True, "l2"),
    ("nor by its start", [start(0), start(1, "l2"), start(2, "l1")], 2, True, "l2"),
    ("an unseen live_id opens a room", [act("view_start", 0, "l9")], 0, True, "l9"),
    ("an unseen room that is older does not", [start(10), act("view_start", 5, "l0")], 10, True, "l1"),
    (
        "nor later, once it was met as older",
        [start(10), act("comment", 5, "l0"), act("comment", 20, "l0")],
        20,
        True,
        "l1",
    ),
    ("an unseen room that ended is closed", [end(0, "l1"), start(1, "l1")], 1, False, None),
    (
        "activity without live_id is the current room's",
        [start(0), act("comment", 60_000)],
        60_000 + LEASE - 1,
        True,
        "l1",
    ),
    ("late activity does not shorten", [start(0), act("comment", 60_000), act("like", 30_000)], 149_999, True, "l1"),
    ("on-time activity after a lapse makes it live again", [start(0), act("gift", 200_000)], 200_000, True, "l1"),
    ("an implied room's lease is the policy's", [act("comment", 0, "l1")], LEASE - 1, True, "l1"),
    ("a start after an implied opening keeps it", [act("comment", 0, "l1"), start(5, lease_ms=7)], 11, True, "l1"),
    ("a room opened by what is no activity is not live", [act("impression", 0, "l1")], 0, False, "l1"),
]
CASES += [
    (f"{kind} is activity", [start(0), act(kind, 60_000)], 60_000 + LEASE - 1, True, "l1")
    for kind in ("live_heartbeat", "view_start", "view_heartbeat", "view_end", "comment", "like", "gift")
]
CASES += [
    (f"{kind} is none", [start(0), act(kind, 60_000)], LEASE, False, "l1")
    for kind in ("impression", "click", "follow", "share", "negative", "anchor_profile")
]


@pytest.mark.parametrize("batched", [True, False], ids=["one batch", "an event a batch"])
@pytest.mark.parametrize(
    ("events", "at", "live", "live_id"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_lifecycle(events: list[Event], at: int, live: bool, live_id: str | None, batched: bool) -> None:
    host = Host()
    if batched:
        host.feed(*events)
    else:
        for event in events:
            host.feed(event)
            host.take_over()
    shown = host.show(T0 + at)
    assert (shown["live"], shown["live_id"]) == (live, live_id)


def test_a_start_describes_the_room_whole_and_an_implied_one_keeps_the_description() -> None:
    host = Host()
    host.feed(start(0, category="dance", title="t", tags=["x"], region="r", language="zh"))
    host.feed(act("comment", 5, "l2"))
    shown = host.show(T0 + 5)
    assert (shown["live_id"], shown["category"], shown["title"], shown["tags"]) == ("l2", "dance", "t", ["x"])
    assert shown["live_since_ms"] == T0 + 5
    host.feed(start(6, "l2", category="music"))
    shown = host.show(T0 + 6)
    assert (shown["category"], shown["title"], shown["tags"], shown["region"]) == ("music", None, [], None)
    assert shown["live_since_ms"] == T0 + 6


def test_viewers_are_the_heartbeats_while_fresh_then_the_people() -> None:
    """For a lease after the newest heartbeat; a late or silent one changes nothing; a new room forgets."""
    host = Host()
    host.feed(start(0), made("live_heartbeat", T0 + 1_000, viewers=40, live_id="l1"))
    host.feed(
        made("live_heartbeat", T0 + 500, viewers=7, live_id="l1"), made("live_heartbeat", T0 + 2_000, live_id="l1")
    )
    host.feed(act("view_start", 3_000), made("view_start", T0 + 3_000, user_id="v"))
    assert host.show(T0 + 1_000 + LEASE)["viewers"] == 40
    assert host.show(T0 + 1_001 + LEASE)["viewers"] == 2
    host.feed(start(4_000, "l2"))
    assert host.show(T0 + 4_000)["viewers"] == 2
