"""The installed `rtrec` command as a subprocess, kept from the caller's settings."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TIMEOUT_S = 300


def argv(*arguments: str | Path) -> list[str]:
    """The command line of `rtrec ARGUMENTS`, of the environment that runs the tests."""
    return [str(Path(sys.executable).with_name("rtrec")), *map(str, arguments)]


def environment() -> dict[str, str]:
    """The environment of this process without `RTREC_…` variables: they would be settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RTREC_")}


def rtrec(*arguments: str | Path, cwd: Path) -> dict[str, Any]:
    """Run to its end, insist on exit code 0 and one JSON document on stdout, and return that."""
    done = subprocess.run(  # noqa: S603 - our own command
        argv(*arguments), check=False, cwd=cwd, env=environment(), capture_output=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, f"{arguments} exited {done.returncode}: {done.stderr.decode()[-2_000:]}"
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def folder_bytes(folder: Path) -> int:
    """The size of everything in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
