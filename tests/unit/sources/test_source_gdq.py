"""Format `gdq`: gifts and runs merged by time."""

import csv
import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rtrec.events.schema import Event
from rtrec.sources.formats import open_source
from rtrec.sources.source import SourceError, SourceLine, require_same

ReadAll = Callable[..., list[SourceLine]]
DecodeAll = Callable[[list[SourceLine]], list[Event]]
T = 1_400_000_000_000
GIFTS = "ts_ms,event,donor,amount_cents,has_comment,anchor,run\n"
RUNS = "event,run,run_duration_s,bidwars,anchor,start_ms\n"


def write(folder: Path, gifts: list[str], runs: list[str]) -> str:
    (folder / "gifts_2012_2016.csv.gz").write_bytes(gzip.compress((GIFTS + "".join(f"{g}\n" for g in gifts)).encode()))
    (folder / "runs_2012_2016.csv").write_text(RUNS + "".join(f"{r}\n" for r in runs))
    return str(folder)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Two events with tied times: gifts out of order, an exact duplicate, three runs at one moment."""
    return write(
        tmp_path,
        [
            f"{T + 9000},X,d1,500,1,a2,second",
            f"{T + 1000},X,,100,0,a1,first",
            f"{T + 5000},X,d2,200,1,a2,second",
            f"{T + 5000},X,d2,200,1,a2,second",
            f"{T + 8000},Y,d3,1,0,b3,r3",
            f"{T - 1},X,d4,7,0,a1,first",
        ],
        [
            f"X,first,10.5,No,a1,{T}",
            f'X,"second, or ""two""",0.0,Yes,a2,{T + 5000}',
            f"Y,r1,0.0,No,b1,{T + 8000}",
            f"Y,r2,0.0,No,b1,{T + 8000}",
            f"Y,r3,7200.0,No,b3,{T + 8000}",
        ],
    )


