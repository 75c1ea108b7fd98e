"""Whatever the code offers is documented: generated pages are what the code says, and the shipped files load."""

import tomllib
from pathlib import Path

import pytest

from rtrec import docs
from rtrec.metrics import CATALOGUE
from rtrec.settings import Settings
from rtrec.settings_io import load, sections


@pytest.mark.parametrize("name", docs.PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    """A setting, feature, metric or command that changed without its page fails here."""
    written = (docs.ROOT / name).read_text(encoding="utf-8")
    assert written == docs.PAGES[name](), f"{name} differs from the code: run python -m rtrec.docs"


def test_every_setting_says_what_it_means() -> None:
    """No setting without a description: the page would have an empty cell."""
    rows = [line for line in docs.settings_page().splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(kind.__struct_fields__) for kind in sections().values())
    assert not [row for row in rows if row.endswith("|  |")]


def test_a_changed_page_is_found_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--check` says no when a file differs, and yes once it was written."""
    for folder in ("docs", "configs"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    (tmp_path / "docs/metrics.md").write_text("by hand", encoding="utf-8")
    assert docs.stale() == ["docs/metrics.md"]
    assert docs.main(["--check"]) == 1


def test_the_shipped_configuration_is_the_defaults() -> None:
    """`configs/rtrec.toml` shows every section and every setting, at its default."""
    path = docs.ROOT / "configs/rtrec.toml"
    assert load(path, {}) == Settings()
    shown = tomllib.loads(path.read_text(encoding="utf-8"))
    assert {name: set(values) for name, values in shown.items()} == {
        name: set(kind.__struct_fields__) for name, kind in sections().items()
    }


def test_the_demo_configuration_loads_and_is_short() -> None:
    """`configs/demo.toml` decides labels within seconds, or a demo of a minute would learn nothing."""
    demo = load(docs.ROOT / "configs/demo.toml", {})
    assert demo.labels.click_wait_ms <= 5_000
    assert demo.labels.lapse_ms <= 10_000
    assert demo.variants.heat_only == 0.5


def test_metric_names_are_unique_and_end_in_their_unit() -> None:
    """Two metrics of one name, or a counter without `_total`, would break a dashboard."""
    names = [metric.name for metric in CATALOGUE]
    assert len(set(names)) == len(names)
    for metric in CATALOGUE:
        assert metric.name.startswith("rtrec_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
