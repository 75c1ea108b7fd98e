"""Waiting for whoever is away when a process starts: a store, brokers, topics that are not made yet.

It is said what is waited for, once and then every `SAY_S`. What a server refuses (a password, a right) is waited for
likewise: whoever reads the log mends it, and nothing has to be started again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

AGAIN_S: Final = 1.0
SAY_S: Final = 30.0
T = TypeVar("T")
_log = logging.getLogger("rtrec.patience")


def patiently(call: Callable[[], T]) -> T:
    """What a call returns, as soon as nobody that it needs is away."""
    said, said_s = "", 0.0
    while True:
        try:
            return call()
        except (KeyError, IndexError):
            raise  # a fault of ours; a topic that is not there is a LookupError
        except (OSError, LookupError) as error:
            if str(error) != said or time.monotonic() - said_s >= SAY_S:
                said, said_s = str(error), time.monotonic()
                _log.warning("not ready, and waiting: %s", said)
        time.sleep(AGAIN_S)


async def patiently_awaited(call: Callable[[], Awaitable[T]], who: str) -> T:
    """The same in an event loop, said each time; what is not there is no fault to wait out. who: waits."""
    while True:
        try:
            return await call()
        except OSError as error:
            _log.warning("%s: %s; again in %.0f s", who, error, AGAIN_S)
            await asyncio.sleep(AGAIN_S)
