"""A watchdog: a process that stands still begins anew.

Rules
-----
- It is a thread of its own, so that a blocked event loop is seen, too. The loop beats once a second.
- Standing still is: no beat for `stall_s`; or a worker that has taken its owner over, has input, and did not move for
  as long. A store or broker that is away ends a turn with an error, and is waited for: that is no stall.
- Beginning anew is `exec` of the same command: whoever started the process keeps its id, and what was not committed
  is read again.
"""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rtrec.runtime.cluster.worker import Worker

LOOK_S: Final = 1.0
_log = logging.getLogger("rtrec.watchdog")


def begin_anew() -> None:
    """Replace this process by a new one of the same command."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *_arguments(sys.orig_argv)])  # noqa: S606 - our own command


def _arguments(original: Sequence[str]) -> Sequence[str]:
    return original[1:]


class Watchdog:
    """See the module. begin: what beginning anew is."""

    def __init__(self, stall_s: float, begin: Callable[[], None] = begin_anew) -> None:
        self._stall_s, self._begin = stall_s, begin
        self._beat_s = self._moved_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtrec-watchdog", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._beat_s = self._moved_s = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()

    def beat(self, workers: Iterable[Worker]) -> None:
        """The loop turns; what its workers say of themselves."""
        self._beat_s = now_s = time.monotonic()
        stuck = [one.moved_s for one in workers if one.at_work]
        self._moved_s = min(stuck, default=now_s)

    def restart(self, reason: str) -> None:
        """Begin anew, and say why."""
        _log.error("beginning anew: %s", reason)
        self._begin()

    def end_within(self, seconds: float) -> None:
        """End the process after so long, if it has not ended by itself: the broker is slow to say good-bye at times."""
        self.stop()
        timer = threading.Timer(seconds, os._exit, (0,))
        timer.daemon = True
        timer.start()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            still_s = time.monotonic() - min(self._beat_s, self._moved_s)
            if still_s > self._stall_s:
                faulthandler.dump_traceback(all_threads=True)
                self.restart(f"nothing has moved for {still_s:.0f} s")
                return
