"""Whether a stage's process is well, for whoever looks after it: a file that is touched while it is.

Rules
-----
- A stage has no port. Its event loop touches the file that RTREC_HEALTH_FILE names once a second, unless one of its
  workers has been in trouble for longer than `TROUBLE_S`: a store or broker that restarts makes no process unwell.
- `python -m rtrec.runtime.cluster.health` asks: exit code 0 if the file is younger than `FRESH_S`, else 1 and why. A
  loop that hangs, a process that is gone and one that waits for its broker at the start all let the file grow old.
- A process without partitions is well: it waits for somebody else's.
- It is the check of a readiness probe. What stands still begins anew by itself (`watchdog`); who restarts what waits
  for a broken Redis only adds to the load of its coming back.
"""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

VARIABLE: Final = "RTREC_HEALTH_FILE"
TROUBLE_S: Final = 30.0
FRESH_S: Final = 10.0


class Working(Protocol):
    """What is asked of a worker: what it is in trouble with, if it is."""

    trouble: str | None


class Health:
    """One process's; see the module."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._file = Path(environ[VARIABLE]) if environ.get(VARIABLE) else None
        self._troubled: dict[Working, float] = {}

    def beat(self, workers: Iterable[Working]) -> None:
        """The loop turns; touch the file if its workers are well."""
        now_s = time.monotonic()
        self._troubled = {one: self._troubled.get(one, now_s) for one in workers if one.trouble is not None}
        if self._file is not None and all(now_s - since_s <= TROUBLE_S for since_s in self._troubled.values()):
            self._file.touch()


def fault(file: Path) -> str | None:
    """What is wrong with the process that touches a file; None if nothing is."""
    try:
        age_s = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return f"{file} is not there: the stage has not begun to work"
    return f"{file} is {age_s:.0f} s old: the stage is in trouble or hangs; see its log" if age_s > FRESH_S else None


def main(environ: Mapping[str, str]) -> str | None:
    """Ask; what is wrong, if anything is."""
    file = environ.get(VARIABLE)
    return fault(Path(file)) if file else f"{VARIABLE} must name the file that the stage touches"


if __name__ == "__main__":
    sys.exit(main(os.environ))
