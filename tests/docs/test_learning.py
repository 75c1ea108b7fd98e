"""docs/learning.md says what its example prints."""

import contextlib
import io
import re
from pathlib import Path

from rtrec.learning.river_spec import build, is_linear
from rtrec.settings_io import load

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "learning.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_says() -> None:
    """Run as it stands; in ten lines, as its heading promises."""
    found = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert found
    code, said = found.groups()
    assert len([line for line in code.splitlines() if line]) <= 10
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/learning.md", "exec"), {})  # noqa: S102 - the page's own example
    assert printed.getvalue() == said


def test_the_pages_settings_are_in_force(tmp_path: Path) -> None:
    """River's model as the page configures it, also on a cluster."""
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "rtrec.toml"
    file.write_text(block, encoding="utf-8")
    learner = load(file, {"RTREC_KAFKA": "127.0.0.1:1", "RTREC_REDIS": "redis://127.0.0.1:1"}).learner
    assert is_linear(build(learner))
    assert type(build(learner)["LogisticRegression"].optimizer).__name__ == "Adam"
