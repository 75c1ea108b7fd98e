"""`rtrec mapping check` shows what each line becomes, and its exit code says whether all of them become something."""

import gzip
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import zstandard
from click.testing import CliRunner, Result

from rtrec.cli import main
from rtrec.cli.mapping import _shown, checked
from rtrec.events.mapping_table import read_mapping
from rtrec.mapping_io import load_mapping
from rtrec.settings_io import load

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "configs/mappings/example.toml"
SAMPLE = ROOT / "configs/mappings/example.jsonl"
PAGE = (ROOT / "docs/mappings.md").read_text(encoding="utf-8")


def check(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["mapping", "check", *map(str, arguments)])


def sample(folder: Path, text: bytes) -> Path:
    path = folder / "sample.jsonl"
    path.write_bytes(text)
    return path


def report(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def good_lines() -> bytes:
    """The example's lines but the two that are refused."""
    return b"".join(SAMPLE.read_bytes().splitlines(keepends=True)[:7])


def test_the_example_shows_an_event_an_ignored_line_and_both_kinds_of_refusal() -> None:
    done = check(EXAMPLE, SAMPLE)
    assert done.exit_code == 3
    found = report(done)
    assert found["counts"] == {"lines": 9, "accepted": 6, "ignored": 1, "refused": 2}
    assert [one["line"] for one in found["lines"]] == list(range(1, 10))
    assert found["lines"][3] == {
        "line": 4,
        "outcome": "accepted",
        "event": {
            "event_id": "shop:4", "type": "gift", "ts_ms": 1_712_345_673_500, "anchor_id": "ada", "user_id": "7",
            "surface": "app", "value": 1_999, "count": 3, "txn_id": "o5-1",
        },
    }  # fmt: skip
    assert found["lines"][1] == {"line": 2, "outcome": "ignored"}
    assert found["lines"][4]["event"]["reversal_of"] == found["lines"][3]["event"]["txn_id"]
    by_mapping, by_event = found["lines"][7:]
    assert (by_mapping["by"], by_event["by"]) == ("mapping", "event")
    assert by_mapping["reason"].startswith("gift.value: expected an integer from payload.items[0].price × 100")
    assert by_event["reason"] == "view_end.watch_ms: expected an integer from 0 to 86400000, got 90000000"
    assert by_event["event"]["event_id"] == "shop:9"


def test_lines_that_all_become_something_are_exit_code_0() -> None:
    """From standard input, as a consumer of the topic would be piped into it."""
    command = [sys.executable, "-m", "rtrec.cli", "mapping", "check", str(EXAMPLE), "-"]
    done = subprocess.run(command, input=good_lines(), capture_output=True, check=True)  # noqa: S603 - ours
    found = json.loads(done.stdout)
    assert found["ok"]
    assert found["counts"] == {"lines": 7, "accepted": 6, "ignored": 1, "refused": 0}


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gz", "zst"])
def test_a_packed_sample_is_read_by_its_name(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / f"sample.{'gz' if pack is gzip.compress else 'zst'}"
    path.write_bytes(pack(SAMPLE.read_bytes()))
    assert report(check(EXAMPLE, path)) == report(check(EXAMPLE, SAMPLE))


def test_hostile_lines_are_refused_each_with_its_reason(tmp_path: Path) -> None:
    """Also one far beyond the bound, which is never held whole."""
    lines = [b"{", b"[]", b'"\xff"', b'{"kind": "' + b"x" * 3_000_000 + b'"}', b'{"id": "\\ud800", "kind": "followed"}']
    done = check(EXAMPLE, sample(tmp_path, b"\n".join(lines)))
    assert done.exit_code == 3
    reasons = [one["reason"].split(":")[0] for one in report(done)["lines"]]
    assert reasons == ["message", "message", "message", "message", "follow.event_id"]
    assert report(done)["lines"][3]["reason"] == "message: expected at most 65536 bytes, got 3000012"


def test_every_line_is_counted_and_the_first_of_either_kind_are_shown(tmp_path: Path) -> None:
    """A late refusal is shown though a thousand good lines came before it."""
    text = good_lines() * 50 + b"{}\n" * 5
    found = report(check(EXAMPLE, sample(tmp_path, text), "--limit", 3))
    assert found["counts"] == {"lines": 355, "accepted": 300, "ignored": 50, "refused": 5}
    assert [one["line"] for one in found["lines"]] == [1, 2, 3, 351, 352, 353]


def test_people_read_lines_and_the_counts() -> None:
    text = list(_shown(checked(load_mapping(EXAMPLE), str(SAMPLE), 2)))
    assert text[0].startswith('     1  {"event_id":"shop:1","type":"live_start"')
    assert text[1] == "     2  ignored"
    assert text[2].startswith("     8  refused by the mapping: gift.value: expected")
    assert text[3].startswith("     9  refused by the checks of an event: view_end.watch_ms: ")
    assert text[4] == "9 lines, 6 accepted, 1 ignored, 2 refused; 5 not shown"


def test_a_faulty_mapping_is_exit_code_2_with_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[type]\nconst = "gft"\n[time]\npath = "at"\nunit = "m"\n[fields]\nid = "x"\n', encoding="utf-8")
    done = check(path, SAMPLE)
    assert done.exit_code == 2
    assert not report(done)["ok"]
    places = [fault.removeprefix(f"{path}: ").split(":")[0] for fault in report(done)["faults"]]
    assert places == ["type.const", "time.unit", "fields.id"]


@pytest.mark.parametrize("content", [b"[type", b"\xff\xfe", b"a = 1\na = 2", b"a = " + b"[" * 100_000, None])
def test_a_file_that_is_no_toml_or_not_there_is_one_fault(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    done = check(path, SAMPLE)
    assert done.exit_code == 2
    [fault] = report(done)["faults"]
    assert fault.startswith(f"{path}: ")


def test_a_sample_that_is_not_there_is_a_failure_at_run_time() -> None:
    done = check(EXAMPLE, "absent.jsonl")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "absent.jsonl: no such file" in done.stderr


def test_a_check_loads_nothing_heavy() -> None:
    """A mapping is checked where there is no numba cache yet, without waiting for one."""
    code = (
        "import sys; from rtrec.cli import main\n"
        f"try: main(['mapping', 'check', {str(EXAMPLE)!r}, {str(SAMPLE)!r}])\n"
        "finally: print(sorted({'numba', 'numpy', 'fastapi'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert (done.returncode, done.stderr.strip()) == (3, "[]")


def test_the_mappings_that_the_page_shows_are_sound(tmp_path: Path) -> None:
    shown = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    for text in shown:
        read_mapping(tomllib.loads(text))
    [settings] = re.findall(r"^```\n(\[cluster\]\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "rtrec.toml"
    path.write_text(settings, encoding="utf-8")
    assert load(path, {}).cluster.sources["shop"] == "configs/mappings/example.toml"
