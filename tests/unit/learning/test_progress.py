"""Promises of progressive validation: figures equal their definitions, batches leave no trace, bytes bring it back."""

import json
import math
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import metrics

from rtrec.features.table import DENSE_INDEX
from rtrec.features.vector import ROW, Rows
from rtrec.learning.judging import BLOCK, KNOWN_EXAMPLES
from rtrec.learning.progress import ROW1, Progress, Stored1
from rtrec.learning.recent import WINDOW_BLOCKS

N, WINDOW = 300, 64
HEADS = ("click", "gift")
BOTH = ("online", "batch")
Columns = dict[str, Any]


def logged(n: int, rng: np.random.Generator) -> Rows:
    """Rows of few users, anchors, categories and surfaces; every second user has a record."""
    rows = np.zeros(n, ROW)
    rows["user"], rows["anchor"] = (
        rng.integers(1, 9, n).astype(np.uint64) + np.uint64(2**63),
        rng.integers(1, 2**63, 9)[rng.integers(0, 9, n)],
    )
    rows["category"], rows["surface"] = rng.integers(0, 40, n) ** 2 // 40, rng.integers(0, 3, n)
    rows["dense"][:, DENSE_INDEX["heat_log"]] = rng.normal(0, 9, n).round(1)
    rows["dense"][:, DENSE_INDEX["user_known"]] = rows["user"] % 2
    return rows


def columns(n: int = N, seed: int = 1, fakes: float = 0.0) -> Columns:
    """What `add` takes, of two models."""
    rng = np.random.default_rng(seed)
    p = {name: rng.uniform(0.01, 0.99, n).round(2) for name in BOTH}
    return {
        "rows": logged(n, rng), "head": rng.integers(0, 2, n), "y": rng.integers(0, 2, n),
        "weight": rng.integers(1, 4, n).astype(float), "fake": rng.random(n) < fakes, "p": p,
    }  # fmt: skip


def part(data: Columns, some: Any) -> Columns:
    return {name: {of: one[some] for of, one in column.items()} if name == "p" else column[some]
            for name, column in data.items()}  # fmt: skip


def by_hand(y: Any, p: Any, weight: Any, user: Any) -> Columns:
    """Figures by pairs of examples and sums, without anything of ours."""
    loss = sum(-w * math.log(q if one else 1 - q) for one, q, w in zip(y, p, weight, strict=True)) / sum(weight)
    rate = sum(weight * y) / sum(weight)
    entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate)) if 0 < rate < 1 else None
    areas = {u: area(y[user == u], p[user == u], weight[user == u]) for u in set(user.tolist())}
    known = [(a, sum(weight[user == u])) for u, a in areas.items() if a is not None]
    return {
        "logloss": pytest.approx(loss),
        "ne": None if entropy is None else pytest.approx(loss / entropy),
        "calibration": pytest.approx(sum(weight * p) / sum(weight * y)) if sum(y) else None,
        "auc": None if (whole := area(y, p, weight)) is None else pytest.approx(whole),
        "gauc": pytest.approx(sum(a * w for a, w in known) / sum(w for _, w in known)) if known else None,
    }


def area(y: Any, score: Any, weight: Any) -> float | None:
    won = pairs = 0.0
    for one, s, w in zip(y, score, weight, strict=True):
        for other, t, v in zip(y, score, weight, strict=True):
            if one > other:
                pairs += w * v
                won += w * v * (1.0 if s > t else 0.5 if s == t else 0.0)
    return won / pairs if pairs else None


def of_model(figures: Columns, name: str) -> Columns:
    return {key: one for key, one in figures[name].items() if key != "recent"}


