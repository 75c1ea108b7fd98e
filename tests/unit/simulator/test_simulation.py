"""The stream: seeded, valid, in order, coherent, and learnable from taste but not from popularity."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.events.codec import decode
from rtrec.events.schema import Event
from rtrec.learning.auc import auc
from rtrec.simulator.simulation import Simulation

START_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def stream() -> list[dict[str, object]]:
    return list(Simulation(1, viewers=300, anchors=40).events(40_000, START_MS))


@given(seed=st.integers(0, 2**32), viewers=st.integers(1, 30), anchors=st.integers(1, 12), rate=st.floats(0.5, 2_000))
@settings(max_examples=10, deadline=None)
def test_any_platform_gives_as_many_events_as_asked_the_same_each_time(
    seed: int, viewers: int, anchors: int, rate: float
) -> None:
    one, other = (list(Simulation(seed, viewers, anchors, rate).events(200, START_MS)) for _ in range(2))
    assert len(one) == 200
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


def test_every_event_is_valid_in_order_and_has_an_id_of_its_own(stream: list[dict[str, object]]) -> None:
    events = [decode(msgspec.json.encode(event)) for event in stream]
    assert [one for one in events if not isinstance(one, Event)] == []
    times = [event["ts_ms"] for event in stream]
    assert times == sorted(times)  # type: ignore[type-var]
    assert len({event["event_id"] for event in stream}) == len(stream)


def test_events_of_people_happen_in_rooms_that_are_open(stream: list[dict[str, object]]) -> None:
    """A view names a room that has started and not ended; its heartbeats follow its start."""
    live: dict[object, object] = {}
    views: set[object] = set()
    for event in stream:
        kind, anchor_id = event["type"], event.get("anchor_id")
        if kind == "live_start":
            assert anchor_id not in live
            live[anchor_id] = event["live_id"]
        elif kind == "live_end":
            assert live.pop(anchor_id) == event["live_id"]
        elif "live_id" in event:
            assert live[anchor_id] == event["live_id"]
        if kind == "view_start":
            views.add(event["view_id"])
        elif kind in ("view_heartbeat", "view_end"):
            assert event["view_id"] in views


def test_a_click_follows_its_impression_and_ends_the_scrolling(stream: list[dict[str, object]]) -> None:
    """Of one request, positions count up from 0, and nothing is seen after the click."""
    places: dict[object, int] = {}
    clicked: set[object] = set()
    for event in stream:
        request = event.get("request_id")
        if event["type"] == "impression":
            assert request not in clicked
            assert event["position"] == places.get(request, -1) + 1
            places[request] = places.get(request, -1) + 1
        elif event["type"] == "click":
            assert event["position"] == places[request]
            clicked.add(request)
    assert len(clicked) > 1_000


def test_taste_predicts_clicks_and_popularity_hardly(stream: list[dict[str, object]]) -> None:
    """There is something to learn that a heat ranking does not carry."""
    world = Simulation(1, viewers=300, anchors=40).world
    clicks = {(event["request_id"], event["anchor_id"]) for event in stream if event["type"] == "click"}
    shown = [event for event in stream if event["type"] == "impression"]
    labels = np.array([float((event["request_id"], event["anchor_id"]) in clicks) for event in shown])
    views: dict[object, int] = {}
    for event in stream:
        if event["type"] == "view_start":
            views[event["anchor_id"]] = views.get(event["anchor_id"], 0) + 1
    pairs = [(world.viewer[str(event["user_id"])], world.anchor[str(event["anchor_id"])]) for event in shown]
    by_taste = auc(np.array([world.match(viewer, anchor) for viewer, anchor in pairs]), labels, np.ones(len(labels)))
    by_views = auc(
        np.array([float(views.get(anchor.anchor_id, 0)) for _, anchor in pairs]), labels, np.ones(len(labels))
    )
    assert by_taste is not None
    assert by_taste > 0.75
    assert by_views is not None
    assert by_views < 0.6


def test_gifts_have_a_heavy_tail(stream: list[dict[str, object]]) -> None:
    values = sorted(int(str(event["value"])) for event in stream if event["type"] == "gift")
    assert len(values) > 100
    assert sum(values[-len(values) // 10 :]) > 0.3 * sum(values)


def test_the_rate_is_about_what_was_asked() -> None:
    for rate in (50.0, 400.0):
        events = list(Simulation(2, viewers=2_000, anchors=20, events_per_s=rate).events(15_000, START_MS))
        seconds = (int(str(events[-1]["ts_ms"])) - START_MS) / 1_000
        assert 0.6 * rate < len(events) / seconds < 1.4 * rate
