"""What a scoring process knows of several partitions: each anchor and user by its own partition's time."""

from collections.abc import Callable
from typing import Any

import pytest

from rtrec.events.ids import partition_of
from rtrec.ports import StoreAway
from rtrec.ranking.anchor_state import AnchorState
from rtrec.ranking.requests import Filter, ScoreRequest
from rtrec.runtime import knowledge as knowledge_module
from rtrec.runtime.knowledge import Knowledge
from rtrec.runtime.serving import Serving
from rtrec.settings import Events, Heat, Learner, Settings, Users
from rtrec.settings_cluster import Cluster
from rtrec.stages.control import anchor_state_message, erase_message
from tests.unit.runtime.cluster.rig import Troubled
from tests.unit.runtime.cluster.stages import Stages, event, names_of

PARTITIONS = 4
DAY_MS = 86_400_000
NOW_MS = 1_790_000_000_000
SETTINGS = Settings(
    learner=Learner(slots_log2=10), cluster=Cluster(partitions=PARTITIONS), users=Users(ttl_days=3),
    events=Events(late_ms=DAY_MS), heat=Heat(lease_ms=30 * DAY_MS),
)  # fmt: skip
QUIET, BUSY = next(names_of(0, PARTITIONS)), next(names_of(1, PARTITIONS))


@pytest.fixture
def stages(store: Troubled) -> Stages:
    return Stages(SETTINGS, store)


@pytest.fixture(params=["followed", "on demand"])
def known(request: pytest.FixtureRequest, store: Troubled, stages: Stages) -> Callable[[], Knowledge]:
    """Makes what a process knows, once the stages have done their work."""
    del stages

    def make() -> Knowledge:
        made = Knowledge(SETTINGS, store, lambda: NOW_MS, PARTITIONS)
        if request.param == "followed":
            made.follow()
        return made

    return make


def shown(known: Knowledge, anchor: str) -> dict[str, Any]:
    answer = Serving(known, lambda *_: None, lambda _: None).anchor(anchor)
    assert answer is not None
    return answer


def test_an_anchor_expires_by_its_own_partitions_time(stages: Stages, known: Callable[[], Knowledge]) -> None:
    """A partition that fell quiet a week ago keeps what it had, while another one's time went on."""
    long_ago = NOW_MS - 7 * DAY_MS
    stages.take(event("gift", QUIET, long_ago, "u", value=500), event("gift", BUSY, long_ago, "u", value=500))
    stages.take(event("like", BUSY, NOW_MS, "u"))
    of = known()
    assert of.view.newest_ms(QUIET) == long_ago
    assert of.view.newest_ms(BUSY) == NOW_MS
    quiet = Serving(of, lambda *_: None, lambda _: None).anchor(QUIET, long_ago)
    assert quiet is not None
    assert quiet["windows"]["gift_value"]["24h"] == 500
    assert shown(of, BUSY)["windows"]["gift_value"]["24h"] == 0


def test_idle_anchors_leave_memory_by_their_own_partitions_time(stages: Stages, store: Troubled) -> None:
    long_ago = NOW_MS - 7 * DAY_MS
    idle = next(name for name in names_of(1, PARTITIONS, "idle"))
    for anchor in (QUIET, idle):
        stages.take(event("gift", anchor, long_ago, "u", value=1))
    stages.take(event("like", BUSY, NOW_MS, "u"))
    of = Knowledge(SETTINGS, store, lambda: NOW_MS, PARTITIONS)
    of.follow()
    assert set(of.view.table.slots) == {QUIET, BUSY}
    of.view.drop_idle()
    assert set(of.view.table.slots) == {QUIET, BUSY}
    stages.take(event("like", next(names_of(0, PARTITIONS, "other")), NOW_MS, "u"))
    of.refresh_times()
    of.view.drop_idle()
    assert set(of.view.table.slots) == {BUSY}


def test_values_of_anchors_of_several_partitions_come_in_the_order_asked(
    stages: Stages, known: Callable[[], Knowledge]
) -> None:
    """Vectorized over all of them, each row is what it is alone."""
    anchors = [next(names_of(n, PARTITIONS, "v")) for n in (3, 0, 2, 1)]
    for place, anchor in enumerate(anchors):
        at_ms = NOW_MS - (0 if place % 2 else 2 * DAY_MS)
        stages.take(event("gift", anchor, at_ms, "u", value=100 * (place + 1)))
    stages.take(event("like", next(names_of(2, PARTITIONS, "w")), NOW_MS, "u"))
    of = known()
    of.ensure(anchors)
    with of.view.lock:
        together = of.view.values(of.view.places(anchors), NOW_MS)
        alone = [of.view.values(of.view.places([anchor]), NOW_MS)[0] for anchor in anchors]
    assert [row.tolist() for row in together] == [row.tolist() for row in alone]