@pytest.mark.parametrize("fakes", [0.0, 0.4])
def test_figures_equal_their_definitions(fakes: float) -> None:
    """Cumulative ones over all of a head's examples, rolling ones and slices over its last WINDOW, for every model."""
    data, progress = columns(fakes=fakes), Progress(HEADS, WINDOW, BOTH)
    progress.add(**data)
    report = progress.report(slices=True)["heads"]
    for place, head in enumerate(HEADS):
        mine = part(data, data["head"] == place)
        last = part(mine, slice(-WINDOW, None))
        assert report[head]["examples"] == len(mine["y"]) > WINDOW
        assert report[head]["blend"] is None
        for model in BOTH:
            whole, recent = hand_of(mine, model), hand_of(last, model)
            ranked = {key: recent[key] for key in ("auc", "gauc")}
            assert of_model(report[head], model) == whole | ranked
            rate = pytest.approx(np.average(last["y"], weights=weights(last, model)))
            assert report[head][model]["recent"] == {"examples": WINDOW, "base_rate": rate, **recent}
        heat = last["rows"]["dense"][:, DENSE_INDEX["heat_log"]].astype(np.float64)
        assert report[head]["heat_only"]["auc"] == pytest.approx(area(last["y"], heat, weights(last, "online")))
        assert_slices(report[head]["slices"], last)


def weights(data: Columns, model: str) -> Any:
    return np.where(data["fake"], 1 - data["p"][model], 1.0) * data["weight"]


def hand_of(data: Columns, model: str) -> Columns:
    return by_hand(data["y"], data["p"][model], weights(data, model), data["rows"]["user"])


def assert_slices(slices: Columns, last: Columns) -> None:
    """Each is what its rows alone come to; together they are the window."""
    rows = last["rows"]
    values = {
        "user": np.where(rows["dense"][:, DENSE_INDEX["user_known"]] > 0, "known", "new"),
        "surface": np.array([f"{one:016x}" if one else "(absent)" for one in rows["surface"].tolist()]),
    }
    assert {name: sum(one["examples"] for one in of.values()) for name, of in slices.items()} == dict.fromkeys(
        ("anchor", "user", "category", "surface"), WINDOW
    )
    for by, value in values.items():
        assert set(slices[by]) == set(value.tolist())
        for name, figures in slices[by].items():
            some = part(last, value == name)
            assert figures["examples"] == len(some["y"])
            for model in BOTH:
                assert of_model(figures, model) == hand_of(some, model), (by, name)


def test_categories_are_the_16_most_frequent_of_the_window_the_rest_together() -> None:
    data, progress = columns(3_000), Progress(["click"], 2_000)
    data |= {"head": np.zeros(3_000, int), "p": {"online": data["p"]["online"]}}
    progress.add(**data)
    last = data["rows"]["category"][-2_000:]
    names, counts = np.unique(last[last > 0], return_counts=True)
    best = sorted(zip(-counts, names, strict=True))[:16]
    found = progress.report(slices=True)["heads"]["click"]["slices"]["category"]
    expected = {f"{name:016x}": -count for count, name in best}
    expected["(other)"] = int(counts.sum()) - sum(expected.values())
    expected["(absent)"] = int((last == 0).sum())
    assert {name: one["examples"] for name, one in found.items()} == expected
    assert min(expected.values()) > 0


def test_an_anchor_is_known_from_its_hundredth_example_on() -> None:
    """Counted whatever the head; others' examples make nobody known."""
    rows = np.zeros(KNOWN_EXAMPLES + 30, ROW)
    rows["anchor"] = 2**64 - 1
    rows["anchor"][::13] = np.arange(len(rows[::13])) + 1
    times, n = int((rows["anchor"] == 2**64 - 1).sum()), len(rows)
    progress = Progress(HEADS)
    progress.add(rows, np.arange(n) % 2, np.zeros(n), np.ones(n), np.zeros(n, bool), {"online": np.full(n, 0.5)})
    report = progress.report(slices=True)["heads"].values()
    known = sum(one["slices"]["anchor"].get("known", {"examples": 0})["examples"] for one in report)
    assert known == times - KNOWN_EXAMPLES > 0


