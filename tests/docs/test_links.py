"""Links within the repository lead somewhere, and no page names a machine or a registry."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "streams/*.md") for path in ROOT.glob(pattern)
)  # fmt: skip
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere within the repository."""
    found = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """A file that is not there, and a heading that is not there."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One two\n[a](gone.md) [b](#one-two) [c](page.md#three) [d](https://example.org)", encoding="utf-8"
    )
    assert broken(page) == ["gone.md", "page.md#three"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_machine(page: Path) -> None:
    """No path of somebody's machine: a reader has another."""
    assert not re.findall(r"(?<![\w.])/(?:root|home|work)/", page.read_text(encoding="utf-8"))


def test_every_decision_is_in_the_index() -> None:
    """docs/adr/README.md lists every decision, and docs/README.md every page beside it."""
    for folder in ("docs/adr", "docs"):
        index = (ROOT / folder / "README.md").read_text(encoding="utf-8")
        pages = {path.name for path in (ROOT / folder).glob("*.md")} - {"README.md"}
        assert {name for name in pages if f"({name})" not in index} == set()
