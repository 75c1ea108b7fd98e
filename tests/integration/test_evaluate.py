"""`rtrec evaluate` for real: simulated logs, packed and piped, tables for people, combinations side by side, obp."""

import gzip
import io
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zstandard
from click.testing import CliRunner, Result
from rich.console import Console

from rtrec.cli import main
from rtrec.cli.evaluate import comparison
from tests.integration.serving import RTREC, environment
from tests.replay.gdq import FOLDER as GDQ

TIMEOUT_S = 180
STANDARD = {"logloss", "ne", "auc", "gauc", "calibration"}
BANDIT = GDQ.parent / "open_bandit" / "random_men.csv.gz"


def run(*arguments: str | Path, stdin: bytes = b"") -> Result:
    """A command in this process, where kernels are loaded once; a fault that is not said is raised."""
    return CliRunner(env={"RTREC_LEARNER_ALPHA": None}, catch_exceptions=False).invoke(
        main, list(map(str, arguments)), input=stdin
    )


def document(*arguments: str | Path, stdin: bytes = b"") -> Any:
    done = run(*arguments, stdin=stdin)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,000 simulated events, and a line that is none."""
    path = tmp_path_factory.mktemp("evaluate") / "events.jsonl"
    assert run("simulate", "--events", "6000", "--seed", "5", "--to", path).exit_code == 0
    with path.open("ab") as file:
        file.write(b"not json\n")
    return path


@pytest.fixture(scope="module")
def whole(log: Path) -> Any:
    return document("evaluate", log, "--json")


def test_a_simulated_log_has_figures_in_the_contracts_shape(log: Path, whole: Any) -> None:
    """Clicks by taste are predicted better than heat ranks them; the bad line is a dead letter; nothing stays."""
    assert list(whole["heads"]) == ["click", "long_view", "gift"]
    for head in whole["heads"].values():
        assert head.keys() >= {"examples", "base_rate", "online", "batch", "blend", "heat_only"}
        assert head["online"].keys() >= STANDARD
        assert "auc" in head["heat_only"]
    click = whole["heads"]["click"]
    assert click["online"]["auc"] > click["heat_only"]["auc"]
    assert click["examples"] == whole["labels"]["click/positive"] + whole["labels"]["click/negative"] > 1_000
    assert (whole["events"], whole["accepted"], whole["dead_letters"]) == (6_001, 6_000, 1)
    assert sum(whole["dead_letter_reasons"].values()) == 1
    assert whole["events_per_second"] > 0
    assert list(log.parent.iterdir()) == [log]


@pytest.mark.parametrize("way", ["gz", "zst"])
def test_a_packed_log_is_the_same_log(log: Path, whole: Any, tmp_path: Path, way: str) -> None:
    plain, packed = log.read_bytes(), tmp_path / f"log.jsonl.{way}"
    packed.write_bytes(gzip.compress(plain) if way == "gz" else zstandard.compress(plain))
    assert document("evaluate", packed)["heads"] == whole["heads"]


def test_standard_input_is_a_source(log: Path, whole: Any, tmp_path: Path) -> None:
    with log.open("rb") as stdin:
        done = subprocess.run(  # noqa: S603 - our own command
            [*RTREC, "evaluate", "-"], cwd=tmp_path, env=environment(), stdin=stdin, capture_output=True,
            timeout=TIMEOUT_S, check=True,
        )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["heads"], found["labels"]) == (whole["heads"], whole["labels"])


@pytest.fixture(scope="module")
def runs(log: Path) -> Any:
    """Two settings of the learner, one of the labels, over standard input."""
    compared = ("--compare", "learner.alpha=0.05,0.1", "--compare", "labels.click_wait_ms=60000")
    return document("evaluate", "-", *compared, "--json", stdin=log.read_bytes())["runs"]


def test_combinations_are_each_a_run_of_their_own(runs: Any, whole: Any) -> None:
    """The run with the defaults' values is the run without --compare."""
    assert [tuple(one["settings"].values()) for one in runs] == [(0.05, 60_000), (0.1, 60_000)]
    assert runs[1]["heads"] == whole["heads"] != runs[0]["heads"]
    assert [one["events"] for one in runs] == [6_001, 6_001]


def test_a_person_gets_one_row_for_each_combination(runs: Any) -> None:
    """A column for each of NE, AUC and calibration of each head."""
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(comparison(runs))
    shown = console.export_text().splitlines()
    rows = [[cell.strip() for cell in row.split("│")[1:-1]] for row in shown if row.startswith("│")]
    assert [row[:2] for row in rows] == [["0.05", "60,000"], ["0.1", "60,000"]]
    assert [row[2:] for row in rows] == [
        [
            f"{one['heads'][head]['online'][figure]:.3f}"
            for head in one["heads"]
            for figure in ("ne", "auc", "calibration")
        ]
        for one in runs
    ]


def on_a_terminal(*arguments: str, cwd: Path) -> str:
    """What a person sees, on a terminal of 120 columns."""
    screen, child = pty.openpty()
    done = subprocess.Popen(  # noqa: S603 - our own command
        [*RTREC, *arguments], cwd=cwd, env=environment(COLUMNS="120", TERM="dumb"), stdout=child,
        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            shown += os.read(screen, 65_536)
        except OSError:  # the other side is closed
            break
    os.close(screen)
    assert done.wait(TIMEOUT_S) == 0
    return shown.decode()


def test_a_terminal_gets_heat_beside_the_model(log: Path) -> None:
    rows = on_a_terminal("evaluate", log.name, cwd=log.parent).splitlines()
    place = next(k for k, row in enumerate(rows) if row.startswith("│ click "))
    assert "AUC" in rows[place - 2]
    assert rows[place + 1].startswith("│ · heat_only")
    assert any("click/positive" in row for row in rows)


def test_progress_is_told_on_stderr_with_the_current_figures(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line every few seconds: here after every batch."""
    monkeypatch.setattr("rtrec.cli.replay.LINE_EVERY_S", 0.0)
    done = run("evaluate", log, "--json")
    said = done.stderr.splitlines()[-1]
    assert "6,001 events" in said
    assert "click ne 0." in said
    assert json.loads(done.stdout)["events"] == 6_001


@pytest.mark.parametrize("more", [(), ("--compare", "learner.alpha=0.1,0.2")])
def test_an_absent_source_is_exit_code_1(more: tuple[str, ...]) -> None:
    done = run("evaluate", "absent.jsonl", *more)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "absent.jsonl" in done.stderr


def test_open_bandit_rows_end_to_end(tmp_path: Path) -> None:
    """The first hours of the uniform log; a replay takes them as well."""
    if not BANDIT.is_file():
        pytest.skip("the real data (../shared/data beside the repository) is absent")
    until = ("--until-ms", "1574582400000")
    found = document("evaluate", BANDIT, "--format", "obp", *until, "--json")
    rows = found["heads"]["click"]["examples"]
    assert 200 < rows < 3_000
    assert found["dead_letters"] == found["duplicates"] == 0
    estimate = found["off_policy"]
    assert (estimate["rows"], estimate["items"], estimate["estimator"]) == (rows, 34, "snips")
    logging = estimate["logging"]
    assert logging["rate"] == found["heads"]["click"]["base_rate"]
    assert logging["low"] < logging["rate"] < logging["high"]
    for policy in ("uniform", "softmax", "greedy"):
        one = estimate["policies"][policy]
        assert one["low"] <= one["rate"] <= one["high"]
        assert 0 < one["effective_rows"] <= rows
    replayed = document("replay", BANDIT, "--format", "obp", *until, "--data", tmp_path / "d")
    assert replayed["accepted"] == found["accepted"]
