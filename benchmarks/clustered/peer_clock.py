"""A peer's clock: it starts when the warm-up is counted, and ends the process, with a JSON line, when all is.

It stands alone: peers run in environments that have nothing of ours.
"""

import json
import os
import sys
import time


class Clock:
    """Counts events that are in Redis."""

    def __init__(self) -> None:
        self._warm, self._wanted = int(os.environ["PEER_WARM"]), int(os.environ["PEER_EVENTS"])
        self._count, self._began = 0, 0.0
        self._cpu, self._first = 0.0, 0

    def counted(self, events: int) -> None:
        """So many more are stored."""
        self._count += events
        if self._began == 0.0 and self._count >= self._warm:
            self._began, self._cpu, self._first = time.perf_counter(), time.process_time(), self._count
        elif self._began and self._count - self._first >= self._wanted:
            events = self._count - self._first
            wall_s, cpu_s = time.perf_counter() - self._began, time.process_time() - self._cpu
            print(
                json.dumps(
                    {
                        "events": events,
                        "events_per_s": round(events / wall_s),
                        "cpu_us_per_event": round(1e6 * cpu_s / events, 2),
                    }
                ),
                file=sys.__stdout__,  # Faust takes the other for its log
                flush=True,
            )
            os._exit(0)
