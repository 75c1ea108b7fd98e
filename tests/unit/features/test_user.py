from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events import schema
from rtrec.events.user_events import UserEvent
from rtrec.features.user import MAX_FAMILIAR, MAX_TASTES, MAX_VIEWS, UserRecord, advance, spend_at, taste_shares
from rtrec.settings import Users
from tests.unit.features.user_streams import DAY_MS, HOUR_MS, T0, recorded, user_event, user_events

MINUTE_MS = 60_000
WINDOWS = ((60_000, 600_000), (300_000, 3_600_000), (3_600_000, 86_400_000))


def gift(ts_ms: int, value: int, *, reversal: bool = False, anchor_id: str = "a1") -> UserEvent:
    return user_event(schema.GIFT, ts_ms, anchor_id, value=value, reversal=reversal)


@given(st.lists(user_events(), max_size=60))
def test_counts_of_an_anchor_are_sums_over_its_events_in_any_order_of_arrival(events: list[UserEvent]) -> None:
    events = [event for event in events if not event.reversal]
    record = recorded(*events)
    views: Counter[str] = Counter()
    watch: Counter[str] = Counter()
    gifts: Counter[str] = Counter()
    last: dict[str, int] = {}
    for event in events:
        if event.type == schema.USER_PROFILE:
            continue
        views[event.anchor_id] += event.type == schema.VIEW_START
        watch[event.anchor_id] += event.event.watch_ms or 0
        gifts[event.anchor_id] += event.value
        last[event.anchor_id] = max(last.get(event.anchor_id, 0), event.ts_ms)
    assert {
        anchor_id: (views[anchor_id], watch[anchor_id], gifts[anchor_id], last[anchor_id]) for anchor_id in last
    } == {
        anchor_id: (known.views, known.watch_ms, known.gift_value, known.last_ts_ms)
        for anchor_id, known in record.familiarity.items()
    }


@given(st.lists(user_events(), max_size=60))
def test_orders_by_time_hold_whatever_the_order_of_arrival(events: list[UserEvent]) -> None:
    record = recorded(*events)
    contacts = [known.last_ts_ms for known in record.familiarity.values()]
    starts = [view.ts_ms for view in record.views]
    assert contacts == sorted(contacts)
    assert starts == sorted(starts)
    assert record.last_ts_ms == max((event.ts_ms for event in events if not event.reversal), default=0)


def test_the_100_anchors_of_latest_contact_stay_and_a_late_one_does_not_push_them_out() -> None:
    events = [user_event(schema.IMPRESSION, T0 + step, f"a{step}") for step in range(MAX_FAMILIAR + 5)]
    record = recorded(*events, user_event(schema.CLICK, T0 + 2, "late"))
    assert list(record.familiarity) == [f"a{step}" for step in range(5, MAX_FAMILIAR + 5)]


def test_exposures_count_impressions_since_the_last_click_or_view_start() -> None:
    record = UserRecord()
    seen = []
    for step, kind in enumerate(
        [schema.IMPRESSION, schema.IMPRESSION, schema.CLICK, schema.IMPRESSION, schema.VIEW_START, schema.IMPRESSION]
    ):
        advance(record, user_event(kind, T0 + step), Users())
        seen.append(record.familiarity["a1"].exposures_since_click)
    assert seen == [1, 2, 0, 1, 0, 1]


EDGES = st.builds(lambda hours, hop_ms, off_ms: T0 - T0 % HOUR_MS + hours * HOUR_MS + hop_ms + off_ms,
                  st.sampled_from([0, 1, 2, 24, 25, 26]), st.sampled_from([0, 60_000, 300_000, 600_000]),
                  st.sampled_from([-1, 0, 1]))  # fmt: skip
"""Times on both sides of tiles' edges, a window or so apart."""


