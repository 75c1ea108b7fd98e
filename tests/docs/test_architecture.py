"""ARCHITECTURE.md is true: what it names exists, and what exists in its lists is named."""

import re
import tomllib
from pathlib import Path
from typing import Any

from rtrec.runtime.folder import TOPICS
from rtrec.runtime.journey import OWNERS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "rtrec"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PATH = re.compile(r"`((?:\w[\w.]*/)+(?:\w[\w.]*)?|\w+\.py)`")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(title: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", section(title), re.MULTILINE)


def contract(kind: str) -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: list[dict[str, Any]] = project["tool"]["importlinter"]["contracts"]
    return next(one for one in contracts if one["type"] == kind)


def test_every_file_and_folder_it_names_exists() -> None:
    named = set(PATH.findall(PAGE))
    assert len(named) > 50
    assert sorted(name for name in named if not (ROOT / name).exists() and not (SOURCES / name).exists()) == []


def test_a_wrong_name_would_be_found() -> None:
    """The pattern sees files, folders and modules of the top."""
    assert PATH.findall("`runtime/gone.py` `gone/` `gone.py` `tests/docs/gone.py` `events`") == [
        "runtime/gone.py", "gone/", "gone.py", "tests/docs/gone.py",
    ]  # fmt: skip


def test_its_layers_are_the_enforced_ones() -> None:
    """Line by line what import-linter checks."""
    enforced = contract("layers")["layers"]
    assert section("Layers").split("```layers\n")[1].split("```")[0].splitlines() == enforced


def test_the_pure_packages_are_the_enforced_ones() -> None:
    forbidden = contract("forbidden")["source_modules"]
    sentence = re.search(r"^(`[^.]*) are pure", section("Layers"), re.MULTILINE)
    assert sentence
    assert {f"rtrec.{name}" for name in re.findall(r"`(\w+)`", sentence[1])} == set(forbidden)


def test_every_package_is_mentioned() -> None:
    """Outside the list of layers: with a word about it, or a file of it."""
    text = PAGE.replace(section("Layers").split("```layers\n")[1].split("```")[0], "")
    packages = [path.parent.name for path in SOURCES.glob("*/__init__.py")]
    modules = [path.name for path in SOURCES.glob("*.py") if path.stem != "__init__"]
    assert [name for name in packages if f"`{name}/" not in text] == []
    assert [name for name in modules if f"`{name}`" not in text] == []


def test_every_stage_has_its_file() -> None:
    """A stage that the journey does not show would be a secret."""
    stages = {owner.stage for owner in OWNERS}
    assert [stage for stage in stages if f"`stages/{stage}.py`" not in PAGE] == []


def test_topics_are_the_folders() -> None:
    assert first_cells("Topics") == list(TOPICS)


def test_owners_are_the_journeys() -> None:
    assert first_cells("Owners") == [str(owner) for owner in OWNERS]


def test_a_mechanism_lives_in_one_file() -> None:
    """One file a row, none twice."""
    rows = [line for line in section("Mechanisms, and the one file each lives in").splitlines() if line.endswith("` |")]
    files = [PATH.findall(row) for row in rows]
    assert all(len(found) == 1 for found in files)
    assert len({found[0] for found in files}) == len(files)
