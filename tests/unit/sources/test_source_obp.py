"""Format `obp`: rows of an Open Bandit log become impressions, and clicks some seconds after them."""

import csv
import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rtrec.events.schema import Event
from rtrec.sources.formats import open_source
from rtrec.sources.source import SourceError, SourceLine

ReadAll = Callable[..., list[SourceLine]]
DecodeAll = Callable[[list[SourceLine]], list[Event]]
HEADER = (
    ",timestamp,item_id,position,click,propensity_score,"
    "user_feature_0,user_feature_1,user_feature_2,user_feature_3,user-item_affinity_0\n"
)
ROWS = """0,2019-11-24 00:00:10.000500+00:00,7,3,1,0.25,a,b,c,d,0.0
1,2019-11-24 00:00:12+00:00,8,1,0,0.5,a,b,c,e,0.0
2,2019-11-24 00:00:05+00:00,7,2,0,0.25,a,b,c,d,1.0
3,2019-11-24 00:00:20+00:00,9,2,1,0.125,a,b,c,d,0.0
"""
DAY_MS = 1_574_553_600_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Four rows, the third of them earlier than those before it; the first and the last clicked."""
    path = tmp_path / "random_men.csv"
    path.write_text(HEADER + ROWS)
    return path


def test_rows_are_impressions_in_time_order_and_clicks_come_seconds_later(
    log: Path, read_all: ReadAll, decode_all: DecodeAll
) -> None:
    events = decode_all(read_all(open_source("obp", str(log))))
    assert [(event.ts_ms - DAY_MS, event.event_id, event.type) for event in events] == [
        (5_000, "obp-random_men-i2", "impression"),
        (10_000, "obp-random_men-i0", "impression"),
        (12_000, "obp-random_men-i1", "impression"),
        (13_000, "obp-random_men-c0", "click"),
        (20_000, "obp-random_men-i3", "impression"),
        (23_000, "obp-random_men-c3", "click"),
    ]
    shown, click = events[1], events[3]
    assert (shown.anchor_id, shown.position, shown.propensity, shown.request_id) == ("7", 3, 0.25, "0")
    assert (click.anchor_id, click.user_id, click.request_id) == (shown.anchor_id, shown.user_id, shown.request_id)


def test_a_user_is_the_four_user_features(log: Path, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """Equal ones are one user, affinities are none of them."""
    of = {event.event_id: event.user_id for event in decode_all(read_all(open_source("obp", str(log))))}
    assert of["obp-random_men-i0"] == of["obp-random_men-i2"] == of["obp-random_men-i3"]
    assert of["obp-random_men-i1"] != of["obp-random_men-i0"]


def test_every_position_resumes_and_a_packed_log_is_the_same(log: Path, read_all: ReadAll, tmp_path: Path) -> None:
    source = open_source("obp", str(log))
    lines = read_all(source)
    for position in range(len(lines) + 1):
        assert read_all(source, position) == lines[position:]
    packed = tmp_path / "random_men.csv.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert read_all(open_source("obp", str(packed))) == lines


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("2019-11-24 00:00:12+00:00", "noon", r"random_men\.csv: row 1, column timestamp"),
        ("0.125", "rare", r"random_men\.csv: row 3, column propensity_score"),
        ("propensity_score", "propensity", "no column propensity_score"),
    ],
)
def test_what_is_no_such_log_is_said_by_file_row_and_column(
    log: Path, read_all: ReadAll, before: str, after: str, said: str
) -> None:
    log.write_text(log.read_text().replace(before, after))
    with pytest.raises(SourceError, match=said):
        read_all(open_source("obp", str(log)))


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        open_source("obp", str(tmp_path))


@pytest.mark.parametrize(("name", "clicks"), [("random_men", 46), ("bts_men", 69)])
def test_all_real_rows_come_out(
    real_data: Path, read_all: ReadAll, decode_all: DecodeAll, name: str, clicks: int
) -> None:
    """10,000 impressions, each click after its impression, times that never step back, users as in the file."""
    path = real_data / "open_bandit" / f"{name}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    events = decode_all(read_all(open_source("obp", str(path))))
    assert Counter(event.type for event in events) == {"impression": len(rows), "click": clicks}
    assert [event.ts_ms for event in events] == sorted(event.ts_ms for event in events)
    assert len({event.event_id for event in events}) == len(events)
    shown = {event.request_id: event for event in events if event.type == "impression"}
    assert [shown[str(k)].anchor_id for k in range(len(rows))] == [row["item_id"] for row in rows]
    assert [shown[str(k)].propensity for k in range(len(rows))] == [float(row["propensity_score"]) for row in rows]
    features = {tuple(row[f"user_feature_{k}"] for k in range(4)) for row in rows}
    assert len({event.user_id for event in events}) == len(features)
    for click in (event for event in events if event.type == "click"):
        assert rows[int(str(click.request_id))]["click"] == "1"
        assert click.ts_ms > shown[click.request_id].ts_ms
