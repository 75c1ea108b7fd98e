"""README.md keeps what it promises: its blocks are run as they stand, its proofs exist, its formats and routes are all.

A block under `<!-- test: NAME -->` is part of the script NAME, which bash runs with -e in an empty folder. What a user
has after `make install` is on the PATH; `DATA` and `PORT` are the README's own variables.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rtrec.api.app import RESOURCES
from rtrec.events.schema import TYPES
from rtrec.simulator.simulation import Simulation
from rtrec.simulator.sinks import write_lines
from rtrec.sources.formats import FORMATS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- test: (\w+) -->\n```bash\n(.*?)```", re.DOTALL)
MARK = "== end of block"
SCRIPT_S = 280
END_ALL = "trap 'jobs -p | xargs -r kill' EXIT\n"
"""A block that fails must not leave the server of an earlier one behind."""


def blocks(name: str) -> list[str]:
    return [text for of, text in BLOCK.findall(README) if of == name]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def run(name: str, folder: Path) -> list[str]:
    """What each block of a script printed. The script leads a process group, which ends with the test."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {key: value for key, value in os.environ.items() if not key.startswith("RTREC_")}
    env |= {"PATH": path, "PORT": str(free_port()), "DATA": str(folder / "data")}
    script = END_ALL + "".join(f"{block}echo; echo '{MARK}'\n" for block in blocks(name))
    child = subprocess.Popen(  # noqa: S603 - the README's own commands
        ["bash", "-e", "-c", script],  # noqa: S607 - the user's bash
        cwd=folder, env=env, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said, complaints = child.communicate(timeout=SCRIPT_S)
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    assert child.returncode == 0, f"exit code {child.returncode}\n{said}\n{complaints}"
    return said.split(MARK)[:-1]


def documents(text: str) -> Iterator[Any]:
    """The JSON documents that a text is made of."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].strip()


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return run("quickstart", tmp_path_factory.mktemp("quickstart"))


def test_the_quick_start_takes_events_and_shows_the_anchors_heat(quickstart: list[str]) -> None:
    """Ready, three events taken, and heat that is the sum of its terms, money among them."""
    ready, sent, shown, *_ = quickstart
    assert list(documents(ready)) == [{"status": "ready"}]
    assert list(documents(sent)) == [{"accepted": 3, "rejected": []}]
    (heat,) = documents(shown)
    assert heat["score"] > 10
    assert heat["rank"] == 1
    assert heat["score"] == pytest.approx(sum(term["contribution"] for term in heat["terms"]))


def test_the_quick_start_scores_and_recommends_as_its_text_says(quickstart: list[str]) -> None:
    """Both candidates in the order asked, at 0.5 each, the batch model named as missing; the live one recommended."""
    scored, recommended = documents(quickstart[3])
    assert [one["anchor_id"] for one in scored["scores"]] == ["ada", "eve"]
    assert {head["p"] for one in scored["scores"] for head in one["heads"].values()} == {0.5}
    assert scored["degraded"] == ["batch_model"]
    assert [item["anchor_id"] for item in recommended["items"]] == ["ada"]


def test_the_quick_start_bans_and_ends(quickstart: list[str]) -> None:
    """The board is empty at once; that the script ended with 0 says that the server did."""
    (board,) = documents(quickstart[4])
    assert board["anchors"] == []


def test_a_replayed_log_is_taken_shown_and_digested(tmp_path: Path) -> None:
    """20,000 simulated events: none refused, three rooms on the board, a digest of every part, no dead letter."""
    (said,) = run("replay", tmp_path)
    report, board, digest, letters = list(documents(said))[-4:]
    assert report["events"] == report["accepted"] + report["duplicates"]
    assert report["accepted"] > 0
    assert len(board["anchors"]) == 3
    assert set(digest["parts"]) == {"anchors", "users", "dedupe", "ledger", "labels", "weights"}
    assert not (letters["dead_letters"] if isinstance(letters, dict) else letters)


def test_a_log_is_evaluated_and_compared(tmp_path: Path) -> None:
    """Heat beside the model; a run for each value."""
    with (tmp_path / "events.jsonl").open("wb") as file:
        write_lines(Simulation(seed=1, viewers=100, anchors=20).events(4_000, 1_700_000_000_000), file)
    (said,) = run("evaluate", tmp_path)
    one, compared = documents(said)
    assert one["heads"]["click"].keys() >= {"online", "heat_only"}
    assert [found["settings"] for found in compared["runs"]] == [{"learner.alpha": 0.05}, {"learner.alpha": 0.1}]
    assert compared["runs"][1]["heads"] == one["heads"]


def test_what_is_set_up_first_is_the_makefiles() -> None:
    """The block before the quick start is `make install` and its environment, which is where the tests run."""
    before = README.split("<!-- test: quickstart -->")[0]
    assert before.rstrip().split("```bash\n")[-1] == "make install\nsource .venv/bin/activate\n```"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", README, re.MULTILINE)) <= targets


def test_what_proves_a_promise_exists() -> None:
    """Every path that a pytest or python command of the README names."""
    commands = re.findall(r"`(?:pytest|python) ([^`]+)`", README)
    paths = [path for command in commands for path in command.split()]
    assert len(paths) >= 8
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_every_format_and_every_event_type_is_in_the_readme() -> None:
    """A format or a type without a word about it fails here."""
    tables = "\n".join(line for line in README.splitlines() if line.startswith("| "))
    assert not [name for name in (*FORMATS, *TYPES) if f"`{name}`" not in tables]


def test_every_route_is_in_the_readme() -> None:
    """The API's resources are the README's, and the README names none that is not there."""
    table = "\n".join(line for line in README.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`(?:GET |POST |PUT |DELETE )?(/[a-z0-9/{}]+)`", table))
    served = {re.sub(r"\{[^}]+\}", "{id}", route.path) for resource in RESOURCES for route in resource.router.routes}
    assert named == served
