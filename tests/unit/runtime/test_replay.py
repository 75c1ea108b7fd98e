"""Replays stop and go on where they said, refuse another file, count what they did, and keep a pace."""

import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rtrec.runtime import replay as replaying
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import EVENTS
from rtrec.sources.events import EventsSource
from rtrec.sources.source import SourceError
from tests.unit.runtime.hosts import SETTINGS, line

T0 = 1_712_345_700_000
_ids = itertools.count()


def gift(after_ms: int, **more: Any) -> bytes:
    made = {"event_id": f"g{next(_ids)}", "type": "gift", "ts_ms": T0 + after_ms, "anchor_id": "a", "user_id": "u"}
    return line(made | {"value": 1} | more) + b"\n"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Embedded]:
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        yield host


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def run(host: Embedded, file: Path, **how: Any) -> dict[str, Any]:
    return host.replay(EventsSource(str(file)), **how)


def stored(host: Embedded) -> list[int]:
    """Times of the events in the log, after T0."""
    return [json.loads(record.value)["ts_ms"] - T0 for record in host.folder.log.read(EVENTS, 0, 0, 10_000)]


def test_a_run_stops_before_the_first_later_event_and_the_next_goes_on_there(host: Embedded, file: Path) -> None:
    """Also where an earlier one follows: the order is the file's."""
    file.write_bytes(b"".join(map(gift, (0, 2_000, 2_001, 1_000, 3_000))))
    assert run(host, file, until_ms=T0 - 1)["events"] == 0
    first = run(host, file, until_ms=T0 + 2_000)
    assert (first["events"], first["first_ts_ms"], first["last_ts_ms"]) == (2, T0, T0 + 2_000)
    assert stored(host) == [0, 2_000]
    assert run(host, file, until_ms=T0 + 2_000)["events"] == 0
    second = run(host, file)
    assert (second["events"], second["first_ts_ms"], second["last_ts_ms"]) == (3, T0 + 1_000, T0 + 3_000)
    assert stored(host) == [0, 2_000, 2_001, 1_000, 3_000]


def test_a_run_stops_in_a_later_batch_of_the_file_too(host: Embedded, file: Path) -> None:
    """6,000 lines are two batches."""
    file.write_bytes(b"".join(map(gift, range(6_000))))
    assert run(host, file, until_ms=T0 + 5_499)["accepted"] == 5_500
    assert run(host, file)["accepted"] == 500


def test_a_line_without_a_time_does_not_stop_a_run_at_a_time(host: Embedded, file: Path) -> None:
    file.write_bytes(gift(0) + b"\xff not json\n" + b'{"ts_ms": "late"}\n' + gift(1) + gift(9))
    report = run(host, file, until_ms=T0 + 1)
    assert (report["accepted"], report["dead_letters"]) == (2, 2)


def test_a_grown_file_goes_on_and_ends_as_the_whole_file_does(tmp_path: Path, host: Embedded, file: Path) -> None:
    lines = [gift(k) for k in range(20)]
    file.write_bytes(b"".join(lines[:7]))
    assert run(host, file)["events"] == 7
    file.write_bytes(b"".join(lines))
    assert run(host, file)["events"] == 13
    assert run(host, file)["events"] == 0
    with Embedded.open(tmp_path / "other", SETTINGS) as other:
        run(other, file)
        assert other.digest() == host.digest()


def test_the_position_outlives_the_process_and_is_of_one_path(tmp_path: Path, file: Path) -> None:
    file.write_bytes(gift(0) + gift(1))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(file.read_bytes())
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        assert run(host, file, until_ms=T0)["accepted"] == 1
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        assert run(host, file)["accepted"] == 1
        assert run(host, copy)["duplicates"] == 2


@pytest.mark.parametrize("fault", ["shorter", "changed", "packed anew and shorter"])
def test_a_shorter_or_changed_file_is_an_error_and_nothing_is_taken(
    tmp_path: Path, host: Embedded, file: Path, fault: str
) -> None:
    lines = [gift(k) for k in range(4)]
    if fault == "packed anew and shorter":
        file = tmp_path / "events.jsonl.gz"
        file.write_bytes(gzip.compress(b"".join(lines)))
        run(host, file)
        file.write_bytes(gzip.compress(b"".join(lines[:3])))
    else:
        file.write_bytes(b"".join(lines))
        run(host, file)
        file.write_bytes(b"".join(lines[:3] if fault == "shorter" else [gift(0), *lines[1:], gift(9)]))
    before = host.digest()
    with pytest.raises(SourceError, match=file.name):
        run(host, file)
    assert (len(stored(host)), host.digest()) == (4, before)


