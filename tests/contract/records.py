"""What the suites write, and how they read a log back."""

from collections.abc import Iterable

from rtrec.ports import EventLog, NewRecord, Record

NOW_MS = 1_712_345_678_901
BINARY = b"\x00\xff'\x80;\n\x00"


def values(*texts: str) -> list[NewRecord]:
    return [NewRecord(text.encode()) for text in texts]


def numbered(first: int, n: int) -> list[NewRecord]:
    return values(*map(str, range(first, first + n)))


def read_all(log: EventLog, topic: str, partition: int = 0, size: int = 1_000) -> list[Record]:
    offset, end = log.bounds(topic, partition)
    found: list[Record] = []
    while offset < end:
        page = log.read(topic, partition, offset, size)
        if not page:
            break
        found += page
        offset = page[-1].offset + 1
    return found


def timeless(records: Iterable[Record]) -> list[Record]:
    """Records without their append times: a log may have a clock of its own (`rtrec.ports`)."""
    return [record._replace(append_ms=0) for record in records]


def offsets(log: EventLog, topic: str) -> list[int]:
    return [record.offset for record in read_all(log, topic)]
