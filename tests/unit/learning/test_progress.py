"""Promises of progressive validation: figures equal their definitions, batches leave no trace, bytes bring it back."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtrec.learning.auc import auc, gauc
from rtrec.learning.progress import Progress

ROWS, WINDOW = 300, 64
HEADS = ("click", "gift")


def examples(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "head": rng.integers(0, 2, ROWS),
        "p": rng.random(ROWS),
        "y": rng.integers(0, 2, ROWS),
        "weight": rng.integers(1, 4, ROWS).astype(float),
        "heat": rng.normal(0, 9, ROWS),
        "user_hash": rng.integers(0, 9, ROWS).astype(np.uint64) + np.uint64(2**63),
    }


def part(data: dict[str, np.ndarray], start: int, stop: int) -> dict[str, np.ndarray]:
    return {name: column[start:stop] for name, column in data.items()}


def test_figures_equal_their_definitions() -> None:
    """Cumulative figures over all of a head's examples, rolling ones over its last WINDOW."""
    data, progress = examples(), Progress(HEADS, WINDOW)
    progress.add(**data)
    for place, name in enumerate(HEADS):
        mine = {key: column[data["head"] == place] for key, column in data.items()}
        p, y, weight = mine["p"], mine["y"], mine["weight"]
        last = {key: column[-WINDOW:] for key, column in mine.items()}
        loss = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        rate = np.average(y, weights=weight)
        entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
        recent_calibration = (last["weight"] * last["p"]).sum() / (last["weight"] * last["y"]).sum()
        report = progress.report()["heads"][name]
        assert report["examples"] == len(p) > WINDOW
        assert report["base_rate"] == pytest.approx(rate)
        assert report["heat_only"]["auc"] == auc(last["heat"], last["y"], last["weight"])
        assert report["online"] == {
            "logloss": pytest.approx(np.average(loss, weights=weight)),
            "ne": pytest.approx(np.average(loss, weights=weight) / entropy),
            "auc": auc(last["p"], last["y"], last["weight"]),
            "gauc": gauc(last["user_hash"], last["p"], last["y"], last["weight"]),
            "calibration": pytest.approx((weight * p).sum() / (weight * y).sum()),
            "recent": {
                "examples": WINDOW,
                "logloss": pytest.approx(np.average(loss[-WINDOW:], weights=weight[-WINDOW:])),
                "calibration": pytest.approx(recent_calibration),
            },
        }


def test_predicting_the_base_rate_is_ne_1_and_calibration_1() -> None:
    """The yardsticks read 1 where the model knows the base rate and nothing else."""
    progress = Progress(["click"])
    progress.add([0] * 4, [0.25] * 4, [1, 0, 0, 0], [1] * 4, [0.0] * 4, [1] * 4)
    online = progress.report()["heads"]["click"]["online"]
    assert (online["ne"], online["calibration"], online["auc"]) == (pytest.approx(1.0), pytest.approx(1.0), 0.5)


@pytest.mark.parametrize("y", [[], [0, 0], [1, 1]])
def test_what_is_not_defined_is_none(y: list[int]) -> None:
    """Without examples, positives or negatives: None, never 0 or NaN, and the report is JSON."""
    progress, n = Progress(["click"]), len(y)
    progress.add([0] * n, [0.5] * n, y, [1] * n, [0.0] * n, [1] * n)
    report = progress.report()["heads"]["click"]
    assert report["online"]["auc"] is report["online"]["gauc"] is report["online"]["ne"] is None
    assert report["heat_only"]["auc"] is None
    assert (report["online"]["calibration"] is None) == (1 not in y)
    assert (report["base_rate"] is None) == (report["online"]["logloss"] is None) == (not y)
    json.dumps(report, allow_nan=False)


def test_certain_and_wrong_is_a_finite_loss() -> None:
    """p of 0 or 1 costs at most 34.5 nats."""
    progress = Progress(["click"])
    progress.add([0, 0], [0.0, 1.0], [1, 0], [1, 1], [0.0, 0.0], [1, 1])
    assert progress.report()["heads"]["click"]["online"]["logloss"] == pytest.approx(-math.log(1e-15))


@given(cuts=st.lists(st.integers(0, ROWS), max_size=6), restart=st.booleans())
@settings(max_examples=40, deadline=None)
def test_batches_and_restarts_leave_no_trace(cuts: list[int], restart: bool) -> None:
    """However the stream is cut, and stored and loaded between, the bytes in the end are equal."""
    whole, cut = Progress(HEADS, WINDOW), Progress(HEADS, WINDOW)
    whole.add(**examples())
    edges = [0, *sorted(cuts), ROWS]
    for start, stop in pairwise(edges):
        cut.add(**part(examples(), start, stop))
        if restart:
            cut = Progress.decode(cut.encode())
    assert cut.encode() == whole.encode()
    assert cut.report() == whole.report()


def test_other_bytes_are_refused() -> None:
    """Garbage and another format are a ValueError."""
    for data in (b"", b"\x93\x01\x02\x03", Progress(HEADS).encode().replace(b"\x96\x01", b"\x96\x02", 1)):
        with pytest.raises(ValueError, match="progress"):
            Progress.decode(data)
