"""The README's promise that one reader makes a model's input, for serving and for training."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.features.vector import ROW
from rtrec.labels import scored
from rtrec.ports import NewRecord
from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import EXAMPLES, SCORED
from rtrec.settings import Attribute as Declared
from rtrec.settings import Features, Settings
from rtrec.stages.learn import ExampleChunk

CITY = Declared(name="city", of="user", crosses=("category",))


def a_minute_ago() -> int:
    return time.time_ns() // 1_000_000 - 60_000


def event(name: str, kind: str, ts_ms: int, **more: Any) -> bytes:
    return json.dumps(
        {"event_id": name, "type": kind, "ts_ms": ts_ms, "anchor_id": "ada", "user_id": "bob"} | more
    ).encode()


def warmed(host: Embedded, at_ms: int) -> None:
    """Bob lives in Turin, has watched ada and given to her; the server answers as of `at_ms`."""
    host.append_lines([
        event("1", "live_start", at_ms - 9_000, live_id="l1", category="dance"),
        event("2", "user_profile", at_ms - 8_000, set={"city": "Turin"}),
        event("3", "impression", at_ms - 7_000), event("4", "view_start", at_ms - 6_000),
        event("5", "gift", at_ms - 5_000, value=500),
    ])  # fmt: skip
    host.drain()
    host.serving.known.follow()
    host.serving.known.refresh_times()
    host.serving.known.now_ms = lambda: at_ms


def scored_row(host: Embedded) -> bytes:
    """What a request logs, handed on to the label stage as a live host does."""
    host.serving.score(ScoreRequest(candidates=["ada"], user_id="bob", request_id="r1", context={"surface": "feed"}))
    logged = host.serving.queue.popleft()[1]
    host.append(SCORED, [NewRecord(logged)])
    return scored.decode(logged)[0].row


def learned_rows(host: Embedded, from_ms: int) -> NDArray[np.void]:
    """Rows that examples from a time on were learned from."""
    found = [np.zeros(0, ROW)]
    for record in host.folder.log.read(EXAMPLES, 0, 0, 100):
        chunk = msgspec.msgpack.decode(record.value, type=ExampleChunk)
        found.append(np.frombuffer(chunk.rows, ROW)[np.frombuffer(chunk.ts_ms, np.int64) >= from_ms])
    return np.concatenate(found)


def test_training_reads_the_row_that_scoring_used(tmp_path: Path) -> None:
    """The click after a scored impression is learned from the request's own row, byte for byte."""
    at_ms = a_minute_ago()
    with Embedded.open(tmp_path, Settings(features=Features(attributes=(CITY,)))) as host:
        warmed(host, at_ms)
        row = scored_row(host)
        more = {"request_id": "r1", "surface": "feed"}
        host.append_lines([event("6", "impression", at_ms + 100, **more), event("7", "click", at_ms + 900, **more)])
        host.drain()
        rows = learned_rows(host, at_ms)
    assert len(rows)
    assert rows["attributes"].any()
    assert {one.tobytes() for one in rows} == {row}


def test_an_impression_that_nobody_scored_gets_the_same_bits(tmp_path: Path) -> None:
    """HEAT's and PROFILE's shadow row, made on the way, is the row that scoring makes at that moment."""
    at_ms = a_minute_ago()
    with Embedded.open(tmp_path, Settings(features=Features(attributes=(CITY,)))) as host:
        warmed(host, at_ms)
        row = scored_row(host)
        host.append_lines([event("6", "impression", at_ms, surface="feed"), event("7", "click", at_ms + 900)])
        host.drain()
        rows = learned_rows(host, at_ms)
    assert len(rows)
    assert rows["attributes"].any()
    assert {one.tobytes() for one in rows} == {row}
