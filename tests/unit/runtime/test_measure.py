"""Metrics at a scrape are the host's totals, however often they are scraped."""

from collections.abc import Iterator
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from rtrec.adapters.prometheus import registry
from rtrec.features.vector import ROW
from rtrec.learning.progress import Progress
from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.live import Live
from rtrec.settings import Learner, Settings
from rtrec.stages.learn import learn
from tests.unit.runtime.cluster.examples import messages
from tests.unit.runtime.hosts import DAY_MS, SETTINGS, append, event, line, now_ms, take

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraper:
    """What a scrape shows: the value of every sample by name and labels."""

    def __init__(self, host: Embedded) -> None:
        self._host, self._into = host, CollectorRegistry()
        self._metrics = registry(self._into)

    def scrape(self) -> Figures:
        self._host.collect(self._metrics)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for metric in self._into.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        }


def value(figures: Figures, name: str, **labels: str) -> float:
    """A sample's value, 0 before its first increment."""
    return figures.get((name, frozenset(labels.items())), 0.0)


def outcomes(figures: Figures) -> dict[str, float]:
    """`totals` as the metrics tell it."""

    def events(stage: str, outcome: str) -> float:
        return value(figures, "rtrec_events_total", stage=stage, outcome=outcome)

    accepted, duplicates = events("heat", "accepted"), events("heat", "duplicate")
    refused = events("ingest", "rejected") + events("heat", "too_late") + events("heat", "unknown_reversal")
    return {
        "events": accepted + duplicates + refused, "accepted": accepted, "duplicates": duplicates,
        "dead_letters": refused,
    }  # fmt: skip


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Embedded]:
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        yield host


def mixed() -> list[bytes]:
    """Three accepted, a duplicate, and one refused by each who refuses."""
    like, then = line(event("like")), now_ms() - 2 * DAY_MS
    return [
        like, like, line(event("gift", value=3)), line(event("click", user_id="v")), b"{}",
        line(event("like", ts_ms=then)), line(event("gift", value=1, reversal_of="nobody")),
    ]  # fmt: skip


def test_counters_equal_the_hosts_totals_scrape_by_scrape(host: Embedded) -> None:
    scraper = Scraper(host)
    assert outcomes(scraper.scrape()) == host.totals()
    for rounds in (1, 2):
        take(host, *mixed())
        figures = scraper.scrape()
        assert outcomes(figures) == host.totals()
        assert host.totals() == {
            "events": 7 * rounds,
            "accepted": 3 * rounds,
            "duplicates": rounds,
            "dead_letters": 3 * rounds,
        }
        by_reason = {
            reason: value(figures, "rtrec_dead_letters_total", reason=reason)
            for reason in ("missing", "time", "unknown_reversal")
        }
        assert by_reason == {"missing": rounds, "time": rounds, "unknown_reversal": rounds}


def test_a_second_scrape_adds_nothing(host: Embedded) -> None:
    scraper = Scraper(host)
    take(host, *mixed())
    first, second = scraper.scrape(), scraper.scrape()
    counters = [key for key in first if key[0].endswith(("_total", "_count", "_sum", "_bucket"))]
    assert value(first, "rtrec_events_total", stage="heat", outcome="accepted") == 3
    assert {key: second[key] for key in counters} == {key: first[key] for key in counters}


def test_batches_and_commits_are_observed_once_each(host: Embedded) -> None:
    scraper = Scraper(host)
    scraper.scrape()
    for size in (3, 2):
        take(host, *[event("like") for _ in range(size)])
    figures = scraper.scrape()
    assert value(figures, "rtrec_batch_events_count") == value(figures, "rtrec_commit_duration_ms_count") == 2
    assert value(figures, "rtrec_batch_events_sum") == 5


def test_gauges_tell_of_now(host: Embedded) -> None:
    """Events that wait, the folder's size, the alarm; a weights' age is unknown before the first publication."""
    scraper = Scraper(host)
    append(host, *mixed())
    figures = scraper.scrape()
    assert value(figures, "rtrec_lag_events", stage="ingest") == 7
    assert value(figures, "rtrec_store_bytes") == host.folder.size_bytes() > 0
    assert value(figures, "rtrec_dead_letter_alarm") == 0
    assert isnan(value(figures, "rtrec_weights_age_ms"))
    host.drain()
    assert value(scraper.scrape(), "rtrec_lag_events", stage="ingest") == 0
    take(host, *[b"{}"] * 600)
    assert value(scraper.scrape(), "rtrec_dead_letter_alarm") == 1


def test_logged_rows_are_counted(host: Embedded) -> None:
    scraper = Scraper(host)
    take(host, event("live_start", user_id=None))
    for _ in range(2):
        host.serving.score(ScoreRequest(candidates=["a", "b"], user_id="u"))
    for _ in range(2):
        assert value(scraper.scrape(), "rtrec_scored_rows_total", outcome="logged") == 4


def test_the_learners_figures_are_those_of_its_window_by_head_and_model(host: Embedded) -> None:
    """Models that do not predict have no sample; a drift is counted once, however often it is scraped."""
    scraper, progress = Scraper(host), Progress(["click"])
    rng, n = np.random.default_rng(1), 400
    rows = np.zeros(n, ROW)
    rows["user"], p = rng.integers(1, 9, n), rng.uniform(0.1, 0.9, n)
    progress.add(rows, np.zeros(n), rng.random(n) < p, np.ones(n), np.zeros(n), {"online": p})
    progress.drift[0].drifts, progress.drift[0].at = 2, 350
    host.serving.progress = progress.taken().report
    recent = progress.report()["heads"]["click"]["online"]["recent"]
    for _ in range(2):
        figures = scraper.scrape()
        for name, key in (("logloss_nats", "logloss"), ("ne_ratio", "ne"), ("auc_ratio", "auc"), ("gauc_ratio", "gauc"),
                          ("calibration_ratio", "calibration")):  # fmt: skip
            assert value(figures, f"rtrec_model_{name}", head="click", model="online") == recent[key] > 0
        assert value(figures, "rtrec_model_auc_ratio", head="click", model="heat_only") == 0.5
        assert not any(("model", "batch") in labels for _, labels in figures)
        assert value(figures, "rtrec_model_drifts_total", head="click") == 2
        assert value(figures, "rtrec_model_drift_examples", head="click") == 350


def test_the_models_slots_are_known_waiting_and_forgotten(tmp_path: Path) -> None:
    """As the learner counts them; forgotten ones once, however often it is scraped."""
    policy = Learner(slots_log2=12, admit_examples=3, expire_days=1)
    with Embedded.open(tmp_path / "data", Settings(learner=policy)) as host:
        learner, scraper = host.journey.learn, Scraper(host)
        for message in messages(0, 9):
            learn(learner, message.value)
        Live(host)._figures()
        expected = learner.slots()
        assert 0 < expected["waiting"] < expected["known"]
        assert expected["expired"] > 0
        for _ in range(2):
            figures = scraper.scrape()
            for state in ("known", "waiting"):
                assert value(figures, "rtrec_model_slots", state=state) == expected[state]
            assert value(figures, "rtrec_model_slots_expired_total") == expected["expired"]
