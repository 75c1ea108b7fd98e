"""docs/learning.md says what its example prints."""

import contextlib
import io
import re
from pathlib import Path

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
