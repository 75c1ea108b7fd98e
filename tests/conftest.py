"""What all tests share: the size they run at, and kernels that are what the code says.

`RTREC_SOAK=1` (`make soak`) runs the named sizes; without it, tests marked `soak` are skipped and Hypothesis
draws fewer examples.
"""

import os
import re
from pathlib import Path

import pytest
from hypothesis import settings

from tests.services import (  # noqa: F401 - pytest finds fixtures by their names here
    certificates,
    isolated_services,
    kafka,
    namespace,
    redis_cluster_url,
    redis_url,
    service_session,
)

SOAK = bool(os.environ.get("RTREC_SOAK"))
SOURCES = Path(__file__).resolve().parents[1] / "src" / "rtrec"

# No deadline: two cores that others share, and the first call of a kernel compiles it.
settings.register_profile("reduced", deadline=None, max_examples=50)
settings.register_profile("soak", deadline=None, max_examples=1_000)
settings.load_profile("soak" if SOAK else "reduced")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SOAK:
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="named size: runs with RTREC_SOAK=1 (make soak)"))


def pytest_sessionstart() -> None:
    """Before anything imports a kernel."""
    drop_stale_kernels(SOURCES)


def drop_stale_kernels(sources: Path) -> list[Path]:
    """Delete compiled kernels older than the newest file that kernels are made of, and name them.

    Numba's cache looks at the file of a kernel alone: one that calls another file's kernel, or uses its constants,
    goes on with what they were when it was compiled.
    """
    cached = [path for kind in ("*.nbi", "*.nbc") for path in sources.rglob(f"__pycache__/{kind}")]
    newest = max((path.stat().st_mtime for path in kernel_files(sources)), default=0.0)
    stale = [path for path in cached if path.stat().st_mtime < newest]
    for path in stale:
        path.unlink(missing_ok=True)
    return stale


def kernel_files(sources: Path) -> set[Path]:
    """The files that use njit, and what of ours they import."""
    texts = {path: path.read_text(encoding="utf-8") for path in sources.rglob("*.py")}
    kernels = {path for path, text in texts.items() if "njit" in text}
    modules = {
        name for path in kernels for name in re.findall(r"^from rtrec\.([\w.]+) import", texts[path], re.MULTILINE)
    }
    return kernels | {path for name in modules if (path := sources / f"{name.replace('.', '/')}.py") in texts}