def test_a_user_expires_by_the_users_partitions_time(stages: Stages, known: Callable[[], Knowledge]) -> None:
    quiet, busy = next(names_of(0, PARTITIONS, "u")), next(names_of(1, PARTITIONS, "u"))
    other = next(name for name in names_of(1, PARTITIONS, "w"))
    long_ago = NOW_MS - 4 * DAY_MS
    for user in (quiet, busy):
        stages.take(event("gift", BUSY, long_ago, user, value=3))
    stages.take(event("gift", BUSY, NOW_MS, other, value=3))
    of = known()
    assert of.record(quiet) is not None
    assert of.record(busy) is None
    assert of.record(other) is not None
    assert of.record("nobody") is None


def test_the_board_is_of_all_partitions(stages: Stages, known: Callable[[], Knowledge]) -> None:
    anchors = [next(names_of(n % PARTITIONS, PARTITIONS, f"h{n}-")) for n in range(12)]
    for place, anchor in enumerate(anchors):
        stages.take(event("gift", anchor, NOW_MS, f"u{place}", value=10 * (place + 1), live_id="l"))
    of = known()
    board = [anchor for anchor, _ in of.hottest(5, Filter(), NOW_MS)]
    assert board == anchors[:-6:-1]
    assert shown(of, anchors[-1])["heat"]["rank"] == 1
    of.control_changed([anchor_state_message(anchors[-1], AnchorState(banned=True), NOW_MS)[1]])
    assert next(iter(of.hottest(5, Filter(), NOW_MS)))[0] == anchors[-2]
    assert shown(of, anchors[-1])["live"] is False


def test_an_erasure_hides_a_record_that_its_stage_has_not_erased_yet(
    stages: Stages, known: Callable[[], Knowledge]
) -> None:
    stages.take(event("gift", BUSY, NOW_MS - 1_000, "u", value=3))
    of = known()
    assert of.record("u") is not None
    of.control_changed([erase_message("u", NOW_MS)[1]])
    assert of.record("u") is None


class Clock:
    """The monotonic clock of what a process knows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr("rtrec.runtime.knowledge.time.monotonic", lambda: self.now_s)


def test_it_is_stale_by_the_clock_whatever_the_follower_is_waiting_for(
    stages: Stages, store: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that hangs says nothing: whoever asks sees how long ago it was followed."""
    clock = Clock(monkeypatch)
    stages.take(event("gift", BUSY, NOW_MS, "u", value=3, live_id="l"))
    of = Knowledge(SETTINGS, store, lambda: NOW_MS, PARTITIONS)
    of.follow()
    found = [of.stale]  # nobody follows: a folder's reader, an embedded host
    for later_s in (knowledge_module.STALE_S, 0.01):
        of.followed_s = of.followed_s or clock.now_s
        clock.now_s += later_s
        found.append(of.stale)
    of.followed_s = clock.now_s
    assert [*found, of.stale] == [False, False, True, False]


def test_while_it_is_stale_no_request_asks_the_store_and_every_score_is_answered(
    stages: Stages, store: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that hangs would hold up the event loop once a request."""
    clock = Clock(monkeypatch)
    stages.take(event("gift", BUSY, NOW_MS, "u", value=3, live_id="l"))
    of = Knowledge(SETTINGS, store, lambda: NOW_MS, PARTITIONS)
    of.follow()
    of.followed_s = clock.now_s
    serving = Serving(of, lambda *_: None, lambda _: None)
    fresh = serving.score(ScoreRequest(candidates=[BUSY], user_id="u"))
    assert fresh["degraded"] == ["batch_model"]
    clock.now_s += 10.0
    monkeypatch.setattr(store, "get", _asked)
    monkeypatch.setattr(store, "top", _asked)
    stale = serving.score(ScoreRequest(candidates=[BUSY, "nobody"], user_id="u"))
    assert stale["degraded"] == ["batch_model", "stale_features", "store", "user_record"]
    assert stale["scores"][0]["live"]
    assert serving.score(ScoreRequest(candidates=[BUSY]))["degraded"] == ["batch_model", "stale_features"]
    assert serving.hot(5)["anchors"][0]["anchor_id"] == BUSY
    assert serving.anchor(BUSY) is not None
    assert serving.anchor("nobody") is None
    with pytest.raises(StoreAway):
        serving.user("u")


def _asked(*_: object) -> None:
    raise AssertionError("the store was asked")


def test_partitions_agree_with_the_stages() -> None:
    assert (partition_of(QUIET, PARTITIONS), partition_of(BUSY, PARTITIONS)) == (0, 1)
