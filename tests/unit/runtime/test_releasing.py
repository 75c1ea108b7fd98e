"""The breaker on the embedded side, from events to answers: what serves while it is open, and when it goes on."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from rtrec.adapters.prometheus import registry
from rtrec.cli import main
from rtrec.events.ids import hash_id
from rtrec.features.vector import ROW
from rtrec.labels import scored
from rtrec.learning.weights import ScorerWeights
from rtrec.ports import NewRecord
from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import SCORED
from rtrec.settings import Labels, Learner, Settings
from rtrec.settings_breaker import Breaker
from tests.unit.runtime.hosts import event, line, now_ms

SOON_S = 30.0
NEVER_MS = 3_600_000
WAIT_MS = 1


def policy(**more: Any) -> Settings:
    quiet = {"label_examples": 10**9, "calibration_examples": 10**9, "dry_ms": NEVER_MS, "rearm_ms": NEVER_MS}
    breaker = Breaker(**{"settle_ms": 0, "reference_examples": 500, "loss_examples": 2_100, **quiet, **more})
    return Settings(
        learner=Learner(slots_log2=12, publish_ms=10), labels=Labels(heads=("click",), click_wait_ms=WAIT_MS),
        breaker=breaker,
    )  # fmt: skip


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Served:
    """A host at work, its clock of events, and what its apps and operators see."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.at_ms, self.number = now_ms() - 600_000, 0
        self.open()

    def open(self) -> None:
        self.host = Embedded.open(self.folder, self.settings)
        self.host.start()
        until(lambda: not self.host.serving.ready())

    def shows(self, n: int, flipped: bool = False) -> None:
        """n impressions of two anchors, one always clicked and one never; learned when this returns."""
        lines = []
        for _ in range(n):
            anchor = ("a", "b")[self.number % 2]
            self.number += 1
            self.at_ms += 2  # a negative is decided before the next impression
            user = f"u{self.number % 7}"
            same = {"anchor_id": anchor, "user_id": user, "request_id": f"r{self.number}"}
            lines.append(line(event("impression", ts_ms=self.at_ms, **same)))
            if (anchor == "a") != flipped:
                lines.append(line(event("click", ts_ms=self.at_ms, **same)))
        self.at_ms += 2
        lines.append(line(event("like", anchor_id="z", user_id="z", ts_ms=self.at_ms)))
        self.host.append_lines(lines)
        before = self.learned
        until(lambda: self.host.lag() == 0 and self.learned == before + n)

    @property
    def learned(self) -> int:
        return self.host.journey.learn.examples

    @property
    def opened(self) -> bool:
        return bool(self.host.serving.breaker["open"])

    def score(self) -> tuple[list[float], dict[str, Any]]:
        """(p of a and b, the models that answered)."""
        answer = self.host.serving.score(ScoreRequest(candidates=["a", "b"], user_id="u1"))
        return [one["heads"]["click"]["p"] for one in answer["scores"]], answer["model"]

    def held(self) -> tuple[list[float], list[float]]:
        """The weights that serve, of every slot, and their intercepts."""
        weights = self.host.serving.known.weights
        assert isinstance(weights, ScorerWeights)
        served = weights.of(np.arange(1 << 12))
        assert served is not None
        return served.weights.ravel().tolist(), served.bias.tolist()

    def metric(self, rule: str) -> float:
        into = CollectorRegistry()
        self.host.collect(registry(into))
        return into.get_sample_value("rtrec_breaker_open", {"rule": rule}) or 0.0

    def current(self) -> bool:
        """Whether what serves is what the learner has."""
        version = self.host.serving.known.weights.version
        return version is not None and version[1] == self.learned


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def make(**more: Any) -> Served:
        made.append(Served(tmp_path / "data", policy(**more)))
        return made[-1]

    yield make
    for one in made:
        one.host.close()


def test_flipped_labels_leave_the_last_good_weights_serving_until_the_operator_says_so(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    """Over a restart, too; the alarm is in log, metrics, readiness and models; then everything is published."""
    served = serve()
    served.shows(3_000)
    until(served.current)
    good, model = served.score()
    assert good[0] > good[1]
    assert 0 <= model["online_age_ms"] < 60_000

    served.shows(1_500, flipped=True)
    until(lambda: served.opened)
    serving = served.host.serving
    held, model = served.held(), served.score()[1]
    assert not served.current()
    served.shows(500, flipped=True)
    again = served.score()[1]
    assert (served.held(), again["online"]) == (held, model["online"])
    assert again["online_age_ms"] > model["online_age_ms"]
    assert serving.ready() == []
    assert "loss_jump of click" in serving.alarms()[0]
    assert serving.models()["breaker"]["tripped"][0]["rule"] == "loss_jump"
    assert (served.metric("loss_jump"), served.metric("dry_stream")) == (1.0, 0.0)
    assert "ALARM: breaker: loss_jump of click" in caplog.text

    age_ms = served.score()[1]["online_age_ms"]
    served.host.close()
    served.open()
    model = served.score()[1]
    assert served.opened
    assert served.held() == held
    assert model["online_age_ms"] >= age_ms, "a restart makes no weights younger"

    done = CliRunner().invoke(main, ["model", "rearm", "--data", str(served.folder), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["breaker"]["open"]
    until(lambda: not served.opened and served.current())
    now, _ = served.score()
    assert now[0] < now[1]
    assert served.metric("loss_jump") == 0.0
    assert served.host.serving.alarms() == []
    served.shows(100, flipped=True)
    until(served.current)
    slots = served.host.journey.learn.model.slots()
    expected = np.zeros((1 << 12, 1))
    expected[slots] = served.host.journey.learn.model.weights_of(slots)
    assert served.held() == (expected.ravel().tolist(), served.host.journey.learn.model.bias().tolist())


def test_a_feature_that_is_no_number_is_never_served_and_a_command_goes_back_to_before(
    serve: Callable[..., Served],
) -> None:
    served = serve()
    served.shows(50)
    until(served.current)
    good = served.held()
    row = np.zeros(1, ROW)
    row["user"], row["anchor"], row["dense"] = hash_id("u"), hash_id("a"), np.nan
    asked = scored.encode("bad", "u", served.at_ms, "default", "c", 0, ["a"], row.tobytes())
    served.host.append(SCORED, [NewRecord(asked)])
    shown = event("impression", ts_ms=served.at_ms, request_id="bad")
    served.host.append_lines([line(shown), line({**shown, "event_id": "c", "type": "click"})])
    until(lambda: served.opened)
    assert served.host.serving.breaker["tripped"][0]["rule"] == "non_finite"
    served.shows(50)
    assert served.held() == good
    with Embedded.read(served.folder, served.settings) as reader:
        reader.rearm_learner()
    until(lambda: not served.opened)
    assert served.host.journey.learn.sound(served.host.journey.learn.model.slots())
    served.shows(50)
    until(served.current)
    assert np.isfinite(served.score()[0]).all()
    assert served.held() != good


def test_a_dry_stream_is_an_alarm_and_passes_when_examples_come(serve: Callable[..., Served]) -> None:
    """Likes without a single impression; then impressions again."""
    served = serve(dry_ms=50, dry_events=10, dry_examples=20, rearm_ms=50)
    served.shows(30)
    until(served.current)
    served.host.append_lines([line(event("like", ts_ms=served.at_ms)) for _ in range(10)])
    until(lambda: served.opened)
    assert "dry_stream" in served.host.serving.alarms()[0]
    served.shows(30)
    until(lambda: not served.opened and served.current())
