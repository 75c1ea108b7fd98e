"""Bans and erasures: in force at once, behind no queue, merged as said, and honoured for ever."""

import itertools
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rtrec.events.ids import hash_id
from rtrec.features.vector import ROW
from rtrec.labels import scored
from rtrec.ports import NewRecord
from rtrec.ranking.requests import RecommendRequest, ScoreRequest
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import CONTROL, EVENTS, EXAMPLES
from rtrec.runtime.journey import LABEL, PROFILE
from rtrec.settings import Labels, Learner, Settings
from rtrec.stages.control import ERASED, Message
from rtrec.stages.label import PENDING
from rtrec.stages.learn import ExampleChunk
from rtrec.stages.profile import user_key
from tests.integration.serving import Served, eventually

SETTINGS = Settings(learner=Learner(slots_log2=16))
LEASE_MS = 600_000
ERASED_AHEAD_MS = 60_000
BACKLOG = 150_000
_numbers = itertools.count()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def event(kind: str, anchor_id: str = "a", user_id: str | None = "u", **more: Any) -> dict[str, Any]:
    made = {"event_id": f"t{next(_numbers)}", "type": kind, "ts_ms": now_ms(), "anchor_id": anchor_id}
    return made | ({"user_id": user_id} if user_id else {}) | more


def append(host: Embedded, *events: dict[str, Any]) -> None:
    """Into the log only."""
    host.append_lines([json.dumps(one).encode() for one in events], durable=False)


def take(host: Embedded, *events: dict[str, Any]) -> None:
    """Through all stages."""
    append(host, *events)
    host.drain()


def rooms(*anchors: str) -> list[dict[str, Any]]:
    """Live, hot rooms."""
    return [
        made
        for one in anchors
        for made in (
            event("live_start", one, None, lease_ms=LEASE_MS, live_id=f"{one}-l"),
            event("gift", one, "giver", value=500),
        )
    ]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Embedded]:
    """A host that serves from memory as a live one does, and steps when told."""
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, *rooms("a", "b"))
        host.serving.known.follow()
        yield host


def eligible(host: Embedded, anchor: str, **user: Any) -> bool:
    answer = host.serving.score(ScoreRequest(candidates=[anchor], user_id="u", user=user))
    found: bool = answer["scores"][0]["eligible"]
    return found


def listed(host: Embedded) -> tuple[set[str], set[str]]:
    """Who is recommended, and who is on the heat board."""
    recommended = host.serving.recommend(RecommendRequest(user_id="u", n=200))["items"]
    return {one["anchor_id"] for one in recommended}, {one["anchor_id"] for one in host.serving.hot(1_000)["anchors"]}


# Bans


def test_a_ban_holds_at_once_while_events_are_far_behind(tmp_path: Path) -> None:
    """Over HTTP, `events` hundreds of thousands behind: gone everywhere within 2 s of the PUT, and so after a kill."""
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, *rooms("a", "b"))
        append(
            host,
            *(
                event("view_heartbeat", f"x{number % 500}", f"u{number % 5_000}", watch_ms=5)
                for number in range(BACKLOG)
            ),
        )
    served = Served(tmp_path / "data")
    try:
        assert api_listed(served, "a") == [True, True, True]
        began_s = time.monotonic()
        assert served.client.put("/v1/anchors/a/state", json={"banned": True}).status_code == 204
        eventually(lambda: api_listed(served, "a") == [False, False, False], 2.0)
        took_s = time.monotonic() - began_s
        assert lag(served) > 0, "the backlog was gone before the ban was seen: it proves nothing"
        assert api_listed(served, "b") == [True, True, True]
        assert took_s < 2.0
        assert served.end(signal.SIGKILL) == -signal.SIGKILL
        served = Served(tmp_path / "data")
        assert api_listed(served, "a") == [False, False, False], "a kill does not lift it"
        assert served.end() == 0
    finally:
        served.kill()


