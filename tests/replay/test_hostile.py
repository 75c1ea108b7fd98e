"""Hostile input is refused line by line, with a reason and at a bounded cost, and harms nothing beside it."""

import random
import re
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

from rtrec.runtime.embedded import Embedded
from rtrec.settings import Settings
from tests.oracle.anchors import Partition
from tests.oracle.compare import differences
from tests.replay.command import folder_bytes, rtrec
from tests.replay.hostility import hostile_line, long_line
from tests.replay.streams import Event, Shape, lines, stream

HOSTILE = 10_000
LONG_LINES = 5
KIB = 1_024
REASON = re.compile(r"^[a-z_][\w.\[\]]*: \S.*$", re.DOTALL)


def good_events(count: int) -> list[Event]:
    """Events of which every one is accepted."""
    shape = Shape(31, count, anchors=20, users=200, very_late=0.0, duplicates=0.0, reversals=0.0, jumps=0.0, drills=0.0)
    return stream(shape)


def example(events: list[Event]) -> Event:
    """A good gift to make bad ones of."""
    return next(event for event in events if event["type"] == "gift" and isinstance(event["user_id"], str))


def write(path: Path, rows: list[bytes]) -> Path:
    """A file of lines."""
    path.write_bytes(b"".join(row + b"\n" for row in rows))
    return path


def test_ten_thousand_hostile_lines_among_good_ones(tmp_path: Path) -> None:
    """Exit 0; each hostile line is one dead letter with its hash and a reason; the others count, exactly."""
    rng, events = random.Random(32), good_events(10_000)
    gift = example(events)
    bad = [hostile_line(rng, gift | {"event_id": f"bad{n}"}) for n in range(HOSTILE - LONG_LINES)]
    bad += [long_line(rng, gift) for _ in range(LONG_LINES)]
    places = sorted(rng.sample(range(len(events) + len(bad)), len(bad)))
    rng.shuffle(bad)
    rows = lines(events)
    for place, line in zip(places, bad, strict=True):
        rows.insert(place, line)

    data = tmp_path / "data"
    report = rtrec("replay", write(tmp_path / "mixed.jsonl", rows), "--data", data, "--json", cwd=tmp_path)
    listed = rtrec("deadletters", "list", "--data", data, "--limit", "10000", "--json", cwd=tmp_path)["dead_letters"]

    counts = [report[name] for name in ("events", "accepted", "duplicates", "dead_letters", "rejected")]
    assert counts == [len(rows), len(events), 0, len(bad), len(bad)]
    assert [letter["reason"] for letter in listed if not REASON.match(letter["reason"])] == []
    letters = Counter((letter["length"], letter["sha256"]) for letter in listed)
    assert letters == Counter((len(line), sha256(line).hexdigest()) for line in bad)
    assert folder_bytes(data) <= 160 * KIB * len(bad)
    assert faults(data, events) == []


def test_long_lines_are_kept_by_their_first_64_kib(tmp_path: Path) -> None:
    """Ten lines of 10 MB grow the data folder by at most 160 KiB each."""
    rng, events, data = random.Random(33), good_events(2_000), tmp_path / "data"
    rtrec("replay", write(tmp_path / "good.jsonl", lines(events)), "--data", data, "--json", cwd=tmp_path)
    before_bytes = folder_bytes(data)
    rows = [long_line(rng, example(events)) for _ in range(10)]
    report = rtrec("replay", write(tmp_path / "long.jsonl", rows), "--data", data, "--json", cwd=tmp_path)
    assert report["dead_letters"] == len(rows)
    assert folder_bytes(data) - before_bytes <= 160 * KIB * len(rows)


def test_refusals_that_need_state_are_dead_letters_too(tmp_path: Path) -> None:
    """Too late by a millisecond, and reversals of nobody's or another anchor's gift: a reason each, no trace."""
    events = good_events(500)
    newest_ms = max(event["ts_ms"] for event in events)
    gift = example(events)
    back = {"type": "gift", "user_id": "u1", "ts_ms": newest_ms}
    bad: list[Event] = [
        gift | {"event_id": "b1", "ts_ms": newest_ms - 90_000_001, "txn_id": "b1"},
        back | {"event_id": "b2", "anchor_id": gift["anchor_id"], "reversal_of": "nobody"},
        back | {"event_id": "b3", "anchor_id": "elsewhere", "reversal_of": gift["event_id"]},
    ]
    data, source = tmp_path / "data", write(tmp_path / "late.jsonl", lines([*events, *bad]))
    report = rtrec("replay", source, "--data", data, "--json", cwd=tmp_path)
    listed = rtrec("deadletters", "list", "--data", data, "--json", cwd=tmp_path)["dead_letters"]
    assert (report["accepted"], report["dead_letters"]) == (len(events), 3)
    fields = [letter["reason"].split(":")[0].split(".")[-1] for letter in listed]
    assert sorted(fields) == ["reversal_of", "reversal_of", "ts_ms"]
    assert faults(data, events) == []


def faults(data: Path, events: list[Event]) -> list[str]:
    """In what the anchors of a data folder differ from brute force over the good events."""
    oracle = Partition().feed((event, int(time.time() * 1_000)) for event in events)
    assert oracle.newest_ms is not None
    found = [] if set(oracle.verdicts) == {"accepted"} else ["the good events are not all good"]
    with Embedded.open(data, Settings()) as host:
        for anchor_id in oracle.anchors:
            answer = host.show_anchor(anchor_id, at_ms=oracle.newest_ms)
            expected = oracle.show(anchor_id, oracle.newest_ms)
            found += [f"{anchor_id}: {fault}" for fault in differences(answer, expected)]
    return found
