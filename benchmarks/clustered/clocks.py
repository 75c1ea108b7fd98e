"""What a measured stretch of work took: seconds by the wall's clock, and processor seconds by process.

`others` is the time of processors that nobody of us used and that was not idle: how quiet the machine was.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Final

TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def busy_s() -> float:
    """Processor seconds that all of the machine worked so far, stolen time with it."""
    first = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, interrupt, soft, steal = map(int, first[:8])
    return (user + nice + system + interrupt + soft + steal) * TICK_S


class Clock:
    """Runs from when it is made. pids: the processes to account for, by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = {**pids, "bench": os.getpid()}
        self._cpu = {name: cpu_s(pid) for name, pid in self._pids.items()}
        self._busy = busy_s()
        self._began = perf_counter()

    def stop(self, events: int) -> dict[str, Any]:
        """Figures of a stretch that took so many events."""
        wall = perf_counter() - self._began
        used = {name: cpu_s(pid) - self._cpu[name] for name, pid in self._pids.items()}
        others = busy_s() - self._busy - sum(used.values())
        return {
            "events_per_s": round(events / wall),
            "seconds": round(wall, 2),
            "cpu_us_per_event": {name: round(1e6 * one / events, 2) for name, one in used.items()},
            "cores": {**{name: round(one / wall, 2) for name, one in used.items()},
                      "others": round(max(others, 0.0) / wall, 2)},
        }  # fmt: skip