def test_river_comes_to_the_same() -> None:
    """River's own LogLoss and (binned) ROCAUC, example by example."""
    data, progress = columns(1_500), Progress(["click"], models=BOTH)
    data["head"] = np.zeros(1_500, int)
    data["weight"] = np.ones(1_500)
    data["p"]["online"] = np.clip(0.3 * data["y"] + 0.6 * data["p"]["online"], 0.01, 0.99)
    progress.add(**data)
    loss, auc = metrics.LogLoss(), metrics.ROCAUC(n_thresholds=200)
    for p, y in zip(data["p"]["online"].tolist(), data["y"].astype(bool).tolist(), strict=True):
        loss.update(y, p)
        auc.update(y, p)
    online = progress.report()["heads"]["click"]["online"]
    assert online["logloss"] == pytest.approx(loss.get(), abs=1e-9)
    assert online["auc"] == pytest.approx(auc.get(), abs=0.01)


def test_calibration_of_fakes_is_1_where_p_is_right() -> None:
    """An impression told as a fake negative, and again as a positive where it was one, weighed as learned."""
    rng, n = np.random.default_rng(3), 200_000
    p = rng.uniform(0.02, 0.6, n)
    happened = rng.random(n) < p
    both = np.concatenate([p, p[happened]])
    y = np.concatenate([np.zeros(n), np.ones(int(happened.sum()))])
    progress = Progress(["click"])
    progress.add(np.zeros(y.size, ROW), np.zeros(y.size, int), y, np.ones(y.size), y == 0, {"online": both})
    click = progress.report()["heads"]["click"]
    assert click["online"]["calibration"] == pytest.approx(1.0, abs=0.01)
    assert click["online"]["recent"]["examples"] == 10_000
    assert click["base_rate"] == pytest.approx(p.mean(), rel=0.01)


def test_predicting_the_base_rate_is_ne_1_and_calibration_1() -> None:
    """The yardsticks read 1 where the model knows the base rate and nothing else."""
    progress = Progress(["click"])
    progress.add(np.zeros(4, ROW), [0] * 4, [1, 0, 0, 0], [1] * 4, [False] * 4, {"online": [0.25] * 4})
    online = progress.report()["heads"]["click"]["online"]
    assert (online["ne"], online["calibration"], online["auc"]) == (pytest.approx(1.0), pytest.approx(1.0), 0.5)


@pytest.mark.parametrize("y", [[], [0, 0], [1, 1]])
def test_what_is_not_defined_is_none(y: list[int]) -> None:
    """Without examples, positives or negatives: None, never 0 or NaN, and the report is JSON."""
    progress, n = Progress(["click"]), len(y)
    progress.add(np.zeros(n, ROW), [0] * n, y, [1] * n, [False] * n, {"online": [0.5] * n})
    report = progress.report(slices=True)["heads"]["click"]
    assert report["online"]["auc"] is report["online"]["gauc"] is report["online"]["ne"] is None
    assert report["heat_only"]["auc"] is report["batch"] is report["blend"] is None
    assert (report["online"]["calibration"] is None) == (1 not in y)
    assert (report["base_rate"] is None) == (report["online"]["logloss"] is None) == (not y)
    json.dumps(report, allow_nan=False)


def test_certain_and_wrong_is_a_finite_loss() -> None:
    """p of 0 or 1 costs at most 34.5 nats."""
    progress = Progress(["click"])
    progress.add(np.zeros(2, ROW), [0, 0], [1, 0], [1, 1], [False] * 2, {"online": [0.0, 1.0]})
    assert progress.report()["heads"]["click"]["online"]["logloss"] == pytest.approx(-math.log(1e-15))


def test_a_prediction_that_is_no_number_is_counted_and_spoils_nothing() -> None:
    data, progress, clean = columns(), Progress(HEADS, models=BOTH), Progress(HEADS, models=BOTH)
    clean.add(**part(data, slice(3, None)))
    data["p"]["batch"][:3] = [np.nan, np.inf, -np.inf]
    progress.add(**data)
    assert int(progress.non_finite.sum()) == 3
    for head in HEADS:
        assert progress.report()["heads"][head] | {"non_finite": 0} == clean.report()["heads"][head]


