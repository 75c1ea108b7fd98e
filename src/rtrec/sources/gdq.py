"""Format `gdq`: Games Done Quick's donation log, gifts merged with the schedule of runs by time.

Rules
-----
- At equal times: ends of runs, then starts, then gifts. A run's own end never precedes its start: where several
  runs are scheduled at one moment, all but the last start and end in it, in the schedule's order.
- Gifts keep file order within a millisecond; ids are by row of the file (244 rows repeat exactly, all count).
- A gift belongs to the run of its event that began last at or before it, and names its own anchor.
- A run is the anchor's room `{event}/{row}`: its lease lasts until the event's next run starts, when it also ends;
  the last run of an event has no end, and leases its scheduled length, or 1 h where none is given.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator
from itertools import groupby, zip_longest
from operator import attrgetter
from typing import Final, NamedTuple

from rtrec.sources.source import SourceError
from rtrec.sources.tables import EventOut, MergedTables, encode_event, parse_column, read_rows

GIFTS_NAME: Final = "gifts_2012_2016.csv.gz"
RUNS_NAME: Final = "runs_2012_2016.csv"
LAST_RUN_LEASE_MS: Final = 3_600_000
_GIFT_COLUMNS: Final = ("ts_ms", "event", "donor", "amount_cents", "has_comment", "anchor")
_RUN_COLUMNS: Final = ("start_ms", "event", "run", "run_duration_s", "anchor")


class Run(NamedTuple):
    """One row of the schedule. next_ms: when the event's next run starts, None for the last."""

    start_ms: int
    row: int
    event: str
    title: str
    length_ms: int
    anchor: str
    next_ms: int | None

    @property
    def live_id(self) -> str:
        """The room's id: the event and the row of the file."""
        return f"{self.event}/{self.row}"

    @property
    def lease_ms(self) -> int:
        """How long the room is live without activity, in ms."""
        if self.next_ms is not None:
            return self.next_ms - self.start_ms
        return self.length_ms or LAST_RUN_LEASE_MS


class Moment(NamedTuple):
    """A start or an end, ordered: ends of earlier runs, then each run's start and, where it lasts no time, its end."""

    ts_ms: int
    is_of_this_moment: bool
    row: int
    is_end: bool
    line: bytes


class GdqSource(MergedTables):
    """The folder that holds both files, or the gift file with the runs beside it."""

    format = "gdq"

    def __init__(self, path: str) -> None:
        self._gifts_path = os.path.join(path, GIFTS_NAME) if os.path.isdir(path) else path
        self._runs_path = os.path.join(os.path.dirname(self._gifts_path), RUNS_NAME)
        super().__init__(self._gifts_path, self._gifts_path)
        for needed in (self._gifts_path, self._runs_path):
            if not os.path.isfile(needed):
                raise SourceError(f"{needed}: no such file; format gdq reads {GIFTS_NAME} and {RUNS_NAME} beside it")

    def events(self) -> Iterator[bytes]:
        """Every event as a line of JSON, in time order."""
        runs = read_runs(self._runs_path)
        moments = sorted(moment for run in runs for moment in _moments(run))
        upcoming = iter(moments)
        moment = next(upcoming, None)
        for ts_ms, lines in _gifts(self._gifts_path, runs):
            while moment is not None and moment.ts_ms <= ts_ms:
                yield moment.line
                moment = next(upcoming, None)
            yield from lines
        if moment is not None:
            yield moment.line
            yield from (later.line for later in upcoming)


def read_runs(path: str) -> list[Run]:
    """The schedule by event, time and row; each run knows when the next of its event starts."""
    rows = read_rows(path, _RUN_COLUMNS)
    starts = parse_column(path, "start_ms", int, (row[0] for row in rows))
    lengths = parse_column(path, "run_duration_s", _seconds_to_ms, (row[3] for row in rows))
    runs = [
        Run(start_ms, row, event, title, length_ms, anchor, None)
        for row, (start_ms, length_ms, (_, event, title, _, anchor)) in enumerate(
            zip(starts, lengths, rows, strict=True)
        )
    ]
    runs.sort(key=attrgetter("event", "start_ms", "row"))
    return [
        run._replace(next_ms=later.start_ms) if later is not None and later.event == run.event else run
        for run, later in zip_longest(runs, runs[1:])
    ]


def _seconds_to_ms(text: str) -> int:
    return round(float(text or 0) * 1000)


def _moments(run: Run) -> Iterator[Moment]:
    start = EventOut(
        event_id=f"gdq-s{run.row}",
        type="live_start",
        ts_ms=run.start_ms,
        anchor_id=run.anchor,
        live_id=run.live_id,
        category=run.title,
        title=run.title,
        lease_ms=run.lease_ms,
    )
    yield Moment(run.start_ms, True, run.row, False, encode_event(start))
    if run.next_ms is None:
        return
    end = EventOut(
        event_id=f"gdq-e{run.row}", type="live_end", ts_ms=run.next_ms, anchor_id=run.anchor, live_id=run.live_id
    )
    yield Moment(run.next_ms, run.next_ms == run.start_ms, run.row, True, encode_event(end))


def _gifts(path: str, runs: list[Run]) -> Iterator[tuple[int, list[bytes]]]:
    """Time and lines of each gift, with its comment, in time order."""
    rows = read_rows(path, _GIFT_COLUMNS)
    times = parse_column(path, "ts_ms", int, (row[0] for row in rows))
    values = parse_column(path, "amount_cents", int, (row[3] for row in rows))
    schedule = {event: list(of_event) for event, of_event in groupby(runs, attrgetter("event"))}
    starts = {event: [run.start_ms for run in of_event] for event, of_event in schedule.items()}
    for row in sorted(range(len(rows)), key=times.__getitem__):
        _, event, donor, _, has_comment, anchor = rows[row]
        ts_ms = times[row]
        place = bisect_right(starts.get(event, ()), ts_ms)
        live_id = schedule[event][place - 1].live_id if place else None
        user = donor or f"gdq-anon-{row}"
        gift = EventOut(f"gdq-g{row}", "gift", ts_ms, anchor, user, live_id, value=values[row], count=1)
        lines = [encode_event(gift)]
        if has_comment == "1":
            lines.append(encode_event(EventOut(f"gdq-c{row}", "comment", ts_ms, anchor, user, live_id)))
        yield ts_ms, lines
