"""No row knows of what came after its impression: a sentinel gift, one millisecond late, is looked for everywhere.

The same probe in three places: a request to the API whose logged row is learned from, a replay, an evaluation. Each is
also shown to find the sentinel where it belongs, one millisecond before.
"""

import asyncio
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from rtrec.adapters.prometheus import registry
from rtrec.api.app import create_app
from rtrec.events.ids import hash_id
from rtrec.features.table import DENSE_INDEX
from rtrec.features.vector import ROW
from rtrec.labels import scored
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.evaluation import bench, decide_all
from rtrec.runtime.folder import EXAMPLES, SCORED
from rtrec.runtime.replay import replay
from rtrec.settings import Learner, Settings
from rtrec.sources.events import EventsSource
from rtrec.stages.learn import ExampleChunk

SETTINGS = Settings(learner=Learner(slots_log2=10))
SHOWN_MS = time.time_ns() // 1_000_000 - 60_000
SENTINEL, KNOWN = 77_777, 500
"""Coins: of the sentinel, and of a gift long before, which every row knows."""
SPENT = ("gift_value_5m_log", "gift_value_1h_log", "user_gift_1h_log", "user_gift_24h_log", "pair_gift_log")
REQUEST = "r1"

Event = dict[str, Any]
Probe = Callable[[Path, list[Event], list[Event]], NDArray[Any]]


def event(kind: str, ts_ms: int, **more: Any) -> Event:
    return {"event_id": f"{kind}-{ts_ms}", "type": kind, "ts_ms": ts_ms, "anchor_id": "a", "user_id": "u"} | more


BEFORE = [
    event("live_start", SHOWN_MS - 9_000, live_id="l", category="dance"),
    event("impression", SHOWN_MS - 8_000),
    event("view_start", SHOWN_MS - 7_000),
    event("gift", SHOWN_MS - 6_000, value=KNOWN),
]
IMPRESSION = event("impression", SHOWN_MS, request_id=REQUEST, surface="feed", position=0)
CLICK = event("click", SHOWN_MS + 2_000, request_id=REQUEST, surface="feed")


def lines(events: list[Event]) -> list[bytes]:
    return [json.dumps(one).encode() for one in events]


def learned(host: Embedded) -> NDArray[Any]:
    """The one row that the impression's examples were learned from: each head's is the same."""
    found = [np.zeros(0, ROW)]
    for record in host.folder.log.read(EXAMPLES, 0, 0, 1_000):
        chunk = msgspec.msgpack.decode(record.value, type=ExampleChunk)
        of_impression = np.frombuffer(chunk.ts_ms, np.int64) == SHOWN_MS
        found.append(np.frombuffer(chunk.rows, ROW)[of_impression])
    rows = np.concatenate(found)
    assert len(rows) == len(SETTINGS.labels.heads)
    assert len({row.tobytes() for row in rows}) == 1
    return rows[0]  # type: ignore[no-any-return]


def file_of(folder: Path, events: list[Event]) -> EventsSource:
    path = folder / "events.jsonl"
    path.write_bytes(b"\n".join(lines(events)))
    return EventsSource(str(path))


def replayed(folder: Path, before: list[Event], after: list[Event]) -> NDArray[Any]:
    """Nobody scored: the row is the shadow row."""
    with Embedded.open(folder / "data", SETTINGS) as host:
        host.replay(file_of(folder, [*before, IMPRESSION, *after]))
        decide_all(host)
        return learned(host)


def evaluated(folder: Path, before: list[Event], after: list[Event]) -> NDArray[Any]:
    """The examples of an evaluation, before its store is thrown away."""
    with bench(SETTINGS) as host:
        replay(host, file_of(folder, [*before, IMPRESSION, *after]))
        decide_all(host)
        return learned(host)


def served(folder: Path, before: list[Event], after: list[Event]) -> NDArray[Any]:
    """The API scores as of the impression; the row it logged is the one that is learned from."""
    with Embedded.open(folder / "data", SETTINGS) as host:
        host.append_lines(lines(before))
        host.drain()
        host.serving.known.follow()
        host.serving.known.now_ms = lambda: SHOWN_MS
        posted(host, {"user_id": "u", "candidates": ["a"], "request_id": REQUEST, "context": {"surface": "feed"}})
        logged = scored.decode(host.serving.queue[0][1])[0].row
        host.append_lines(lines([IMPRESSION, *after]))
        host.drain()
        decide_all(host)
        assert host.folder.log.bounds(SCORED, 0).end == 1
        row = learned(host)
        assert row.tobytes() == logged, "training reads the row that scoring used"
        return row


def posted(host: Embedded, body: dict[str, Any]) -> None:
    async def ask() -> httpx.Response:
        app = create_app(host, registry(CollectorRegistry()), SETTINGS)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/v1/score", json=body)

    answer = asyncio.run(ask())
    assert answer.status_code == 200, answer.text


def spent(row: NDArray[Any]) -> dict[str, float]:
    return {name: float(row["dense"][DENSE_INDEX[name]]) for name in SPENT}


PROBES = pytest.mark.parametrize("probe", [served, replayed, evaluated])


@PROBES
def test_a_gift_one_ms_after_the_impression_is_not_in_its_row(tmp_path: Path, probe: Probe) -> None:
    """Same anchor, same user, in the same micro-batch, before its label was decided."""
    gift = event("gift", SHOWN_MS + 1, value=SENTINEL)
    row = probe(tmp_path, BEFORE, [gift, CLICK])
    assert (row["as_of_ms"], row["anchor"], row["user"]) == (SHOWN_MS, hash_id("a"), hash_id("u"))
    assert spent(row) == pytest.approx(dict.fromkeys(SPENT, math.log1p(KNOWN)), abs=1e-4)


@PROBES
def test_without_the_gift_the_row_is_the_same_to_the_last_bit(tmp_path: Path, probe: Probe) -> None:
    """Nothing in a row moves by it: not the numbers of gifts, nor heat, nor a token."""
    rows = []
    for name, after in (("with", [event("gift", SHOWN_MS + 1, value=SENTINEL), CLICK]), ("without", [CLICK])):
        (tmp_path / name).mkdir()
        rows.append(probe(tmp_path / name, BEFORE, after).tobytes())
    assert rows[0] == rows[1]


@PROBES
def test_the_probe_finds_a_gift_one_ms_before_the_impression(tmp_path: Path, probe: Probe) -> None:
    """Or the tests above could not fail."""
    row = probe(tmp_path, [*BEFORE, event("gift", SHOWN_MS - 1, value=SENTINEL)], [CLICK])
    assert spent(row) == pytest.approx(dict.fromkeys(SPENT, math.log1p(KNOWN + SENTINEL)), abs=1e-4)


@pytest.mark.parametrize("probe", [replayed, evaluated])
def test_a_gift_that_happened_before_but_arrived_after_is_not_in_it_either(tmp_path: Path, probe: Probe) -> None:
    """What counts is what had arrived: no scorer could have known of it."""
    row = probe(tmp_path, BEFORE, [event("gift", SHOWN_MS - 1, value=SENTINEL), CLICK])
    assert spent(row) == pytest.approx(dict.fromkeys(SPENT, math.log1p(KNOWN)), abs=1e-4)
