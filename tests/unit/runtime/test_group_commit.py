"""Concurrent appends share a flush, in order of arrival, and each hears how its own went."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rtrec.runtime.group_commit import GroupCommit

WAIT_S = 10.0


class Log:
    """Appends; the first one begins, and goes on when `go` is set."""

    def __init__(self, fails: Callable[[list[bytes]], bool] = lambda _: False) -> None:
        self.flushes: list[list[bytes]] = []
        self.began, self.go = threading.Event(), threading.Event()
        self._fails = fails

    def append(self, records: list[bytes]) -> None:
        self.began.set()
        assert self.go.wait(WAIT_S)
        if self._fails(records):
            raise OSError("disk full")
        self.flushes.append(records)


def waiting(group: GroupCommit, pool: ThreadPoolExecutor, *calls: list[bytes]) -> list["Future[None]"]:
    """Calls under way, each queued before the next begins."""
    made = []
    for number, records in enumerate(calls, len(group._queue) + 1):
        made.append(pool.submit(group.add, records))
        tries = threading.Event()
        while len(group._queue) < number:
            tries.wait(0.001)
    return made


def begun(group: GroupCommit, pool: ThreadPoolExecutor, log: Log, records: list[bytes]) -> "Future[None]":
    """A call whose flush is under way."""
    call = pool.submit(group.add, records)
    assert log.began.wait(WAIT_S)
    return call


def test_calls_that_meet_a_flush_share_the_next_one_in_order_of_arrival() -> None:
    log = Log()
    group = GroupCommit(log.append)
    with ThreadPoolExecutor(4) as pool:
        first = begun(group, pool, log, [b"1"])
        others = waiting(group, pool, [b"2", b"3"], [b"4"], [b"5"])
        assert not any(call.done() for call in [first, *others]), "none returns before its records are appended"
        log.go.set()
        for call in [first, *others]:
            call.result(WAIT_S)
    assert log.flushes == [[b"1"], [b"2", b"3", b"4", b"5"]]


def test_a_call_returns_only_after_its_own_records_were_appended() -> None:
    log = Log()
    log.go.set()
    group = GroupCommit(log.append)

    def bring(number: int) -> bool:
        group.add([record := b"%d" % number])
        return any(record in flush for flush in log.flushes)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(bring, range(400)))
    assert sorted(int(record) for flush in log.flushes for record in flush) == list(range(400))


def test_a_failed_flush_fails_every_call_it_carried_and_no_other() -> None:
    log = Log(lambda records: b"bad" in records)
    group = GroupCommit(log.append)
    with ThreadPoolExecutor(3) as pool:
        first = begun(group, pool, log, [b"1"])
        carried = waiting(group, pool, [b"bad"], [b"2"])
        log.go.set()
        assert first.result(WAIT_S) is None
        for call in carried:
            with pytest.raises(OSError, match="disk full"):
                call.result(WAIT_S)
    group.add([b"3"])
    assert log.flushes == [[b"1"], [b"3"]]