@given(st.lists(st.tuples(EDGES, st.integers(1, 10_000), st.booleans()), max_size=40), EDGES)
def test_a_spend_window_is_the_sum_of_the_gifts_that_stand_in_it(
    gifts: list[tuple[int, int, bool]], read_ms: int
) -> None:
    """Late gifts and reversals included; tiles are bounded."""
    record = UserRecord()
    for ts_ms, value, _ in gifts:
        advance(record, gift(ts_ms, value), Users())
    for ts_ms, value, reversed_too in gifts:
        if reversed_too:
            advance(record, gift(ts_ms, value, reversal=True), Users())
    now_ms = max(read_ms, record.last_ts_ms)
    standing = [(ts_ms, value) for ts_ms, value, reversed_too in gifts if not reversed_too]
    expected = tuple(
        sum(value for ts_ms, value in standing if ts_ms >= (now_ms - window_ms) // hop_ms * hop_ms)
        for hop_ms, window_ms in WINDOWS
    )
    assert spend_at(record, read_ms) == expected
    assert [len(tiles) <= bound for tiles, bound in zip(record.spend, (11, 13, 25), strict=True)] == [True] * 3


def test_a_reversal_is_no_activity() -> None:
    """It corrects spend and familiarity at the original's time, and begins no record."""
    record = recorded(gift(T0, 30), gift(T0 + 5, 12), user_event(schema.CLICK, T0 + 9, "a2"))
    advance(record, gift(T0, 30, reversal=True), Users())
    assert spend_at(record, 0) == (12, 12, 12)
    assert record.familiarity["a1"].gift_value == 12
    assert (record.last_ts_ms, list(record.familiarity)) == (T0 + 9, ["a1", "a2"])
    assert recorded(gift(T0, 30, reversal=True)) == UserRecord()


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 5]), st.integers(-24, 24), st.sampled_from("abcd")), min_size=1),
    st.sampled_from([DAY_MS, 7 * DAY_MS + 1]),
)
def test_taste_shares_are_those_of_decayed_weights(starts: list[tuple[int, int, str]], half_life_ms: int) -> None:
    """On both sides of every move of the landmark, and for late events too."""
    period_ms = 64 * half_life_ms
    edge_ms = T0 - T0 % period_ms
    times = [(edge_ms + move * period_ms + hours * HOUR_MS, category) for move, hours, category in starts]
    events = [user_event(schema.VIEW_START, ts_ms, category=category) for ts_ms, category in times]
    newest_ms = max(ts_ms for ts_ms, _ in times)
    weights: dict[str, float] = {}
    for ts_ms, category in times:
        weights[category] = weights.get(category, 0.0) + 2.0 ** ((ts_ms - newest_ms) / half_life_ms)
    total = sum(weights.values())
    shares = taste_shares(recorded(*events, policy=Users(taste_half_life_ms=half_life_ms)))
    for category, weight in weights.items():
        assert shares.get(category, 0.0) == pytest.approx(weight / total, rel=1e-9, abs=1e-30)


@pytest.mark.parametrize(
    ("event", "weight"),
    [
        (user_event(schema.VIEW_START, T0), 1.0),
        (user_event(schema.VIEW_HEARTBEAT, T0, watch_ms=30_000), 0.5),
        (user_event(schema.VIEW_END, T0, watch_ms=86_400_000), 10.0),
        (user_event(schema.CLICK, T0), 2.0),
        (user_event(schema.GIFT, T0, value=1), 3.0),
        (user_event(schema.COMMENT, T0), 0.0),
        (user_event(schema.IMPRESSION, T0), 0.0),
        (user_event(schema.NEGATIVE, T0, kind="report"), 0.0),
    ],
)
def test_what_each_event_adds_to_a_taste(event: UserEvent, weight: float) -> None:
    yardstick = user_event(schema.VIEW_START, T0, category="music")
    shares = taste_shares(recorded(yardstick, event))
    assert shares.get("dance", 0.0) == pytest.approx(weight / (1 + weight))


def test_a_negative_takes_two_from_a_taste_and_never_below_nothing() -> None:
    click, gone = user_event(schema.CLICK, T0), user_event(schema.NEGATIVE, T0, kind="not_interested")
    yardstick = user_event(schema.VIEW_START, T0, category="music")
    assert taste_shares(recorded(yardstick, click, click, gone)) == pytest.approx({"music": 1 / 3, "dance": 2 / 3})
    assert taste_shares(recorded(yardstick, click, gone, gone, click)) == pytest.approx(
        {"music": 1 / 3, "dance": 2 / 3}
    )


def test_at_most_64_tastes_the_weakest_goes() -> None:
    strong = [user_event(schema.CLICK, T0, category=f"c{step}") for step in range(MAX_TASTES)]
    strong[7] = user_event(schema.VIEW_START, T0, category="weak")
    record = recorded(*strong, user_event(schema.GIFT, T0, category="new"))
    assert len(record.tastes) == MAX_TASTES
    assert "weak" not in record.tastes
    assert "new" in record.tastes