def test_events_are_merged_by_time(folder: str, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """Ends, starts, gifts with their comments; a run of no time ends right after its start."""
    events = decode_all(read_all(open_source("gdq", folder)))
    assert [(event.ts_ms - T, event.event_id) for event in events] == [
        (-1, "gdq-g5"),
        (0, "gdq-s0"),
        (1000, "gdq-g1"),
        (5000, "gdq-e0"),
        (5000, "gdq-s1"),
        (5000, "gdq-g2"),
        (5000, "gdq-c2"),
        (5000, "gdq-g3"),
        (5000, "gdq-c3"),
        (8000, "gdq-s2"),
        (8000, "gdq-e2"),
        (8000, "gdq-s3"),
        (8000, "gdq-e3"),
        (8000, "gdq-s4"),
        (8000, "gdq-g4"),
        (9000, "gdq-g0"),
        (9000, "gdq-c0"),
    ]


def test_fields_of_runs(folder: str, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """A room's id, category and lease: to the next start, else the run's length, else an hour."""
    events = {event.event_id: event for event in decode_all(read_all(open_source("gdq", folder)))}
    starts = [events[f"gdq-s{row}"] for row in range(5)]
    assert [start.live_id for start in starts] == ["X/0", "X/1", "Y/2", "Y/3", "Y/4"]
    assert [start.lease_ms for start in starts] == [5_000, 3_600_000, 0, 0, 7_200_000]
    assert [start.anchor_id for start in starts] == ["a1", "a2", "b1", "b1", "b3"]
    assert starts[1].category == starts[1].title == 'second, or "two"'
    assert (events["gdq-e0"].anchor_id, events["gdq-e0"].live_id) == ("a1", "X/0")


def test_fields_of_gifts(folder: str, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """Value in cents, the room it falls in, and a user of its own for an anonymous gift."""
    events = {event.event_id: event for event in decode_all(read_all(open_source("gdq", folder)))}
    gifts = [events[f"gdq-g{row}"] for row in range(6)]
    assert [gift.live_id for gift in gifts] == ["X/1", "X/0", "X/1", "X/1", "Y/4", None]
    assert [gift.user_id for gift in gifts] == ["d1", "gdq-anon-1", "d2", "d2", "d3", "d4"]
    assert [(gift.value, gift.count) for gift in gifts] == [(500, 1), (100, 1), (200, 1), (200, 1), (1, 1), (7, 1)]
    comment = events["gdq-c0"]
    assert (comment.type, comment.user_id, comment.anchor_id, comment.live_id) == ("comment", "d1", "a2", "X/1")


def test_every_position_resumes(folder: str, read_all: ReadAll) -> None:
    """A position counts events; from each, the same tail follows, and none beyond the end."""
    source = open_source("gdq", folder)
    lines = read_all(source)
    assert [line.position_after for line in lines] == list(range(1, 18))
    for position in range(18):
        assert read_all(source, position) == lines[position:]
    with pytest.raises(SourceError, match="17 events now, 18 already stored"):
        read_all(source, 18)


def test_later_gifts_go_on(tmp_path: Path, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """Rows added later in time are all that a second run reads."""
    runs, gifts = [f"X,first,0.0,No,a1,{T}"], [f"{T},X,d,1,0,a1,first"]
    before = open_source("gdq", write(tmp_path, gifts, runs))
    head = before.head()
    assert len(read_all(before)) == 2
    after = open_source("gdq", write(tmp_path, [*gifts, f"{T + 1},X,d,1,0,a1,first"], runs))
    require_same(after, *head)
    assert [event.event_id for event in decode_all(read_all(after, 2))] == ["gdq-g1"]


def test_the_gift_file_is_the_same_source_as_its_folder(folder: str) -> None:
    """Either spelling has one position."""
    file = open_source("gdq", str(Path(folder) / "gifts_2012_2016.csv.gz"))
    assert (file.path, file.head()) == (open_source("gdq", folder).path, open_source("gdq", folder).head())


@pytest.mark.parametrize(
    ("gift", "message"),
    [(f"{T},X,d,much,0,a,r", "row 1, column amount_cents"), (f"{T},X", "line 3 is not a row")],
)
def test_a_broken_table_is_an_error(gift: str, message: str, tmp_path: Path, read_all: ReadAll) -> None:
    """A row that cannot be placed names itself; nothing is read past it in silence."""
    source = open_source("gdq", write(tmp_path, [f"{T},X,d,5,0,a,r", gift], []))
    with pytest.raises(SourceError, match=message):
        read_all(source)


def test_another_table_is_an_error(tmp_path: Path, read_all: ReadAll) -> None:
    """A file without the columns is not taken for an empty one."""
    folder = write(tmp_path, [], [])
    (tmp_path / "runs_2012_2016.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="no column start_ms, event, run"):
        read_all(open_source("gdq", folder))


def test_all_real_gifts_come_out(real_data: Path, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """206,876 gifts in time order, each with its row's own figures and the run it names; no id twice."""
    events = decode_all(read_all(open_source("gdq", str(real_data / "gdq"))))
    with gzip.open(real_data / "gdq" / "gifts_2012_2016.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(real_data / "gdq" / "runs_2012_2016.csv", newline="") as file:
        runs = list(csv.DictReader(file))
    commented = sum(row["has_comment"] == "1" for row in rows)
    assert Counter(event.type for event in events) == {
        "gift": 206_876,
        "comment": commented,
        "live_start": 1_424,
        "live_end": 1_424 - len({run["event"] for run in runs}),
    }
    assert len({event.event_id for event in events}) == len(events)
    times = [event.ts_ms for event in events]
    assert times == sorted(times)
    for event in events:
        if event.type == "gift":
            row = rows[int(event.event_id.removeprefix("gdq-g"))]  # type: ignore[union-attr]
            run = runs[int(event.live_id.split("/")[1])]  # type: ignore[union-attr]
            assert (event.ts_ms, event.value) == (int(row["ts_ms"]), int(row["amount_cents"]))
            assert (event.anchor_id, run["anchor"], run["run"]) == (row["anchor"], row["anchor"], row["run"])


def test_real_positions_resume(real_data: Path, read_all: ReadAll) -> None:
    """The tail from the middle on is that of the whole."""
    source = open_source("gdq", str(real_data / "gdq"))
    lines = read_all(source)
    assert read_all(source, 200_001) == lines[200_001:]
