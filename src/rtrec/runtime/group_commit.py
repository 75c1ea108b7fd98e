"""Group commit: concurrent appends share one fsync.

Rules
-----
- A call returns when what it brought is durable. Whoever finds nobody flushing flushes everything that
  waits, in order of arrival; the others wait for that flush.
- A flush that fails fails every call it carried.
"""

import threading
from collections.abc import Callable, Sequence


class _Waiting:
    __slots__ = ("done", "error", "records")

    def __init__(self, records: Sequence[bytes]) -> None:
        self.records, self.done = records, threading.Event()
        self.error: Exception | None = None


class GroupCommit:
    """Appends through `append` (called with all waiting records), one flush at a time."""

    def __init__(self, append: Callable[[list[bytes]], object]) -> None:
        self._append = append
        self._flushing = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Waiting] = []

    def add(self, records: Sequence[bytes]) -> None:
        """Append records; durable when it returns."""
        mine = _Waiting(records)
        with self._queue_lock:
            self._queue.append(mine)
        with self._flushing:
            if not mine.done.is_set():
                self._flush()
        if mine.error is not None:
            raise mine.error

    def _flush(self) -> None:
        with self._queue_lock:
            taken, self._queue = self._queue, []
        try:
            self._append([record for one in taken for record in one.records])
        except Exception as error:  # every call it carried must hear of it
            for one in taken:
                one.error = error
            raise
        finally:
            for one in taken:
                one.done.set()