def test_the_figures_of_a_run_add_up_and_are_of_that_run(host: Embedded, file: Path) -> None:
    good = gift(5)
    too_late = gift(-SETTINGS.events.late_ms)
    told = list[int]()
    file.write_bytes(gift(7) + good + good + b"{}\n" + too_late + gift(6, reversal_of="nobody") + b"\n")
    report = run(host, file, progress=told.append)
    assert (report["accepted"], report["duplicates"], report["dead_letters"], report["rejected"]) == (2, 1, 3, 3)
    assert report["events"] == report["accepted"] + report["duplicates"] + report["dead_letters"] == told[-1] == 6
    assert (report["first_ts_ms"], report["last_ts_ms"]) == (T0 + 5, T0 + 7)
    again = run(host, file)
    assert [again[name] for name in ("events", "accepted", "duplicates", "dead_letters", "rejected")] == [0] * 5
    assert (again["first_ts_ms"], again["last_ts_ms"]) == (None, None)


def test_what_an_earlier_run_left_in_the_log_is_taken_first(host: Embedded, file: Path) -> None:
    """As after a kill between the append and the step."""
    host.append_lines([gift(0).strip()], durable=False)
    file.write_bytes(gift(1))
    assert run(host, file)["events"] == 2


class Clock:
    """A clock that only sleeping moves; stands in for `time` in `replay`."""

    def __init__(self) -> None:
        self.now_s, self.slept = 100.0, list[float]()

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(replaying, "time", clock)
    return clock


def test_a_speed_is_kept_by_waiting_for_the_events_clock(host: Embedded, file: Path, clock: Clock) -> None:
    """At four times its pace, 8 s of events take 2 s; what lies within a tenth of a second is taken together."""
    file.write_bytes(b"".join(map(gift, (0, 300, 400, 4_000, 4_100, 8_000, 5_000))))
    waited = list[float]()
    report = run(host, file, speed=4.0, progress=lambda _: waited.append(round(clock.now_s - 100, 6)))
    assert report["accepted"] == 7
    assert clock.slept == [1.0, 1.0], "and nobody waits for an event that lies before another"
    assert waited == [0.0, 1.0, 2.0]
    assert report["seconds"] == 2.0


def test_time_spent_working_is_not_waited_for_again(host: Embedded, file: Path, clock: Clock) -> None:
    file.write_bytes(gift(0) + gift(1_000) + gift(2_000))

    def work(_: int) -> None:
        clock.now_s += 0.25

    run(host, file, speed=1.0, progress=work)
    assert clock.slept == [0.75, 0.75]


def test_no_speed_waits_for_nothing(host: Embedded, file: Path, clock: Clock) -> None:
    file.write_bytes(gift(0) + gift(3_600_000))
    assert run(host, file)["accepted"] == 2
    assert clock.slept == []


@pytest.mark.parametrize("bad", [b"not json\n", gift(0, ts_ms=T0 // 1_000)])
@pytest.mark.parametrize("first", [True, False])
def test_the_pace_is_not_set_by_an_event_without_a_time(
    host: Embedded, file: Path, clock: Clock, bad: bytes, *, first: bool
) -> None:
    """It has none, or one in seconds; the first good event sets the clock."""
    file.write_bytes((bad + gift(0) if first else gift(0) + bad) + gift(1_000))
    report = run(host, file, speed=1.0)
    assert (report["accepted"], report["dead_letters"]) == (2, 1)
    assert clock.slept == [1.0]


@pytest.mark.parametrize("order", [(0, 9, 1), (9, 0, 1)])
def test_a_wrong_time_neither_stops_a_paced_replay_nor_its_pace(
    host: Embedded, file: Path, clock: Clock, order: tuple[int, ...]
) -> None:
    """An event two hundred years ahead is not waited for, and those after it keep their pace."""
    lines = {0: gift(0), 1: gift(1_000), 9: gift(0).replace(str(T0).encode(), b"9999999999999")}
    file.write_bytes(b"".join(lines[k] for k in order))
    report = run(host, file, speed=1.0)
    assert (report["accepted"], report["dead_letters"]) == (2, 1)
    assert sum(clock.slept) in {0.0, 1.0}