def api_listed(served: Served, anchor: str) -> list[bool]:
    """Whether an anchor is eligible, recommended, on the heat board."""
    client = served.client
    scored = client.post("/v1/score", json={"candidates": [anchor]}).json()["scores"][0]["eligible"]
    items = client.post("/v1/recommend", json={"user_id": "u", "n": 200, "candidates": [anchor]}).json()["items"]
    board = client.get("/v1/hot?n=1000").json()["anchors"]
    return [scored, anchor in [one["anchor_id"] for one in items], anchor in [one["anchor_id"] for one in board]]


def lag(served: Served) -> float:
    """Events that are not committed."""
    page = served.client.get("/metrics").text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in page if line.startswith("rtrec_lag_events"))


def test_a_ban_that_no_stage_has_met_yet_outlives_a_kill(tmp_path: Path) -> None:
    """Durable in `control` and no more, as a kill right after the answer leaves it."""
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, *rooms("a"))
        message = Message("anchor_state", now_ms(), anchor_id="a", state={"banned": True})
        host.append(CONTROL, [NewRecord(msgspec.json.encode(message), b"anchor_state/a")])
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        host.serving.known.follow()
        assert not eligible(host, "a")
        host.drain()
        assert not eligible(host, "a")


def test_a_ban_lapses_at_its_time(host: Embedded) -> None:
    host.serving.set_anchor_state("a", {"banned": True, "until_ms": now_ms() + 300})
    assert not eligible(host, "a")
    assert listed(host) == ({"b"}, {"b"})
    eventually(lambda: eligible(host, "a"), 5.0)
    assert listed(host) == ({"a", "b"}, {"a", "b"})


def test_what_has_lapsed_does_not_cut_a_new_ban_short(host: Embedded) -> None:
    """It lapsed as a whole, its end included: a ban without an end has none."""
    host.serving.set_anchor_state("a", {"banned": True, "min_age": 18, "until_ms": now_ms() + 1})
    eventually(lambda: eligible(host, "a"), 5.0)
    host.serving.set_anchor_state("a", {"banned": True})
    assert not eligible(host, "a")
    host.serving.set_anchor_state("a", {"banned": None})
    assert eligible(host, "a"), "and the lapsed age limit has not come back"


def test_a_change_leaves_what_it_does_not_name_and_null_takes_back(host: Embedded) -> None:
    host.serving.set_anchor_state("a", {"banned": True, "reason": "spam"})
    host.serving.set_anchor_state("a", {"mode": "pk", "min_age": 18})
    assert not eligible(host, "a", age=30)
    host.serving.set_anchor_state("a", {"banned": None})
    assert (eligible(host, "a", age=30), eligible(host, "a", age=17), eligible(host, "a")) == (True, False, False)
    host.serving.set_anchor_state("a", {"min_age": None, "regions_deny": ["x"]})
    assert (eligible(host, "a"), eligible(host, "a", region="x"), eligible(host, "a", region="y")) == (
        True,
        False,
        True,
    )
    host.drain()
    kept = host.journey.control.anchor("a", now_ms())
    assert kept == host.serving.known.control.anchor("a", now_ms()), "requests and stages agree"
    assert (kept.banned, kept.mode, kept.min_age, kept.regions_deny, kept.reason) == (False, "pk", None, ["x"], "spam")


# Erasures


def erase(host: Embedded, user_id: str = "u") -> int:
    """Erase, and when that was by the message's own time."""
    host.serving.erase_user(user_id)
    log = host.folder.log
    newest = log.read(CONTROL, 0, log.bounds(CONTROL, 0).end - 1, 1)[0]
    return msgspec.json.decode(newest.value, type=Message).at_ms


def stored(host: Embedded, user_id: str = "u") -> list[bool]:
    """Whether the store holds a user's record, and pending labels."""
    store = host.folder.store
    return [
        store.get(PROFILE, [user_key(user_id)])[0] is not None,
        store.get(LABEL, [PENDING + user_id])[0] is not None,
    ]


