"""Five years of real donations (206,876 gifts, not in time order) come out as a direct count of the file says."""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rtrec.runtime.embedded import Embedded
from rtrec.settings import Settings
from tests.oracle.anchors import Partition
from tests.oracle.compare import differences
from tests.replay.command import rtrec
from tests.replay.gdq import FOLDER, GIFTS, anchor_events, gift_rows, run_rows

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the shared GDQ data is absent: {FOLDER}")

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
SHARES = (0.02, 0.13, 0.37, 0.61, 0.88)
"""Where the replay stops, as shares of the gifts by time."""
ROOM_FAULTS = ("live", "live_id", "live_since_ms", "viewers")

Answers = dict[str, dict[str, Any]]


@dataclass
class Replayed:
    """The whole log, replayed with five stops, and every anchor's answer at each."""

    folder: Path
    reports: list[dict[str, Any]] = field(default_factory=list)
    stops: dict[int, Answers] = field(default_factory=dict)
    digest: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def go(self, *until: str) -> dict[str, Any]:
        """Replay on, to a time or the end."""
        return rtrec("replay", "--format", "gdq", FOLDER, "--data", self.data, "--json", *until, cwd=self.folder)


def stop_times() -> list[int]:
    """Five times between events, and the newest gift's."""
    gifts = sorted(int(row["ts_ms"]) for row in gift_rows())
    taken = {*gifts, *(int(row["start_ms"]) for row in run_rows())}
    stops = [gifts[int(share * len(gifts))] + 1 for share in SHARES]
    return [next(ms for ms in range(stop, stop + 1_000) if ms not in taken) for stop in stops] + [gifts[-1]]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Replay up to each stop in turn, and ask for every anchor there."""
    state = Replayed(tmp_path_factory.mktemp("gdq"))
    anchors = sorted({row["anchor"] for row in [*gift_rows(), *run_rows()]})
    stops = stop_times()
    for stop in stops:
        state.reports.append(state.go(*(() if stop == stops[-1] else ("--until-ms", str(stop)))))
        with Embedded.open(state.data, Settings()) as host:
            answers = {anchor_id: host.show_anchor(anchor_id, at_ms=stop) for anchor_id in anchors}
        state.stops[stop] = {anchor_id: answer for anchor_id, answer in answers.items() if answer is not None}
    state.digest = rtrec("digest", "--data", state.data, cwd=state.folder)
    return state


def test_every_gift_is_accepted_and_nothing_refused(replayed: Replayed) -> None:
    """206,876 gifts, their comments and the runs' starts and ends; no dead letter, no duplicate."""
    total = {name: sum(report[name] for report in replayed.reports) for name in ("events", "accepted", "dead_letters")}
    rows, runs = gift_rows(), run_rows()
    comments = sum(row["has_comment"] == "1" for row in rows)
    ends = len(runs) - len({run["event"] for run in runs})
    assert len(rows) == GIFTS
    assert total == {"events": GIFTS + comments + len(runs) + ends, "accepted": total["events"], "dead_letters": 0}


def test_a_second_run_accepts_nothing_and_changes_nothing(replayed: Replayed) -> None:
    """The position reached is kept with the data: 0 events, and the digest stands."""
    assert replayed.go()["accepted"] == 0
    assert rtrec("digest", "--data", replayed.data, cwd=replayed.folder) == replayed.digest


def test_day_windows_of_gifts_equal_a_direct_count_of_the_file(replayed: Replayed) -> None:
    """At each stop, for every anchor: number and value of its gifts since the window's start."""
    for stop, answers in replayed.stops.items():
        start_ms = (stop - DAY_MS) // HOUR_MS * HOUR_MS
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for row in gift_rows():
            if start_ms <= int(row["ts_ms"]) <= stop:
                counts[row["anchor"]][0] += 1
                counts[row["anchor"]][1] += int(row["amount_cents"])
        windows = {anchor_id: answer["windows"] for anchor_id, answer in answers.items()}
        shown = {anchor_id: [w["gifts"]["24h"], w["gift_value"]["24h"]] for anchor_id, w in windows.items()}
        assert {anchor_id: sums for anchor_id, sums in shown.items() if sums != [0, 0]} == dict(counts)


def test_every_anchor_equals_brute_force_at_every_stop(replayed: Replayed) -> None:
    """Windows exactly, decayed counters and heat to 1e-9, at five moments and at the newest gift."""
    events, append_ms, fed = anchor_events(), int(time.time() * 1_000), 0
    oracle = Partition()
    for stop, answers in replayed.stops.items():
        upto = sum(event["ts_ms"] <= stop for event in events)
        oracle.feed((event, append_ms) for event in events[fed:upto])
        fed = upto
        assert oracle.anchors.keys() <= answers.keys()
        for anchor_id in oracle.anchors:
            faults = differences(answers[anchor_id], oracle.show(anchor_id, stop))
            assert [fault for fault in faults if fault.split()[0] not in ROOM_FAULTS] == [], f"{anchor_id} at {stop}"
    assert set(oracle.verdicts) == {"accepted"}


def test_the_command_shows_what_the_host_shows(replayed: Replayed) -> None:
    """`rtrec show anchor` on a handful of the liveliest anchors at the newest gift."""
    stop, answers = list(replayed.stops.items())[-1]
    liveliest = sorted(answers, key=lambda anchor_id: -answers[anchor_id]["windows"]["gifts"]["24h"])[:3]
    for anchor_id in liveliest:
        shown = rtrec("show", "anchor", anchor_id, "--data", replayed.data, "--at-ms", str(stop), cwd=replayed.folder)
        assert shown == json.loads(json.dumps(answers[anchor_id]))
