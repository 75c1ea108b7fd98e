"""Retention: every topic of a folder is bounded, and never trimmed ahead of its readers.

By records and by age; `control` by its keys (compacted: one message an anchor or erased user).
"""

from collections.abc import Mapping

from rtrec.ports import EventLog
from rtrec.runtime.folder import CONTROL, DEAD_LETTERS, EVENTS, EXAMPLES, SCORED, TICKS
from rtrec.settings import Log

SIDE_KEEP = 10_000
"""Records kept of topics that nobody reads twice: `scored`, `ticks`."""


def trim(log: EventLog, policy: Log, read: Mapping[str, int], now_ms: int) -> None:
    """Trim what is read and too much or too old.

    read: topic → offset that its reader has committed; a topic without one has no reader to wait for.
    """
    keep = {
        EVENTS: policy.keep_records, EXAMPLES: policy.keep_records, DEAD_LETTERS: policy.keep_dead_letters,
        SCORED: SIDE_KEEP, TICKS: SIDE_KEEP,
    }  # fmt: skip
    log.compact(CONTROL, 0)
    for topic, records in keep.items():
        start, end = log.bounds(topic, 0)
        before = min(
            max(end - records, _first_young(log, topic, start, end, now_ms - policy.keep_ms)), read.get(topic, end)
        )
        if before > start:
            log.trim(topic, 0, before)


def _first_young(log: EventLog, topic: str, start: int, end: int, since_ms: int) -> int:
    """The first offset appended at `since_ms` or later, by bisection; append times never fall."""
    while start < end:
        middle = (start + end) // 2
        found = log.read(topic, 0, middle, 1)
        if found and found[0].append_ms < since_ms:
            start = found[0].offset + 1
        else:
            end = middle
    return start
