"""A platform that only mirrors its topic: a stored log, damaged as logs are, trains every head without any scoring."""

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from rtrec.events.ids import hash_id
from rtrec.features.table import DENSE_INDEX
from rtrec.features.vector import ROW
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import EXAMPLES, SCORED
from rtrec.runtime.journey import LABEL, LEARN
from rtrec.runtime.reader import Reader
from rtrec.settings import HEADS, Settings
from rtrec.simulator.simulation import Simulation
from rtrec.stages.label import LabelState
from rtrec.stages.learn import ExampleChunk, LearnState, canonical, learn
from tests.replay.command import rtrec

Event = dict[str, Any]

EVENTS, SEED, START_MS = 60_000, 11, 1_700_000_000_000
LOST, REORDERED, REORDERED_BY_MS = 0.01, 0.05, 30_000
HORIZON_MS = 1_800_000
ENTRIES = ("click", "view_start")
ACTIONS = (*ENTRIES, "view_heartbeat", "view_end", "gift")
SETTINGS = Settings()


@dataclass(frozen=True)
class Learned:
    """The log that was replayed, in order of arrival, and the folder it was replayed into."""

    events: list[Event]
    reader: Reader

    def chunks(self) -> list[bytes]:
        """Every message of `examples`, in order of offsets."""
        log = self.reader.folder.log
        return [record.value for record in log.read(EXAMPLES, 0, 0, log.bounds(EXAMPLES, 0).end)]

    def stored(self) -> LearnState:
        """The learner as stored."""
        state = LearnState(SETTINGS.labels.heads, SETTINGS.learner)
        state.load(self.reader.folder.store.scan(LEARN))
        return state


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Learned]:
    folder = tmp_path_factory.mktemp("learned")
    stored, events = folder / "stored.jsonl", damaged(platform())
    stored.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    report = rtrec("replay", stored, "--data", folder / "data", "--json", cwd=folder)
    assert report["accepted"] == len(events)
    with Embedded.read(folder / "data", SETTINGS) as reader:
        yield Learned(events, reader)


def platform() -> list[Event]:
    """What `rtrec simulate` writes."""
    return list(Simulation(SEED, viewers=1_000, anchors=100).events(EVENTS, START_MS))


def damaged(events: list[Event]) -> list[Event]:
    """1 % are lost; 5 % of the rest arrive up to 30 s later than they happened, behind what happened meanwhile."""
    rng = random.Random(SEED)
    kept = [event for event in events if rng.random() >= LOST]
    late_ms = [rng.randrange(REORDERED_BY_MS) if rng.random() < REORDERED else 0 for _ in kept]
    arrivals = sorted(zip(kept, late_ms, strict=True), key=lambda one: one[0]["ts_ms"] + one[1])
    return [event for event, _ in arrivals]


def with_an_impression(events: list[Event]) -> int:
    """How many actions have their impression in the log, whatever the order of arrival: design §5, by brute force.

    That of (request, user, anchor), else the latest of (user, anchor) up to the action's time, within 30 minutes of it
    or of the entry that followed it.
    """
    shown: dict[tuple[str, str], list[Event]] = defaultdict(list)
    entered_ms: dict[str, int] = {}
    found = 0
    for event in sorted(events, key=lambda one: (one["ts_ms"], one["type"] != "impression")):
        if event["type"] == "impression":
            shown[event["user_id"], event["anchor_id"]].append(event)
        elif event["type"] in ACTIONS:
            mine = shown[event["user_id"], event["anchor_id"]]
            same = [one for one in mine if one["request_id"] == event.get("request_id")]
            impression = next(iter((same or mine)[::-1]), None)
            if impression is None:
                continue
            since_ms = entered_ms.get(impression["event_id"], int(impression["ts_ms"]))
            if event["ts_ms"] < since_ms + HORIZON_MS:
                found += 1
                if event["type"] in ENTRIES:
                    entered_ms.setdefault(impression["event_id"], event["ts_ms"])
    return found


def test_the_log_is_damaged_and_nobody_asked_for_scores(learned: Learned) -> None:
    """What the other tests stand on."""
    times = np.array([event["ts_ms"] for event in learned.events])
    newest = np.maximum.accumulate(times)
    assert 0.005 * EVENTS < EVENTS - len(times) < 0.02 * EVENTS
    assert 0.03 * EVENTS < int((newest > times).sum()) < 0.07 * EVENTS
    assert int((newest - times).max()) > REORDERED_BY_MS / 2
    assert learned.reader.folder.log.bounds(SCORED, 0).end == 0