def busy_user() -> list[dict[str, Any]]:
    return [
        event("impression", request_id="r"),
        event("click", request_id="r"),
        event("view_start", request_id="r"),
        event("gift", value=70),
        event("follow"),
    ]


def test_an_erased_user_is_gone_at_once_and_from_the_store_with_the_next_step(host: Embedded) -> None:
    take(host, *busy_user())
    assert host.serving.user("u") is not None
    assert stored(host) == [True, True]
    erase(host)
    assert host.serving.user("u") is None
    assert "user_record" in host.serving.score(ScoreRequest(candidates=["a"], user_id="u"))["degraded"]
    host.drain()
    assert stored(host) == [False, False]
    assert host.serving.user("u") is None


def test_events_up_to_a_minute_after_an_erasure_are_dropped_whenever_they_come_and_later_ones_count(
    tmp_path: Path,
) -> None:
    """Also over a restart; the anchors' windows keep them, for they hold no user."""
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, *rooms("a"), *busy_user())
        erased_ms = erase(host)
        take(host, event("gift", value=1, ts_ms=erased_ms - 5_000), event("like", ts_ms=erased_ms))
        assert stored(host) == [False, False]
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        assert host.serving.user("u") is None
        eventually(lambda: now_ms() > erased_ms)
        take(host, event("gift", value=2, ts_ms=erased_ms + ERASED_AHEAD_MS), event("impression", ts_ms=erased_ms))
        assert (host.serving.user("u"), stored(host)) == (None, [False, False])
        take(host, event("gift", value=4, ts_ms=erased_ms + ERASED_AHEAD_MS + 1))
        fresh = host.serving.user("u")
        assert fresh is not None
        assert fresh["gift_value"]["24h"] == 4
        assert (fresh["follows"], fresh["recent_views"]) == ([], [])
        anchor = host.show_anchor("a")
        assert anchor is not None
        assert anchor["windows"]["gift_value"]["24h"] == 500 + 70 + 1 + 2 + 4
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        again = host.serving.user("u")
        assert again is not None
        assert again["gift_value"] == fresh["gift_value"]


def test_pending_labels_and_logged_rows_of_an_erased_user_never_become_examples(tmp_path: Path) -> None:
    """Another user beside, whose labels are decided, tells that time went on."""
    settings = Settings(learner=SETTINGS.learner, labels=Labels(click_wait_ms=100, heads=("click",)))
    with Embedded.open(tmp_path / "data", settings) as host:
        take(host, *rooms("a"), event("impression", user_id="u"), event("impression", user_id="other"))
        erased_ms = erase(host)
        host.append("scored", [NewRecord(scored.encode("r2", "u", erased_ms, "default", "c", 0, ["a"], b"row"))])
        take(host, event("impression", user_id="u", request_id="r2"), event("click", user_id="u", request_id="r2"))
        take(host, event("like", user_id="other", ts_ms=now_ms() + 5_000))
        log = host.folder.log
        chunks = [
            msgspec.msgpack.decode(record.value, type=ExampleChunk)
            for record in log.read(EXAMPLES, 0, 0, log.bounds(EXAMPLES, 0).end)
        ]
        assert stored(host) == [False, False]
        assert (host.counts["label", "erased"], host.counts["profile", "erased"]) == (2, 2)
    users = [int(row["user"]) for chunk in chunks for row in np.frombuffer(chunk.rows, ROW)]
    assert users == [hash_id("other")]


def test_an_erasure_that_no_stage_has_met_yet_outlives_a_kill(tmp_path: Path) -> None:
    """Not found from the first request on, though `events` that name the user wait."""
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, *rooms("a"), *busy_user())
        erase(host)
        append(host, event("gift", value=9))
        assert stored(host) == [True, True]
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        assert host.folder.store.get(PROFILE, [ERASED + "u"]) == [None]
        assert host.serving.user("u") is None
        host.drain()
        assert (host.serving.user("u"), stored(host)) == (None, [False, False])
        assert host.folder.log.bounds(EVENTS, 0).end == len(rooms("a")) + len(busy_user()) + 1