def test_blocks_of_a_head_go_to_its_window_and_then_to_its_reference() -> None:
    """Window and reference hold every whole block, whatever came between of the other head."""
    n = 2 * BLOCK * (WINDOW_BLOCKS + 7)
    data, progress = columns(n), Progress(HEADS)
    data["head"] = np.arange(n) % 2
    data["p"] = {"online": data["p"]["online"]}
    for start in range(0, n, 777):
        progress.add(**part(data, slice(start, start + 777)))
    for place, recent in enumerate(progress.recent):
        mine = part(data, data["head"] == place)
        for span, some in ((recent.reference, slice(0, 7 * BLOCK)), (recent.window, slice(7 * BLOCK, None))):
            y, weight, p = mine["y"][some], mine["weight"][some], mine["p"]["online"][some]
            loss = -np.log(np.where(y > 0, p, 1 - p))
            assert (span.examples, span.rate) == (len(y), pytest.approx(np.average(y, weights=weight)))
            assert span.loss == pytest.approx(np.average(loss, weights=weight))
            assert span.calibration == pytest.approx(sum(weight * p) / sum(weight * y))


@given(cuts=st.lists(st.integers(0, N), max_size=6), restart=st.booleans())
@settings(max_examples=40, deadline=None)
def test_batches_and_restarts_leave_no_trace(cuts: list[int], restart: bool) -> None:
    """However the stream is cut, and stored and loaded between, the bytes in the end are equal."""
    whole, cut = Progress(HEADS, WINDOW, BOTH), Progress(HEADS, WINDOW, BOTH)
    whole.add(**columns(fakes=0.2))
    edges = [0, *sorted(cuts), N]
    for start, stop in pairwise(edges):
        cut.add(**part(columns(fakes=0.2), slice(start, stop)))
        if restart:
            cut = Progress.decode(cut.encode())
    assert cut.encode() == whole.encode()
    assert cut.report(slices=True) == whole.report(slices=True)


def test_a_report_of_what_was_taken_is_of_then() -> None:
    """Another thread may make it while judging goes on."""
    progress = Progress(HEADS, WINDOW, BOTH)
    progress.add(**columns())
    taken, then = progress.taken(), progress.report(slices=True)
    progress.add(**columns(seed=2))
    assert taken.report(slices=True) == then != progress.report(slices=True)


def test_the_format_before_is_read() -> None:
    """Its sums and windows stand; of its rows no slice is known."""
    rng, rows = np.random.default_rng(5), np.zeros((2, 40), ROW1)
    rows["p"], rows["y"], rows["weight"] = rng.random((2, 40)), rng.integers(0, 2, (2, 40)), 2.0
    rows["heat"], rows["user"] = rng.normal(0, 1, (2, 40)).astype(np.float32), rng.integers(1, 5, (2, 40))
    sums = np.array([[90.0, 80.0], [30.0, 20.0], [40.0, 50.0], [31.0, 22.0]])
    counted = np.array([45, 40], np.int64).tobytes()
    stored = Stored1(1, HEADS, 40, sums.tobytes(), counted, tuple(one.tobytes() for one in rows))
    progress = Progress.decode(msgspec.msgpack.encode(stored))
    for place, head in enumerate(HEADS):
        report = progress.report(slices=True)["heads"][head]
        y, p, user = rows["y"][place], rows["p"][place], rows["user"][place]
        assert (report["examples"], report["base_rate"]) == ((45, 40)[place], pytest.approx((1 / 3, 1 / 4)[place]))
        assert report["online"]["calibration"] == pytest.approx((31 / 30, 22 / 20)[place])
        expected = by_hand(y, p, np.full(40, 2.0), user)
        recent = {key: one for key, one in report["online"]["recent"].items() if key not in {"examples", "base_rate"}}
        assert recent == expected
        assert not any(report["slices"].values())
    assert Progress.decode(progress.encode()).encode() == progress.encode()


def test_other_bytes_are_refused() -> None:
    """Garbage and another format are a ValueError."""
    newer = msgspec.msgpack.encode((3, "unknown"))
    for data in (b"", b"\x93\x02\x02\x03", newer):
        with pytest.raises(ValueError, match="progress"):
            Progress.decode(data)