def test_a_view_gathers_what_is_watched_until_it_is_silent_for_30_minutes() -> None:
    record = recorded(
        user_event(schema.VIEW_START, T0),
        user_event(schema.VIEW_START, T0 + 1_000, "a2"),
        user_event(schema.VIEW_HEARTBEAT, T0 + 30_000, watch_ms=30_000),
        user_event(schema.VIEW_END, T0 + 60_000, watch_ms=20_000),
        user_event(schema.VIEW_HEARTBEAT, T0 + 60_000 + 40 * MINUTE_MS, watch_ms=7_000),
    )
    assert [(view.anchor_id, view.watch_ms, view.ts_ms - T0) for view in record.views] == [
        ("a1", 50_000, 0), ("a2", 0, 1_000), ("a1", 7_000, 60_000 + 40 * MINUTE_MS),
    ]  # fmt: skip


def test_a_long_view_stays_one_view() -> None:
    beats = [user_event(schema.VIEW_HEARTBEAT, T0 + beat * 30_000, watch_ms=30_000) for beat in range(1, 241)]
    record = recorded(user_event(schema.VIEW_START, T0), *beats)
    assert [view.watch_ms for view in record.views] == [7_200_000]


def test_a_late_heartbeat_belongs_to_the_view_that_had_started_by_then() -> None:
    record = recorded(
        user_event(schema.VIEW_START, T0),
        user_event(schema.VIEW_START, T0 + 90_000),
        user_event(schema.VIEW_HEARTBEAT, T0 + 30_000, watch_ms=30_000),
    )
    assert [view.watch_ms for view in record.views] == [30_000, 0]


def test_the_50_newest_views_stay() -> None:
    record = recorded(*(user_event(schema.VIEW_START, T0 + step) for step in range(MAX_VIEWS + 3)))
    assert [record.views[0].ts_ms, len(record.views)] == [T0 + 3, MAX_VIEWS]


def test_follows_change_one_by_one_and_a_profile_replaces_the_list() -> None:
    follow, unfollow = user_event(schema.FOLLOW, T0, "a1"), user_event(schema.FOLLOW, T0, "a1", on=False)
    other = user_event(schema.FOLLOW, T0, "a2", on=True)
    assert list(recorded(follow, other, follow).follows) == ["a2", "a1"]
    assert list(recorded(follow, other, unfollow).follows) == ["a2"]
    assert list(recorded(follow, user_event(schema.USER_PROFILE, T0, follows=["b", "c"])).follows) == ["b", "c"]
    assert list(recorded(follow, user_event(schema.USER_PROFILE, T0, follows=[])).follows) == []
    assert list(recorded(follow, user_event(schema.USER_PROFILE, T0)).follows) == ["a1"]


def test_follows_and_blocks_are_bounded_by_the_newest() -> None:
    follows = recorded(*(user_event(schema.FOLLOW, T0 + step, f"a{step}") for step in range(2_003))).follows
    blocks = [user_event(schema.NEGATIVE, T0 + step, f"a{step}", kind="block") for step in range(2_003)]
    assert [next(iter(follows)), len(follows)] == ["a3", 2_000]
    assert [next(iter(recorded(*blocks).blocked)), len(recorded(*blocks).blocked)] == ["a3", 2_000]


def test_only_a_block_blocks() -> None:
    kinds = {"block": "a1", "report": "a2", "not_interested": "a3"}
    events = [user_event(schema.NEGATIVE, T0, anchor_id, kind=kind) for kind, anchor_id in kinds.items()]
    assert list(recorded(*events).blocked) == ["a1"]


def test_a_profile_merges_named_attributes_and_touches_no_anchor() -> None:
    record = recorded(
        user_event(schema.USER_PROFILE, T0, set={"city": "Kyiv", "age": 35.0}),
        user_event(schema.USER_PROFILE, T0 + 1, set={"age": 36.0}),
        user_event(schema.USER_PROFILE, T0 + 2),
    )
    assert record.attributes == {"city": "Kyiv", "age": 36.0}
    assert (record.last_ts_ms, record.familiarity) == (T0 + 2, {})


def test_events_of_rooms_leave_no_trace() -> None:
    assert recorded(user_event(schema.LIVE_START, T0), user_event(schema.ANCHOR_PROFILE, T0)) == UserRecord()
