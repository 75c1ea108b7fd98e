"""The embedded system says of every anchor what brute force over its log says, however the log was cut."""

import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.runtime.embedded import Embedded
from rtrec.settings import Heat, Log, Settings
from tests.oracle.anchors import Partition
from tests.oracle.compare import differences, hot_differences
from tests.oracle.rules import COUNTERS, Rules
from tests.replay.streams import Event, Shape, lines, stream

LATER_MS = (0, 7_000, 100_000, 4_000_000)
BOLD = Rules(
    half_life="1m",
    weights={"gift_value": 0.5, "gifts": 1.0, "watchers": 3.0, "likes": 0.25, "comments": 0.5},
    event_caps={"gift_value": 2_500.0, "likes": 3.0, "views": 0.5},
    user_caps={"gift_value": 3_000.0, "likes": 4.0, "watchers": 1.5},
)
"""Heat as nobody would configure it: every cap bites."""


def heat_of(rules: Rules) -> Heat:
    """The system's settings for an oracle's rules."""
    names = ("half_life", "weights", "event_caps", "user_caps")
    return msgspec.convert({name: getattr(rules, name) for name in names}, Heat)


def run(events: Sequence[Event], cuts: Sequence[int], embedded: Settings, rules: Rules, folder: Path) -> list[str]:
    """Feed events to system and oracle, stopping at each cut; everything in which they differ there."""
    oracle, found = Partition(rules), []
    append_ms = int(time.time() * 1000)
    with Embedded.open(folder, embedded) as host:
        for first, end in zip((0, *cuts), (*cuts, len(events)), strict=True):
            host.append_lines(lines(list(events[first:end])))
            host.drain()
            oracle.feed((event, append_ms) for event in events[first:end])
            found += [f"after {end} events, {fault}" for fault in compare(host, oracle)]
            if found:
                break
    return found


def compare(host: Any, oracle: Partition) -> list[str]:
    """Everything in which a drained host departs from the oracle, at several T."""
    newest_ms = oracle.newest_ms
    if newest_ms is None:
        return []
    found = [] if host.newest_ms() == newest_ms else [f"newest_ms {host.newest_ms()}, expected {newest_ms}"]
    for later_ms in LATER_MS:
        at_ms = newest_ms + later_ms
        for anchor_id in [*oracle.anchors, "elsewhere"]:
            faults = differences(host.show_anchor(anchor_id, at_ms=at_ms), oracle.show(anchor_id, at_ms))
            found += [f"{anchor_id} at newest + {later_ms}: {fault}" for fault in faults]
        for n in (2, 100):
            faults = hot_differences(host.hot(n, at_ms=at_ms), oracle, n, at_ms)
            found += [f"hot({n}) at newest + {later_ms}: {fault}" for fault in faults]
    return found


shapes = st.builds(
    Shape,
    seed=st.integers(0, 2**32),
    events=st.integers(1, 120),
    anchors=st.integers(1, 5),
    users=st.sampled_from([3, 24, 60]),
    step_ms=st.sampled_from([50, 4_000, 60_000]),
    jumps=st.sampled_from([0.0, 0.03]),
    drills=st.sampled_from([0.0, 0.03]),
)


@settings(max_examples=40, deadline=None)
@given(shapes, st.lists(st.integers(1, 119), max_size=2), st.sampled_from([1, 2, 7, 64, 5_000]), st.booleans())
def test_every_answer_is_what_brute_force_says(shape: Shape, cuts: list[int], batch_events: int, bold: bool) -> None:
    """Windows exactly, decayed counters and heat to 1e-9, rooms, hot order; batches and pauses leave no trace."""
    events = stream(replace(shape, very_late=0.0) if bold else shape)
    rules = BOLD if bold else Rules()
    embedded = Settings(log=Log(batch_events=batch_events), heat=heat_of(rules))
    cuts = sorted({cut for cut in cuts if cut < len(events)})
    with tempfile.TemporaryDirectory() as folder:
        assert run(events, cuts, embedded, rules, Path(folder)) == []


