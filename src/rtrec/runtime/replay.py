"""Replay: stored events through the same stages, resumable at the position reached in each source."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from rtrec.adapters.sqlite_sources import SourcePosition
from rtrec.events.schema import MIN_TS_MS
from rtrec.ports import NewRecord
from rtrec.runtime.ahead import read_ahead
from rtrec.runtime.folder import EVENTS
from rtrec.runtime.host import Host
from rtrec.runtime.journey import Turn
from rtrec.sources.source import Source, SourceLine, require_same

STREAM: Final = "-"
LONGEST_WAIT_S: Final = 60.0

Parts = Callable[[list[SourceLine]], Iterator[list[SourceLine]]]


class _Time(msgspec.Struct):
    ts_ms: int = 0


_decode_time = msgspec.json.Decoder(_Time).decode


def replay(
    host: Host,
    source: Source,
    *,
    until_ms: int | None = None,
    speed: float | None = None,
    parts: Parts | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Feed a source from where the last run stopped, and drain every stage.

    until_ms: stop before the first event later than this. speed: times the event clock; None as fast as possible.
    parts: cuts a batch otherwise than `speed` does; every stage is drained before the next part is asked for.
    progress: told how many events this run has taken.
    """
    began, before, span = time.monotonic(), host.totals(), _Span()
    host.on_turn = span.add
    host.drain()
    for batch in _until(read_ahead(source.read(_position(host, source))), until_ms):
        for part in parts(batch) if parts is not None else _paced(batch, speed, span):
            with host.folder.database.transaction(durable=False):
                host.append(EVENTS, [NewRecord(line.value, None, line.headers) for line in part], durable=False)
                _keep(host, source, part[-1].position_after)
            host.drain()
            progress(host.totals()["events"] - before["events"])
    seconds = time.monotonic() - began
    taken = {name: count - before[name] for name, count in host.totals().items()}
    return {
        "events": taken["events"], "accepted": taken["accepted"], "rejected": taken["dead_letters"],
        "duplicates": taken["duplicates"], "dead_letters": taken["dead_letters"],
        "first_ts_ms": span.first_ms or None, "last_ts_ms": span.last_ms or None,
        "seconds": round(seconds, 3), "events_per_second": round(taken["events"] / max(seconds, 1e-9), 1),
    }  # fmt: skip


class _Span:
    """First and last accepted event time of a run, and the pace of its clock."""

    def __init__(self) -> None:
        self.first_ms = self.last_ms = 0
        self._clock: tuple[int, float] | None = None

    def add(self, turn: Turn) -> None:
        if turn.last_ms:
            self.first_ms = min(self.first_ms or turn.first_ms, turn.first_ms)
            self.last_ms = max(self.last_ms, turn.last_ms)

    def wait_for(self, ts_ms: int, speed: float) -> None:
        """Sleep until the event clock, `speed` times the wall's, has reached an event.

        A jump by more than a minute of the wall clock, there or back, is not waited for: a pause in the log, or a
        time that is wrong, sets the clock anew.
        """
        if ts_ms < MIN_TS_MS:  # no time at all: it will be refused, and sets no clock
            return
        now = time.monotonic()
        if self._clock is None:
            self._clock = (ts_ms, now)
        ahead = (ts_ms - self._clock[0]) / 1_000 / speed - (now - self._clock[1])
        if abs(ahead) > LONGEST_WAIT_S:
            self._clock = (ts_ms, now)
        elif ahead > 0:
            time.sleep(ahead)


def _position(host: Host, source: Source) -> int:
    if source.path == STREAM:
        return 0
    kept = host.folder.sources.get(source.format, source.path)
    if kept is None:
        return 0
    require_same(source, kept.head_length, kept.head_sha256)
    return kept.position


def _keep(host: Host, source: Source, position: int) -> None:
    if source.path == STREAM:
        return
    kept = host.folder.sources.get(source.format, source.path)
    length, digest = source.head() if kept is None else (kept.head_length, kept.head_sha256)
    host.folder.sources.put(source.format, source.path, SourcePosition(length, digest, position))


def _event_ms(line: SourceLine) -> int:
    """An event's time; 0 for a line that has none (it will be a dead letter)."""
    try:
        return _decode_time(line.value).ts_ms
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0


def _until(batches: Iterator[list[SourceLine]], until_ms: int | None) -> Iterator[list[SourceLine]]:
    for batch in batches:
        if until_ms is None:
            yield batch
            continue
        end = next((k for k, line in enumerate(batch) if _event_ms(line) > until_ms), None)
        if batch[:end]:
            yield batch[:end]
        if end is not None:
            return


def _paced(batch: list[SourceLine], speed: float | None, span: _Span) -> Iterator[list[SourceLine]]:
    """The batch whole, or, at a speed, the events of each tenth of a second of its clock."""
    if speed is None:
        yield batch
        return
    part: list[SourceLine] = []
    for line in batch:
        if part and _event_ms(line) - _event_ms(part[0]) > 100 * speed:
            yield part
            part = []
        if not part:
            span.wait_for(_event_ms(line), speed)
        part.append(line)
    yield part
