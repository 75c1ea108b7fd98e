"""People in rooms: what everybody leaving does, and who is busy."""

from random import Random

from rtrec.simulator.crowd import Crowd
from rtrec.simulator.pace import Pace
from rtrec.simulator.world import World

NOW_MS = 1_700_000_000_000


def a_crowd() -> Crowd:
    crowd = Crowd(World(1, viewers=30, anchors=10), Random(1), Pace(), "t.", NOW_MS)
    list(crowd.due(NOW_MS))
    for viewer in crowd.world.viewers:
        crowd.visit(viewer, crowd.live()[0], NOW_MS, {"surface": "search"})
    return crowd


def test_when_everybody_leaves_each_open_view_ends_once_with_what_was_watched_since_its_heartbeat() -> None:
    crowd = a_crowd()
    later_ms = NOW_MS + 40_000
    before = list(crowd.due(later_ms))
    ends = crowd.leave(later_ms)
    started = {event["view_id"] for event in before if event["type"] == "view_start"}
    ended = [event["view_id"] for event in (*before, *ends) if event["type"] == "view_end"]
    assert len(ends) > 5
    assert sorted(map(str, ended)) == sorted(map(str, started))
    assert all(0 <= int(str(event["watch_ms"])) <= 40_000 for event in ends)
    assert all("user_id" not in event for event in crowd.due(later_ms + 600_000))


def test_a_viewer_is_busy_until_the_visit_ends() -> None:
    crowd = a_crowd()
    viewer = crowd.world.viewers[0]
    assert not crowd.free(viewer, NOW_MS)
    assert crowd.free(viewer, crowd.busy_until_ms[viewer.user_id])


def test_heartbeats_of_a_room_tell_how_many_are_inside() -> None:
    crowd = a_crowd()
    anchor_id = crowd.live()[0].anchor_id
    beats = [e for e in crowd.due(NOW_MS + 30_000) if e["type"] == "live_heartbeat" and e["anchor_id"] == anchor_id]
    assert 0 < int(str(beats[0]["viewers"])) <= 30
