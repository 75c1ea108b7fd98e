"""Idle anchors leave a scorer's memory, and nothing that is asked of them gets lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.embedded import Embedded
from tests.unit.runtime.hosts import SETTINGS, event, now_ms, take

IDLE_MS = SETTINGS.events.late_ms


def filled(host: Embedded) -> None:
    """`old` is idle as of the event of `new`, `edge` not quite."""
    take(
        host,
        event("live_start", "old", None, ts_ms=now_ms() - IDLE_MS - 2_000, live_id="l", category="dance"),
        event("gift", "old", value=500, ts_ms=now_ms() - IDLE_MS - 1_000),
        event("gift", "edge", value=1, ts_ms=now_ms() - IDLE_MS + 60_000),
        event("gift", "new", value=7),
    )


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Embedded]:
    """A host that serves from memory and has followed from the first event."""
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        host.serving.known.follow()
        filled(host)
        yield host


def shown(host: Embedded, anchor: str) -> dict[str, Any]:
    answer = host.serving.anchor(anchor)
    assert answer is not None
    return answer


def in_memory(host: Embedded) -> set[str]:
    return set(host.serving.known.view.table.slots)


def test_an_idle_anchor_leaves_memory_and_those_within_the_time_stay(host: Embedded) -> None:
    assert in_memory(host) == {"old", "edge", "new"}
    before = {anchor: shown(host, anchor) for anchor in ("edge", "new")}
    host.serving.known.view.drop_idle()
    assert in_memory(host) == {"edge", "new"}
    for anchor, answer in before.items():
        assert shown(host, anchor)["windows"] == answer["windows"], "their rows moved together"
    host.serving.known.view.drop_idle()
    assert in_memory(host) == {"edge", "new"}


def test_an_idle_anchor_is_still_answered_with_zeros_and_its_words(host: Embedded) -> None:
    host.serving.known.view.drop_idle()
    answer = shown(host, "old")
    assert {count for windows in answer["windows"].values() for count in windows.values()} == {0}
    assert (answer["live"], answer["category"], answer["heat"]["score"]) == (False, "dance", 0)
    assert host.serving.anchor("nobody") is None


def test_an_idle_anchor_reads_as_unknown_to_scoring(host: Embedded) -> None:
    host.serving.known.view.drop_idle()
    old, nobody = host.serving.score(ScoreRequest(candidates=["old", "nobody"], user_id="w"))["scores"]
    assert (old["live"], old["eligible"], old["feature_age_ms"]) == (False, False, None)
    assert old["heads"] == nobody["heads"]


def test_an_anchor_comes_back_with_its_next_event_words_and_all(host: Embedded) -> None:
    """An event that only implies a room leaves what live_start once said."""
    host.serving.known.view.drop_idle()
    take(host, event("gift", "old", value=40, live_id="l2"))
    assert "old" in in_memory(host)
    answer = shown(host, "old")
    assert (answer["live"], answer["live_id"], answer["category"]) == (True, "l2", "dance")
    assert answer["windows"]["gift_value"]["24h"] == 40
    assert host.serving.hot(1)["anchors"][0]["anchor_id"] == "old"


def test_following_a_folder_takes_all_but_idle_anchors_and_every_word(tmp_path: Path) -> None:
    """A server's start."""
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        filled(host)
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        host.serving.known.follow()
        assert in_memory(host) == {"edge", "new"}
        assert host.serving.known.view.words("old").category == "dance"
        assert shown(host, "new")["windows"]["gift_value"]["24h"] == 7
