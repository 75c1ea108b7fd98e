"""The GDQ donation log read straight from its files, for tests that judge the loader: no code of it is used."""

import csv
import gzip
from functools import cache
from pathlib import Path

from tests.replay.streams import Event

FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "gdq"
GIFTS = 206_876


@cache
def gift_rows() -> list[dict[str, str]]:
    """The gift file as it stands, not in time order."""
    with gzip.open(FOLDER / "gifts_2012_2016.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def run_rows() -> list[dict[str, str]]:
    """The run file."""
    with (FOLDER / "runs_2012_2016.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def anchor_events() -> list[Event]:
    """What each anchor gets, by time: live_end before live_start before gifts in row order, each with its comment.

    Gifts carry no live_id here: windows, decayed counters and heat do not depend on rooms.
    """
    events: list[Event] = []
    for row, gift in enumerate(gift_rows()):
        who = {"ts_ms": int(gift["ts_ms"]), "anchor_id": gift["anchor"], "user_id": gift["donor"] or f"anonymous{row}"}
        events.append({"event_id": f"gift{row}", "type": "gift", "value": int(gift["amount_cents"]), **who})
        if gift["has_comment"] == "1":
            events.append({"event_id": f"comment{row}", "type": "comment", **who})
    rooms = ("live_end", "live_start")
    return sorted(
        [*_room_events(), *events], key=lambda e: (e["ts_ms"], rooms.index(e["type"]) if e["type"] in rooms else 2)
    )


def _room_events() -> list[Event]:
    """live_start of each run, and its live_end at the next run's start in the same event."""
    events: list[Event] = []
    runs = run_rows()
    for row, run in enumerate(runs):
        who = {"anchor_id": run["anchor"], "live_id": f"{run['event']}/{row}"}
        events.append({"event_id": f"start{row}", "type": "live_start", "ts_ms": int(run["start_ms"]), **who})
        if row + 1 < len(runs) and runs[row + 1]["event"] == run["event"]:
            end_ms = int(runs[row + 1]["start_ms"])
            events.append({"event_id": f"end{row}", "type": "live_end", "ts_ms": end_ms, **who})
    return events