DAYS = Shape(11, events=5_000, anchors=6, users=40, jumps=0.001, drills=0.002)
EVENING = Shape(12, events=5_000, anchors=30, users=400, step_ms=400, jumps=0.0002, drills=0.0)
CROWD = Shape(
    13, events=3_000, anchors=2, users=40, step_ms=700, late=0.02, jumps=0.0, drills=0.0, very_late=0.0, gift_weight=700
)
CROWD_RULES = Rules(half_life="1m", weights={"gift_value": 1.0}, user_caps={"gift_value": 3_000.0})


@pytest.mark.parametrize(
    ("shape", "rules"),
    [(DAYS, Rules()), (EVENING, Rules()), (CROWD, CROWD_RULES)],
    ids=["days", "an evening", "a crowd that presses on the cap table"],
)
def test_long_streams_agree_at_ten_points(shape: Shape, rules: Rules, tmp_path: Path) -> None:
    """Thousands of events, compared at ten points, in micro-batches of an odd size."""
    events = stream(shape)
    cuts = sorted(random.Random(shape.seed).sample(range(1, shape.events), 9))
    assert run(events, cuts, Settings(log=Log(batch_events=97), heat=heat_of(rules)), rules, tmp_path) == []


def test_an_answer_about_the_past_is_as_of_the_anchors_newest_event(tmp_path: Path) -> None:
    """At a T before an anchor's newest event the answer is as of that event; other anchors are as of T."""
    events = stream(Shape(21, events=300, jumps=0.0, drills=0.0, very_late=0.0))
    oracle = Partition().feed((event, int(time.time() * 1000)) for event in events)
    assert oracle.newest_ms is not None
    with Embedded.open(tmp_path, Settings()) as host:
        host.append_lines(lines(events))
        host.drain()
        for earlier_ms in (1, 5_000, 60_000, 10**9):
            for anchor_id in oracle.anchors:
                at_ms = oracle.newest_ms - earlier_ms
                assert differences(host.show_anchor(anchor_id, at_ms=at_ms), oracle.show(anchor_id, at_ms)) == []


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_counters_do_not_depend_on_the_order_of_arrival(seed: int, rng: random.Random) -> None:
    """The ten counters' windows of any order of arrival are equal, a gift kept before its reversal."""
    events = stream(Shape(seed, step_ms=1_000, late=0.3, very_late=0.0, jumps=0.0, drills=0.0))
    events = [event for event in events if event["ts_ms"] > max(e["ts_ms"] for e in events) - 590_000]
    events = list({event["event_id"]: event for event in events}.values())
    shuffled = sorted(events, key=lambda event: ("reversal_of" in event, rng.random()))
    assert counters(events) == counters(shuffled)


def counters(events: list[Event]) -> dict[str, Any]:
    """The ten counters' windows of every anchor, by the system, as of one time for all."""
    at_ms = max(event["ts_ms"] for event in events)
    anchor_ids = sorted({event["anchor_id"] for event in events if "anchor_id" in event})
    with tempfile.TemporaryDirectory() as folder, Embedded.open(Path(folder), Settings()) as host:
        host.append_lines(lines(events))
        host.drain()
        answers = {anchor_id: host.show_anchor(anchor_id, at_ms=at_ms) for anchor_id in anchor_ids}
    return {
        anchor_id: {metric: answer["windows"][metric] for metric in COUNTERS}
        for anchor_id, answer in answers.items()
        if answer is not None
    }


@pytest.mark.parametrize(("people", "share"), [(1_024, 0.0), (6_000, 0.02)])
def test_people_of_a_block_are_exact_to_1024_and_within_2_percent_beyond(
    people: int, share: float, tmp_path: Path
) -> None:
    """Everyone comes twice within five minutes; the count is of people."""
    start_ms = 1_600_000_200_000
    events: list[Event] = [
        {"event_id": n, "type": "view_start", "ts_ms": start_ms + n % 299_000, "anchor_id": "a", "user_id": n % people}
        for n in range(2 * people)
    ]
    with Embedded.open(tmp_path, Settings()) as host:
        host.append_lines(lines(events))
        host.drain()
        answer = host.show_anchor("a", at_ms=start_ms + 299_000)
    assert answer is not None
    assert abs(answer["windows"]["watchers"]["1h"] - people) <= share * people
