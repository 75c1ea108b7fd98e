"""Evaluation says what a live host would say, decides every impression, leaves nothing behind, and never peeks."""

import gzip
import json
import shutil
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from numpy.typing import NDArray

from rtrec.runtime.embedded import Embedded
from rtrec.runtime.evaluation import bench, decide_all, evaluate
from rtrec.runtime.off_policy import POLICIES, OffPolicy
from rtrec.runtime.replay import replay
from rtrec.settings import HEADS, Labels, Learner, Log, Settings
from rtrec.simulator.simulation import Simulation
from rtrec.sources.formats import open_source
from rtrec.sources.source import Source
from tests.integration.serving import eventually
from tests.unit.runtime.hosts import SETTINGS

START_MS = 1_700_000_000_000
DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
OBP = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3\n"


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real data ({name} in ../shared/data beside the repository) is absent")
    return path


@pytest.fixture(scope="module")
def whole(log: Path) -> dict[str, Any]:
    """The evaluation of that log."""
    return evaluate(SETTINGS, [events(log)])


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,000 simulated events, and two lines that are none."""
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    lines = [json.dumps(event) for event in Simulation(3, viewers=200, anchors=30).events(5_000, START_MS)]
    path.write_text("\n".join([*lines[:50], "not json", '{"event_id": "x"}', *lines[50:]]), encoding="utf-8")
    return path


def events(path: Path) -> Source:
    return open_source("events", str(path))


def test_the_figures_are_those_of_a_live_host_that_met_the_same_events(
    log: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    """To the last bit, for every head: its own thread steps, and its own tick decides what is pending at the end."""
    found = whole["heads"]
    with Embedded.open(tmp_path / "live", Settings(learner=SETTINGS.learner, log=Log(batch_events=777))) as host:
        host.append_lines(log.read_bytes().splitlines(), durable=False)
        host.start()
        live = eventually(lambda: settled(host), 60)
    assert live == {name: {key: head[key] for key in live[name]} for name, head in found.items()}
    assert min(head["examples"] for head in found.values()) > 1_000
    assert all(head["batch"] is head["blend"] is None for head in found.values())


def settled(host: Embedded) -> dict[str, Any] | None:
    """The figures that the live host shows, once no label is pending."""
    with host._turns:
        if host.lag() or len(host.journey.label.join.exposures):
            return None
        shown: dict[str, Any] = host.serving.progress(slices=False)["heads"]
        return shown if shown == host.journey.learn.progress.report()["heads"] else None  # shown once a second


def test_no_impression_is_lost_and_bad_lines_are_counted(log: Path, whole: dict[str, Any]) -> None:
    """Each impression is an example of each head; what is not configured is counted as masked."""
    report = whole
    impressions = sum(b'"type": "impression"' in line for line in log.read_bytes().splitlines())
    labels = report["labels"]
    for head in HEADS:
        decided = sum(labels.get(f"{head}/{how}", 0) for how in ("positive", "negative", "masked"))
        assert decided == impressions, head
    for head, figures in report["heads"].items():
        assert figures["examples"] == labels[f"{head}/positive"] + labels[f"{head}/negative"] == impressions
    assert [one["dead_letters"] for one in report["replays"]] == [2]
    assert sum(report["dead_letter_reasons"].values()) == 2
    assert "off_policy" not in report


@pytest.mark.parametrize("policy", get_args(get_type_hints(Labels)["policy"]))
def test_every_policy_has_every_impression_decided(log: Path, policy: str) -> None:
    """Each head ends once: positive, negative, without a label, or as the fake negative it was told as before."""
    labels = Labels(policy=policy)  # type: ignore[arg-type]
    found = evaluate(Settings(learner=SETTINGS.learner, labels=labels), [events(log)])["labels"]
    impressions = sum(b'"type": "impression"' in line for line in log.read_bytes().splitlines())
    for head in HEADS:
        ends = [found.get(f"{head}/{how}", 0) for how in ("positive", "negative", "masked", "expired")]
        assert sum(ends) == impressions, (head, ends)


def test_the_store_is_thrown_away(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the run fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    evaluate(SETTINGS, [events(log)], until_ms=START_MS + 1_000)
    with pytest.raises(ZeroDivisionError):
        evaluate(SETTINGS, [events(log)], watch=lambda source, host: 1 / 0)  # type: ignore[arg-type,return-value]  # noqa: ARG005
    assert list(tmp_path.iterdir()) == []


def test_sources_are_one_log_and_until_ms_ends_it(log: Path, whole: dict[str, Any], tmp_path: Path) -> None:
    """A log in two files is the log."""
    lines = log.read_bytes().splitlines(keepends=True)
    halves = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path, part in zip(halves, (lines[:2_000], lines[2_000:]), strict=True):
        path.write_bytes(b"".join(part))
    parted = evaluate(SETTINGS, [events(path) for path in halves])
    assert parted["heads"] == whole["heads"]
    assert [one["events"] for one in parted["replays"]] == [2_000, len(lines) - 2_000]
    short = evaluate(SETTINGS, [events(log)], until_ms=START_MS + 20_000)
    assert 0 < short["heads"]["click"]["examples"] < whole["heads"]["click"]["examples"]


def test_settings_make_the_run(log: Path, whole: dict[str, Any]) -> None:
    """Another learning rate, other figures; another wait, other labels."""
    base, other = whole["heads"]["click"], Settings(learner=Learner(slots_log2=10, alpha=0.5))
    faster = evaluate(other, [events(log)])["heads"]["click"]
    sooner = evaluate(Settings(learner=SETTINGS.learner, labels=Labels(click_wait_ms=500)), [events(log)])["heads"]
    assert faster["base_rate"] == base["base_rate"]
    assert faster["online"]["ne"] != base["online"]["ne"]
    assert sooner["click"]["base_rate"] < base["base_rate"]


@pytest.fixture
def gifts(tmp_path: Path) -> Path:
    """The first 2,000 of GDQ's gifts, with their runs."""
    folder = real("gdq")
    with gzip.open(folder / "gifts_2012_2016.csv.gz", "rb") as file:
        (tmp_path / "gifts_2012_2016.csv.gz").write_bytes(gzip.compress(b"".join(islice(file, 2_001))))
    shutil.copy(folder / "runs_2012_2016.csv", tmp_path)
    return tmp_path


