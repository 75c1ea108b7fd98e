"""The learner is honest on the simulator, at reduced sizes: `benchmarks/learning.py` has the named ones.

Every figure is of events that went through all stages; a prediction is always from before its example was learned.
"""

from typing import Any

import numpy as np
import pytest

from benchmarks.learned.bias import position_bias
from benchmarks.learned.cold import cold_start
from benchmarks.learned.delay import delayed
from benchmarks.learned.drift import drift
from benchmarks.learned.honest import honest
from benchmarks.learned.measures import deciles, expected_auc, nth
from rtrec.learning.auc import auc

ERRORS = 2.5
"""Sampling errors that a small group may be off by beyond the tenth that is promised."""


def off(figures: dict[str, Any]) -> float:
    """How far a ratio is from 1, less what chance explains."""
    return abs(float(figures["ratio"]) - 1.0) - ERRORS * float(figures["sampling_error"])


@pytest.fixture(scope="module")
def click() -> dict[str, Any]:
    """Judged from 180 s on: the platform's numbers are warm at 120 s, and the learner has had a minute of them."""
    figures = honest(60_000, heads=("click",), undecided_s=90, begins_s=120, beside=False)
    found: dict[str, Any] = figures["heads"]["click"]
    return found


def test_every_decile_of_the_predictions_happens_as_often_as_it_says(click: dict[str, Any]) -> None:
    assert abs(click["all"]["ratio"] - 1.0) < 0.1
    assert [one for one in click["deciles"] if off(one) > 0.1] == []
    assert click["deciles"][-1]["observed"] > 4 * click["deciles"][0]["observed"], "they tell something"


def test_every_slice_is_predicted_as_it_is(click: dict[str, Any]) -> None:
    assert {name: one for name, one in click["slices"].items() if off(one) > 0.1} == {}
    assert all(one["positives"] > 20 for one in click["slices"].values())


def test_dishonest_predictions_would_be_seen() -> None:
    rng = np.random.default_rng(1)
    truth = rng.beta(1, 7, 12_000)
    y = (rng.random(truth.size) < truth).astype(np.float64)
    assert [one for one in deciles(truth, y) if off(one) > 0.1] == []
    sharpened = truth**1.5 * truth.mean() / (truth**1.5).mean()
    assert len([one for one in deciles(sharpened, y) if off(one) > 0.1]) >= 2


def test_bias_features_keep_the_place_out_of_the_preference() -> None:
    figures = position_bias(40_000, seed=3)
    aucs = figures["auc_of_preference"]
    assert 0.5 < aucs["without"] < aucs["with"] < figures["best_possible"]


def test_declared_attributes_make_new_anchors_known_sooner() -> None:
    """At every number of impressions of a new anchor, and of a known one: nearer to the truth, by its own level too."""
    figures = cold_start(80_000, anchors=160, known_from=160)
    level = {name: figures[name]["known_over_truth"] for name in ("with", "without")}
    assert 1.0 < level["with"] < level["without"]
    curves = [[step["over_known"] for step in figures[name]["curve"]] for name in ("with", "without")]
    assert len(curves[0]) == 5
    assert all(told < untold for told, untold in zip(*curves, strict=True))


def test_what_is_published_every_second_follows_a_drift_better_than_every_minute() -> None:
    by_pace = drift(40_000, paces_s=(1, 60))["publish_s"]
    assert by_pace[1]["auc"] > by_pace[60]["auc"] > 0.5
    assert by_pace[1]["ne"] < by_pace[60]["ne"]


def test_late_positives_are_counted_under_fast_slow() -> None:
    figures = delayed(40_000, undecided_ms=120_000)
    assert figures["late_share"] > 0.1
    assert abs(figures["fast_slow"]["ratio"] - 1.0) < 0.1 + ERRORS * figures["fast_slow"]["sampling_error"]
    assert figures["exit_first"]["ratio"] < figures["fast_slow"]["ratio"]


def test_measures_agree_with_what_they_stand_for() -> None:
    """The expected AUC is the mean AUC of drawn labels; `nth` counts as a loop does."""
    rng = np.random.default_rng(2)
    score, chance = rng.random(2_000), rng.beta(1, 5, 2_000)
    ones = np.ones(score.size)
    drawn = [auc(score, (rng.random(chance.size) < chance).astype(np.float64), ones) or 0.0 for _ in range(40)]
    assert abs(expected_auc(score, chance) - float(np.mean(drawn))) < 4 * float(np.std(drawn)) / len(drawn) ** 0.5
    ids, times = rng.integers(0, 9, 300).astype(np.uint64), rng.permutation(300)
    brute = [int(((ids == one) & (times < at)).sum()) for one, at in zip(ids, times, strict=True)]
    assert nth(ids, times).tolist() == brute
