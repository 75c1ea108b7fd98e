"""Conditions that a platform can be given: each does what it says to the stream, and nothing unless asked for."""

from collections import Counter, defaultdict
from itertools import pairwise
from statistics import fmean

import msgspec
import pytest

from rtrec.events.codec import decode
from rtrec.events.schema import Event
from rtrec.simulator.conditions import Conditions, tide
from rtrec.simulator.pace import Fields
from rtrec.simulator.simulation import Simulation

START_MS = 1_700_000_000_000


def stream(conditions: Conditions, events: int = 20_000) -> list[Fields]:
    return list(Simulation(3, viewers=400, anchors=40, conditions=conditions).events(events, START_MS))


def test_every_condition_leaves_a_valid_stream_in_order_and_the_same_each_time() -> None:
    everything = Conditions(("feed", "home"), {"home": 1.0}, 0.5, 60_000, 0.5, 0.5, 30_000, 0.3, 90_000)
    events = stream(everything, 4_000)
    assert events == stream(everything, 4_000)
    assert [one for one in events if not isinstance(decode(msgspec.json.encode(one)), Event)] == []
    times = [int(str(event["ts_ms"])) for event in events]
    assert times == sorted(times)


def test_a_card_is_clicked_the_less_the_lower_it_stands_and_by_surface() -> None:
    """Where it is looked at with probability 1 / (1 + k): the third place on gets under half the first one's clicks."""
    shown, clicked = Counter[tuple[str, bool]](), Counter[tuple[str, bool]]()
    for event in stream(Conditions(surfaces=("flat", "steep"), examination={"flat": 0.0, "steep": 1.0}), 20_000):
        if event["type"] in ("impression", "click") and event["position"] != 1:
            counts = shown if event["type"] == "impression" else clicked
            counts[str(event["surface"]), int(str(event["position"])) > 1] += 1
    rate = {place: clicked[place] / shown[place] for place in shown}
    assert rate["steep", True] < 0.5 * rate["steep", False]
    assert rate["flat", True] > 0.8 * rate["flat", False]


def test_newcomers_come_one_after_the_other() -> None:
    events = stream(Conditions(newcomers=0.5, newcomers_ms=200_000))
    for kind, name, most in (("live_start", "anchor_id", 20), ("user_profile", "user_id", 200)):
        first_ms: dict[object, int] = {}
        for event in events:
            if event["type"] == kind:
                first_ms.setdefault(event[name], int(str(event["ts_ms"])) - START_MS)
        early = sum(at_ms < 1_000 for at_ms in first_ms.values())
        assert early <= most
        middle = sum(at_ms < 100_000 for at_ms in first_ms.values())
        assert early < middle < len(first_ms)


def test_styles_are_declared_before_the_first_room_and_move_clicks() -> None:
    events = stream(Conditions(styles=1.0), 20_000)
    style: dict[object, str] = {}
    clicks, shown = Counter[str](), Counter[str]()
    for event in events:
        if event["type"] == "anchor_profile":
            style[event["anchor_id"]] = event["set"]["style"]  # type: ignore[index]
        elif event["type"] == "live_start":
            assert event["anchor_id"] in style
        elif event["type"] == "impression":
            shown[style[event["anchor_id"]]] += 1
        elif event["type"] == "click":
            clicks[style[event["anchor_id"]]] += 1
    rates = sorted(clicks[one] / shown[one] for one in shown)
    assert rates[-1] > 2 * rates[0]


def test_a_tide_moves_an_anchor_without_a_jump_and_is_forgotten() -> None:
    conditions = Conditions(tide=1.0, tide_ms=60_000)
    moment = [tide(conditions, 1, "a", at_ms) for at_ms in range(0, 600_000, 1_000)]
    assert max(abs(one - other) for one, other in pairwise(moment)) < 0.1
    assert max(moment) - min(moment) > 1.0
    far = [tide(conditions, 1, f"a{k}", 0) * tide(conditions, 1, f"a{k}", 600_000) for k in range(500)]
    assert abs(fmean(far)) < 0.2


@pytest.mark.parametrize(("returns", "least", "most"), [(0.0, 0.0, 0.0), (0.5, 0.05, 0.25)])
def test_clicks_that_return_come_late(returns: float, least: float, most: float) -> None:
    """A half comes after 60 s on average: e^-1 of those more than a minute, as far as the stream is long enough."""
    shown_ms: dict[tuple[object, object], int] = {}
    late: defaultdict[bool, int] = defaultdict(int)
    for event in stream(Conditions(returns=returns, return_ms=60_000)):
        key = event.get("request_id"), event.get("anchor_id")
        if event["type"] == "impression":
            shown_ms[key] = int(str(event["ts_ms"]))
        elif event["type"] == "click":
            late[int(str(event["ts_ms"])) - shown_ms[key] > 60_000] += 1
    assert least <= late[True] / (late[True] + late[False]) <= most