def test_logs_without_impressions_are_taken_and_have_no_examples(gifts: Path) -> None:
    """GDQ's gifts, Twitch's views: figures that are not defined are None, what waited for an impression is counted."""
    for name, folder in (("gdq", gifts), ("twitch", real("twitch_2015"))):
        report = evaluate(SETTINGS, [open_source(name, str(folder))])
        assert report["replays"][0]["accepted"] == report["replays"][0]["events"] > 2_000
        click = report["heads"]["click"]
        assert (click["examples"], click["base_rate"], click["online"]["auc"]) == (0, None, None)
        assert sum(report["labels"].values()) == report["labels"]["orphaned"] > 1_000


# What the learnt policy would have shown


@pytest.fixture
def bandit(tmp_path: Path) -> Path:
    """600 rows, a minute apart: five items shown alike often, the fifth is clicked by half of those who see it."""
    rng = np.random.default_rng(1)
    items = rng.integers(0, 5, 600)
    clicked = rng.random(600) < np.where(items == 4, 0.5, 0.05)
    path = tmp_path / "log.csv"
    path.write_text(OBP + "".join(row(k, int(items[k]), int(clicked[k])) for k in range(600)))
    return path


def row(number: int, item: int, click: int) -> str:
    at = f"2019-11-24 {number // 60:02}:{number % 60:02}:00+00:00"
    return f"{number},{at},{item},1,{click},0.2,a,b,c,u{number % 7}\n"


def weights(path: Path) -> NDArray[np.float64]:
    """Each row's weights under each policy."""
    with bench(SETTINGS) as host:
        off_policy = OffPolicy(host)
        replay(host, open_source("obp", str(path)), parts=off_policy.parts)
        decide_all(host)
        return off_policy.weights()


