"""Format `twitch`: views and chats merged by time, rooms opened and users described at their first event."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rtrec.events.schema import Event
from rtrec.sources.formats import open_source
from rtrec.sources.source import SourceError, SourceLine

ReadAll = Callable[..., list[SourceLine]]
DecodeAll = Callable[[list[SourceLine]], list[Event]]
VIEWS = """time,device_id,login,channel,country,player,game,stream_format,subscriber
2015-01-01 00:00:06,u1,l1,frank,US,site,Dota 2,high,false
2015-01-01 00:00:09,u2,l2,kramer,,,,,
"""
CHATS = """time,device_id,login,channel,country,player,game
2015-01-01 00:00:02,u3,l3,frank,CA,,League of Legends
2015-01-01 00:00:06,u1,l1,frank,US,site,Dota 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two views, two chats, one of each at the same second."""
    (tmp_path / "views_before_noon.csv").write_text(VIEWS)
    (tmp_path / "chats_before_noon.csv").write_text(CHATS)
    return tmp_path


def test_events_are_merged_by_time(folder: Path, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """Views before chats within a second; a start and a profile before what first needs them."""
    events = decode_all(read_all(open_source("twitch", str(folder))))
    assert [(event.ts_ms - 1_420_070_400_000, event.event_id) for event in events] == [
        (2000, "twitch-s-frank"),
        (2000, "twitch-u-u3"),
        (2000, "twitch-c0"),
        (6000, "twitch-u-u1"),
        (6000, "twitch-v0"),
        (6000, "twitch-c1"),
        (9000, "twitch-s-kramer"),
        (9000, "twitch-v1"),
    ]
    start, profile, chat = events[:3]
    assert (start.anchor_id, start.live_id, start.category) == ("frank", "twitch-frank", "League of Legends")
    assert start.lease_ms == 86_400_000
    assert (profile.user_id, profile.set) == ("u3", {"country": "CA"})
    assert (chat.type, chat.user_id, chat.anchor_id, chat.live_id) == ("comment", "u3", "frank", "twitch-frank")
    assert events[4].type == "view_start"
    assert events[6].category is None


def test_one_file_alone(folder: Path, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """A file by itself keeps its rows' ids and opens its rooms."""
    events = decode_all(read_all(open_source("twitch", str(folder / "chats_before_noon.csv"))))
    ids = ["twitch-s-frank", "twitch-u-u3", "twitch-c0", "twitch-u-u1", "twitch-c1"]
    assert [event.event_id for event in events] == ids


def test_every_position_resumes(folder: Path, read_all: ReadAll) -> None:
    """A position counts events, the added ones too."""
    source = open_source("twitch", str(folder))
    lines = read_all(source)
    for position in range(len(lines) + 1):
        assert read_all(source, position) == lines[position:]
    with pytest.raises(SourceError, match="shorter than what was read before"):
        read_all(source, len(lines) + 1)


def test_a_time_that_is_none_is_an_error(folder: Path, read_all: ReadAll) -> None:
    """It is named by file, row and column."""
    (folder / "chats_before_noon.csv").write_text(CHATS.replace("2015-01-01 00:00:06", "noon"))
    with pytest.raises(SourceError, match=r"chats_before_noon\.csv: row 1, column time"):
        read_all(open_source("twitch", str(folder)))


def test_all_real_rows_come_out(real_data: Path, read_all: ReadAll, decode_all: DecodeAll) -> None:
    """4,720 views and 5,800 chats in time order, a room per channel, no id twice."""
    events = decode_all(read_all(open_source("twitch", str(real_data / "twitch_2015"))))
    kinds = Counter(event.type for event in events)
    assert (kinds["view_start"], kinds["comment"], kinds["live_start"]) == (4_720, 5_800, 10)
    assert [event.ts_ms for event in events] == sorted(event.ts_ms for event in events)
    assert len({event.event_id for event in events}) == len(events)
    assert kinds["user_profile"] == len({event.user_id for event in events if event.type == "user_profile"}) > 6_000
