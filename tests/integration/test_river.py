"""River's own models in place of ours, from live events to `/v1/score`, and through restarts."""

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtrec.features.vector import ROW, vectors
from rtrec.learning.river_model import RiverModel, as_dicts, p_of
from rtrec.runtime.embedded import Embedded
from rtrec.settings import Learner, Settings
from rtrec.simulator.simulation import Simulation
from rtrec.stages.learn import ExampleChunk
from tests.integration.serving import eventually
from tests.integration.test_live import event, live, opened, records, scores, send

SCALED = "river.preprocessing.StandardScaler | river.linear_model.LogisticRegression"
LINEAR = Settings(learner=Learner(model=SCALED, slots_log2=18, publish_ms=50))
TREES = Settings(learner=Learner(model="river.tree.HoeffdingTreeClassifier", slots_log2=18, publish_ms=50))
START_MS = 1_712_345_678_000


def crowd(host: Embedded, events: int) -> None:
    """What a simulated platform sends."""
    send(host, *Simulation(5, viewers=200, anchors=20).events(events, START_MS))
    host.drain()


def model_of(host: Embedded) -> RiverModel:
    model = host.journey.learn.model
    assert isinstance(model, RiverModel)
    return model


def own_p(host: Embedded, rows: np.ndarray, head: int) -> list[float]:
    """What River itself says to logged rows, at the served position."""
    index, value = vectors(rows, None, host.settings.learner.slots_log2)
    model = model_of(host)
    return [p_of(model.pipelines[head], row) for row in as_dicts(index, value, model.dense)]


@pytest.mark.parametrize("settings", [LINEAR, TREES], ids=["linear", "tree"])
def test_rivers_own_model_answers_from_live_events(tmp_path: Path, settings: Settings) -> None:
    """Scores move as events come, and are what River's own pipeline says to the same features."""
    with live(tmp_path / "data", settings) as host:
        opened(host, "a")
        assert scores(host, "a")["scores"][0]["heads"]["click"]["p"] == pytest.approx(0.5, abs=0.02)
        for _ in range(40):
            send(host, event("impression", "a", "u", request_id="r"), event("click", "a", "u", request_id="r"))
        eventually(lambda: scores(host, "a")["scores"][0]["heads"]["click"]["p"] > 0.6)
        eventually(lambda: host.lag() == 0)
        answer = scores(host, "a")
        assert answer["model"]["online"] is not None
        assert answer["model"]["online_age_ms"] >= 0
        row = np.frombuffer(_last_row(host), ROW)
        eventually(lambda: _serves(host, row))


def _serves(host: Embedded, row: np.ndarray) -> bool:
    index, value = vectors(row, None, host.settings.learner.slots_log2)
    logit = host.serving.known.weights.logits(index, value)[0, 0]
    return math.isclose(1 / (1 + math.exp(-logit)), own_p(host, row, 0)[0], rel_tol=1e-9)


def _last_row(host: Embedded) -> bytes:
    chunk = msgspec.msgpack.decode(records(host, "examples")[-1], type=ExampleChunk)
    return bytes(chunk.rows[-ROW.itemsize :])


@pytest.mark.parametrize("settings", [LINEAR, TREES], ids=["linear", "tree"])
def test_a_restart_goes_on_where_it_stopped(tmp_path: Path, settings: Settings) -> None:
    """From a checkpoint and the log after it, or from the whole log: the same predictions, and the same digest."""
    with Embedded.open(tmp_path / "whole", settings) as host:
        crowd(host, 1_500)
        expected, whole = _predictions(host), host.digest()
    with Embedded.open(tmp_path / "cut", settings) as host:
        crowd(host, 1_500)
        assert host.journey.learn.examples > 0
        host._load()  # as after a failed step: without a last checkpoint
        assert _predictions(host) == expected
        assert host.digest() == whole
    with Embedded.open(tmp_path / "cut", settings) as host:
        assert _predictions(host) == expected
        assert host.journey.learn.progress.report()["heads"]["click"]["examples"] > 0


def _predictions(host: Embedded) -> list[float]:
    chunk = msgspec.msgpack.decode(records(host, "examples")[0], type=ExampleChunk)
    return own_p(host, np.frombuffer(chunk.rows, ROW)[:50], 0)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    """A folder that one model learned in is no other's: said with what to do, nothing is reset."""
    with Embedded.open(tmp_path / "data", LINEAR) as host:
        crowd(host, 300)
    with pytest.raises(ValueError, match="set it back, or use a new folder"):
        Embedded.open(tmp_path / "data", Settings(learner=Learner(slots_log2=18)))