def test_every_configured_head_has_examples_of_both_labels_and_weights(learned: Learned) -> None:
    labels = defaultdict[str, set[int]](set)
    for chunk in (msgspec.msgpack.decode(one, type=ExampleChunk) for one in learned.chunks()):
        for head, label in zip(chunk.heads, chunk.labels, strict=True):
            labels[HEADS[head]].add(label)
    assert labels == {head: {0, 1} for head in SETTINGS.labels.heads}
    state = learned.stored()
    weights = state.model.weights_of(state.model.slots())
    assert (np.count_nonzero(weights, axis=0) > 20).all()
    assert (state.model.bias() < 0).all(), "every head's positives are the rarer label"


def test_at_least_99_of_100_actions_find_their_impression(learned: Learned) -> None:
    state = LabelState(SETTINGS.labels)
    state.load(learned.reader.folder.store.scan(LABEL))
    could = with_an_impression(learned.events)
    joined = state.counts["joined"]
    assert could > 5_000
    assert 0.99 * could <= joined <= could, f"join coverage {joined / could:.5f}"


def test_clicks_are_predicted_better_than_heat_ranks_them(learned: Learned) -> None:
    """Each predicted before it was learned; the simulator's feed follows charm, its clicks follow taste."""
    click = learned.stored().progress.report()["heads"]["click"]
    assert click["online"]["auc"] > click["heat_only"]["auc"] + 0.03, click
    assert click["online"]["ne"] < 1
    assert 0.8 < click["online"]["calibration"] < 1.25


def test_the_weights_are_those_of_one_offline_pass_bit_for_bit(learned: Learned) -> None:
    """However the log was cut into micro-batches: `examples` in the order of offsets is all that counts."""
    offline = LearnState(SETTINGS.labels.heads, SETTINGS.learner)
    for chunk in learned.chunks():
        learn(offline, chunk)
    assert offline.model.live_slots() > 1_000
    assert b"".join(canonical(offline)) == b"".join(canonical(learned.stored()))


# What a row may know

SHOWN_MS = START_MS + 5_000
SENTINEL = 77_777


@pytest.mark.parametrize(
    ("gift_ms", "gift_first", "knows"),
    [
        pytest.param(SHOWN_MS - 1, True, True, id="1-ms-before"),
        pytest.param(SHOWN_MS + 1, False, False, id="1-ms-after"),
        pytest.param(SHOWN_MS - 1, False, False, id="1-ms-before-but-arriving-after"),
    ],
)
def test_an_impressions_row_knows_what_came_before_it_and_nothing_else(
    tmp_path: Path, gift_ms: int, gift_first: bool, knows: bool
) -> None:
    """A sentinel gift around an impression of the same user and anchor, all in one micro-batch."""
    gift = event("gift", gift_ms, value=SENTINEL)
    shown = event("impression", SHOWN_MS, position=0)
    around = [gift, shown] if gift_first else [shown, gift]
    later = event("view_start", SHOWN_MS + SETTINGS.labels.click_wait_ms, anchor_id="elsewhere", user_id="other")
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        host.append_lines([json.dumps(one).encode() for one in [event("live_start", START_MS), *around, later]])
        host.drain()
        record = host.folder.log.read(EXAMPLES, 0, 0, 1)[0]
    row = np.frombuffer(msgspec.msgpack.decode(record.value, type=ExampleChunk).rows, ROW)[0]
    assert (row["as_of_ms"], row["anchor"], row["user"]) == (SHOWN_MS, hash_id("a"), hash_id("u"))
    expected = math.log1p(SENTINEL) if knows else 0.0
    spent = ("gift_value_5m_log", "gift_value_1h_log", "user_gift_1h_log", "user_gift_24h_log", "pair_gift_log")
    assert {name: dense(row, name) for name in spent} == pytest.approx(dict.fromkeys(spent, expected), abs=1e-4)
    assert (dense(row, "gifts_24h_log") > 0, dense(row, "heat_log") > 1) == (knows, knows)


def dense(row: NDArray[Any], name: str) -> float:
    return float(row["dense"][DENSE_INDEX[name]])


def event(kind: str, ts_ms: int, **more: Any) -> Event:
    return {"event_id": f"{kind}-{ts_ms}", "type": kind, "ts_ms": ts_ms, "anchor_id": "a", "user_id": "u"} | more
