"""Commands: options that are wrong are exit code 2 and say so; help comes without loading the runtime."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rtrec.cli import main
from rtrec.cli.replay import progress, speed_of, summed

HEAVY = ("numba", "numpy", "fastapi", "uvicorn", "scipy", "rtrec.runtime.embedded")


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "command", ["", "show", "show anchor", "hot", "digest", "deadletters list", "config show", "up"]
)
def test_help_loads_nothing_heavy(command: str) -> None:
    """`rtrec --help` and a command's help are there at once."""
    code = (
        "import sys; from rtrec.cli import main\n"
        f"try: main({[*command.split(), '--help']!r})\n"
        f"finally: print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.startswith("Usage:")
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("nonsense", "No such command"),
        ("show anchor a1", "--data"),
        ("show anchor a1 --data absent", "absent"),
        ("show anchor a1 --data .", "holds no rtrec data"),
        ("hot --data . --n 0", "--n"),
        ("hot --data . --at-ms 5", "--at-ms"),
        ("replay --data d", "SOURCE"),
        ("replay x --data d --format nonsense", "nonsense"),
        ("replay x --data d --speed 0", "max or a number above 0"),
        ("replay x --data d --speed nan", "max or a number above 0"),
        ("deadletters requeue --data .", "name offsets, or give --all"),
        ("deadletters requeue 1 --all --data .", "name offsets, or give --all"),
        ("up --data d --host 0.0.0.0", "no keys yet"),
        ("up --data d --host example.org", "no keys yet"),
        ("up --data d --port 70000", "--port"),
        ("hot --data . --config absent.toml", "absent.toml: cannot be read"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_why(arguments: str, word: str) -> None:
    done = CliRunner().invoke(main, arguments.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert word in " ".join(done.stderr.split())


def test_wrong_usage_leaves_no_folder_behind(tmp_path: Path) -> None:
    for arguments in ("up --data d --host 0.0.0.0", "replay absent.jsonl --data d"):
        assert CliRunner().invoke(main, arguments.split()).exit_code in {1, 2}
    assert list(tmp_path.iterdir()) == []


def test_settings_with_faults_are_exit_code_2_with_every_fault(tmp_path: Path) -> None:
    (tmp_path / "rtrec.toml").write_text("[heat]\nhalf_life = '2m'\n[log]\nkeep_ms = -1\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["hot", "--data", "."])
    assert done.exit_code == 2
    assert "heat.half_life: expected one of" in done.stderr
    assert "log.keep_ms: expected an integer" in done.stderr


def test_config_check_says_every_fault_as_data(tmp_path: Path) -> None:
    assert json.loads(CliRunner().invoke(main, ["config", "check"]).stdout) == {"ok": True, "faults": []}
    file = tmp_path / "mine.toml"
    file.write_text("[heat]\nhalf_life = '2m'\nlease = 1\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["config", "check", "--config", str(file), "--json"])
    assert done.exit_code == 2
    report = json.loads(done.stdout)
    assert not report["ok"]
    assert len(report["faults"]) == 2


def test_config_show_is_a_configuration_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in force, from file and environment, as TOML that gives the same; as JSON with --json."""
    monkeypatch.setenv("RTREC_HEAT_HALF_LIFE", "1h")
    shown = CliRunner().invoke(main, ["config", "show"]).stdout
    monkeypatch.delenv("RTREC_HEAT_HALF_LIFE")
    (tmp_path / "rtrec.toml").write_text(shown, encoding="utf-8")
    assert CliRunner().invoke(main, ["config", "show"]).stdout == shown
    as_json = json.loads(CliRunner().invoke(main, ["config", "show", "--json"]).stdout)
    assert as_json["heat"]["half_life"] == "1h"


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("0.5", 0.5), ("1e3", 1_000.0)])
def test_a_speed_is_max_or_a_factor(text: str, speed: float | None) -> None:
    command = click.Command("replay")
    assert speed_of(click.Context(command), click.Option(["--speed"]), text) == speed


def test_reports_of_several_sources_add_up() -> None:
    nothing = {"events": 0, "accepted": 0, "rejected": 0, "duplicates": 0, "dead_letters": 0, "seconds": 1.0}
    empty = nothing | {"first_ts_ms": None, "last_ts_ms": None, "events_per_second": 0.0}
    some = {"events": 6, "accepted": 3, "rejected": 2, "duplicates": 1, "dead_letters": 2, "seconds": 2.0}
    full = some | {"first_ts_ms": 5, "last_ts_ms": 9, "events_per_second": 3.0}
    assert summed([empty]) == empty
    assert summed([full, empty, full | {"first_ts_ms": 7, "last_ts_ms": 11}]) == {
        "events": 12, "accepted": 6, "rejected": 4, "duplicates": 2, "dead_letters": 4,
        "first_ts_ms": 5, "last_ts_ms": 11, "seconds": 5.0, "events_per_second": 2.4,
    }  # fmt: skip


def test_progress_is_a_line_every_few_seconds_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 1.0, 5.0, 6.0, 20.0])
    tick: Callable[[], float] = lambda: next(clock)  # noqa: E731 - a clock of five moments
    monkeypatch.setattr("rtrec.cli.replay.time.monotonic", tick)
    with progress("x.jsonl") as told:
        for done in (10, 100, 150, 2_000):
            told(done)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["x.jsonl: 100 events, 20/s", "x.jsonl: 2,000 events, 100/s"]
