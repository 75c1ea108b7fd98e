"""Reading ahead: the next batches of an iterator are made in a thread of its own while the last is worked on.

Rules
-----
- At most `BATCHES` wait, so memory is bounded; order is kept.
- What the iterator raises is raised where its batch would have come.
- A consumer that stops early ends the thread: `close` of the generator does.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")
BATCHES: Final = 4
_POLL_S: Final = 0.1
_PATIENCE_S: Final = 2.0


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, made ahead.

    >>> list(read_ahead(iter([1, 2, 3])))
    [1, 2, 3]
    """
    waiting: queue.Queue[T | _End] = queue.Queue(BATCHES)
    stopped = threading.Event()

    def put(item: T | _End) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                waiting.put(item, timeout=_POLL_S)
                return

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001 - it is raised again in the consumer's thread
            error = raised
        put(_End(error))

    thread = threading.Thread(target=run, name="rtrec-read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join(_PATIENCE_S)  # a thread that waits for standard input cannot be ended; it is a daemon