def test_a_policy_that_learns_earns_more_than_the_one_that_showed(bandit: Path) -> None:
    """Greedy comes to show the fifth item: its truth is near 0.5, what was shown earned 0.14."""
    found = evaluate(SETTINGS, [open_source("obp", str(bandit))])["off_policy"]
    rates = {name: one["rate"] for name, one in found["policies"].items()}
    clicks = sum(line.split(",")[4] == "1" for line in bandit.read_text().splitlines()[1:])
    assert (found["rows"], found["items"], found["skipped"]) == (600, 5, 0)
    assert found["logging"]["rate"] == pytest.approx(clicks / 600)
    assert rates["uniform"] == pytest.approx(clicks / 600, rel=0.1)
    assert rates["greedy"] > 2.5 * rates["uniform"]
    assert rates["greedy"] >= rates["softmax"] > rates["uniform"]
    assert found["policies"]["greedy"]["effective_rows"] < 200 < found["policies"]["uniform"]["effective_rows"]


@pytest.mark.parametrize("changed", [300, 599])
def test_no_weight_knows_of_its_own_reward_or_of_what_comes_later(bandit: Path, changed: int) -> None:
    """All rewards from a row on turned round: every weight up to and with that row stands, later ones move."""
    before = weights(bandit)
    head, *rows = bandit.read_text().splitlines(keepends=True)
    turned = [",".join([*one.split(",")[:4], str(1 - int(one.split(",")[4])), *one.split(",")[5:]]) for one in rows]
    bandit.write_text(head + "".join(rows[:changed] + turned[changed:]))
    after = weights(bandit)
    assert np.array_equal(before[: changed + 1], after[: changed + 1])
    moved = ~np.isclose(before, after).all(axis=1)
    assert moved[changed + 6 :].any() == (changed < 599), "five minutes and six rows later the policy has learned"


def test_weights_are_chances_over_what_was_shown_before(bandit: Path) -> None:
    """The first row of an item has weight 0; uniform gives each item seen the same; no weight beyond 1 / propensity."""
    items = [line.split(",")[2] for line in bandit.read_text().splitlines()[1:]]
    found = weights(bandit)
    seen: list[str] = []
    for k, item in enumerate(items):
        expected = 5.0 / len(seen) if item in seen else 0.0
        assert found[k, POLICIES.index("uniform")] == pytest.approx(expected)
        assert (found[k] == 0).all() or item in seen
        seen += [] if item in seen else [item]
    assert found.max() <= 5.0


def test_rows_without_propensity_are_skipped_and_counted(bandit: Path) -> None:
    bandit.write_text(bandit.read_text().replace(",0.2,a,b,c,u3", ",0.0,a,b,c,u3"))
    found = evaluate(SETTINGS, [open_source("obp", str(bandit))])["off_policy"]
    assert found["skipped"] == sum(k % 7 == 3 for k in range(600)) == 600 - found["rows"]


def test_without_the_head_click_there_is_no_such_estimate(bandit: Path) -> None:
    settings = Settings(learner=SETTINGS.learner, labels=Labels(heads=("gift",)))
    report = evaluate(settings, [open_source("obp", str(bandit))])
    assert list(report["heads"]) == ["gift"]
    assert "off_policy" not in report


def test_real_open_bandit_rows() -> None:
    """The first day of the uniform log: what was observed lies in what is estimated for a uniform policy."""
    source = open_source("obp", str(real("open_bandit/random_men.csv.gz")))
    report = evaluate(SETTINGS, [source], until_ms=1_574_553_793_442 + 57_600_000)
    found, click = report["off_policy"], report["heads"]["click"]
    assert found["rows"] == click["examples"] > 900
    uniform = found["policies"]["uniform"]
    assert uniform["low"] <= found["logging"]["rate"] <= uniform["high"]
    assert found["policies"]["greedy"]["effective_rows"] < found["policies"]["softmax"]["effective_rows"]
    assert click["base_rate"] == found["logging"]["rate"]
