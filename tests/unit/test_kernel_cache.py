"""No test runs a kernel that was compiled from other code than stands in the files."""

import os
from pathlib import Path

import pytest

from tests.conftest import SOURCES, drop_stale_kernels, kernel_files


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A kernel with its cache of time 100; a file it imports, and one it does not, both older."""
    (tmp_path / "__pycache__").mkdir()
    for name, text in {
        "kernel.py": "from numba import njit\nfrom rtrec.constants import ONE\n",
        "constants.py": "ONE = 1\n",
        "other.py": "",
        "__pycache__/kernel.run-1.py311.nbi": "",
        "__pycache__/kernel.run-1.py311.1.nbc": "",
    }.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (100, 100) if "cache" in name else (50, 50))
    return tmp_path


@pytest.mark.parametrize(("changed", "dropped"), [("kernel.py", 2), ("constants.py", 2), ("other.py", 0)])
def test_a_kernels_cache_goes_when_what_it_is_made_of_changes(sources: Path, changed: str, dropped: int) -> None:
    os.utime(sources / changed, (150, 150))
    assert len(drop_stale_kernels(sources)) == dropped
    assert len(list(sources.glob("__pycache__/*.nb?"))) == 2 - dropped


def test_an_untouched_cache_stays(sources: Path) -> None:
    assert drop_stale_kernels(sources) == []


def test_what_heats_kernel_is_made_of_is_found() -> None:
    """The kernels it calls, and the table whose constants it uses."""
    found = {path.relative_to(SOURCES).as_posix() for path in kernel_files(SOURCES)}
    assert {"stages/heat_kernel.py", "features/anchor_update.py", "features/anchor_table.py"} <= found
