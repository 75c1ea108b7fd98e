"""Who an action belongs to, what waits, what is dropped, and that each of it is counted."""

from rtrec.events.schema import CLICK, FOLLOW, GIFT, VIEW_END, VIEW_START
from rtrec.labels.exposure import Example, ScoredRow
from rtrec.labels.join import Join
from rtrec.settings import HEADS, Labels
from tests.unit.labels.label_streams import T0, Input, action, impression

S = 1_000
CLICK_ONLY = Labels(heads=("click",))


def joined(inputs: list[Input], until_ms: int = 0, settings: Labels = CLICK_ONLY) -> Join:
    join = Join(settings)
    join.meet(inputs)
    join.advance(T0 + until_ms)
    join.settle()
    return join


def positives(join: Join) -> list[int]:
    """Times of the impressions that were clicked, after T0."""
    return [one.ts_ms - T0 for one in join.examples if one.label]


def test_an_action_belongs_to_its_request_before_the_latest() -> None:
    """(request_id, anchor) is stronger than the latest impression of (user, anchor)."""
    two = [impression(0, request_id="r1"), impression(5, request_id="r2")]
    assert positives(joined([*two, action(CLICK, 9, request_id="r1")])) == [0]
    assert positives(joined([*two, action(CLICK, 9, request_id="r3")])) == [5]
    assert positives(joined([*two, action(CLICK, 9)])) == [5]


def test_the_latest_impression_is_the_latest_before_the_action() -> None:
    """An impression after the action cannot have caused it."""
    assert positives(joined([impression(0), impression(5), action(CLICK, 3)])) == [0]


def test_a_duplicate_impression_is_a_new_exposure() -> None:
    """The same (request, anchor) under another event id: the latest gets the click, the first gets none."""
    twice = [impression(0, request_id="r"), impression(2, request_id="r")]
    join = joined([*twice, action(CLICK, 3, request_id="r")], 90 * S)
    assert [(one.ts_ms - T0, one.label) for one in join.examples] == [(2, 1), (0, 0)]


def test_users_and_anchors_are_kept_apart() -> None:
    """Another user's or another anchor's action is nobody's."""
    assert positives(joined([impression(), action(CLICK, 1, user_id="v"), action(CLICK, 1, anchor_id="b")])) == []


def test_an_action_that_overtook_its_impression_is_joined() -> None:
    """What arrives first waits; the labels are those of the right order."""
    join = joined([action(CLICK, 9 * S), action(GIFT, 12 * S, value=1), impression()], settings=Labels())
    assert [(HEADS[one.head], one.label) for one in join.examples] == [("click", 1), ("gift", 1)]
    assert join.counts["joined"] == 2
    assert join.counts["orphaned"] == 0


def test_a_late_impression_is_judged_as_in_order() -> None:
    """A waiting click behind the impression's deadline is a late positive, whatever came first."""
    join = joined([action(CLICK, 61 * S), impression()])
    assert [one.label for one in join.examples] == [0]
    assert join.counts["late_positive"] == 1


def test_waits_end_and_are_counted() -> None:
    """An action nobody showed the anchor for is orphaned after five minutes, and the impression comes in vain."""
    join = joined([action(CLICK, 0)], 302 * S)
    assert join.counts["orphaned"] == 1
    join.meet([impression(0)])
    assert positives(join) == []


def test_the_newest_32_actions_of_a_user_wait() -> None:
    """The oldest go, counted."""
    join = joined([action(CLICK, at, anchor_id=f"a{at}") for at in range(40)])
    assert join.counts["orphaned"] == 8
    assert [one.ts_ms - T0 for one in join.orphans.users["u"]] == list(range(8, 40))


def test_late_positives_are_counted_once_per_head_until_the_horizon() -> None:
    """The tombstone remembers negatives; after the horizon the action finds nothing."""
    late = joined([impression(), action(CLICK, 70 * S), action(CLICK, 80 * S)])
    assert late.counts["late_positive"] == 1
    assert joined([impression(), action(CLICK, 1_800 * S)]).counts["late_positive"] == 0


def test_a_logged_row_is_preferred() -> None:
    """The API's features win over the shadow's, whichever comes first, for its (user, request, anchor) alone."""
    row = ScoredRow("u", "r", "a", T0, b"logged")
    before, after = Join(CLICK_ONLY), Join(CLICK_ONLY)
    before.scored(row)
    before.meet([impression(1, request_id="r"), action(CLICK, 2), impression(3, request_id="s"), action(CLICK, 4)])
    after.meet([impression(1, request_id="r")])
    after.scored(row)
    after.meet([action(CLICK, 2)])
    assert [one.row for one in before.examples] == [b"logged", b"shadow"]
    assert [one.row for one in after.examples] == [b"logged"]


def test_logged_rows_do_not_move_time_and_end_after_half_an_hour() -> None:
    """A scorer that runs ahead of the events decides nothing; a row not used in 30 minutes goes."""
    join = joined([impression()])
    join.scored(ScoredRow("u", "r", "a", T0 + 1_000 * S, b"logged"))
    assert join.examples == []
    join.advance(T0 + 2_800 * S - 1)
    assert join.rows.users
    join.advance(T0 + 2_800 * S)
    assert not join.rows.users


def test_an_impression_without_features_is_counted_and_gives_no_example() -> None:
    """Neither positives nor negatives nor late positives come from it."""
    join = joined([impression(row=None), action(CLICK, 1)], 90 * S)
    assert join.examples == []
    assert join.counts["no_features"] == 1


def test_open_exposures_are_bounded() -> None:
    """Per user and in all, the oldest go, counted."""
    per_user = joined([impression(at) for at in range(5)], 90 * S, Labels(heads=("click",), pending_per_user=3))
    assert [one.ts_ms - T0 for one in per_user.examples] == [2, 3, 4]
    in_all = joined(
        [impression(at, user_id=f"u{at}") for at in range(5)], 90 * S, Labels(heads=("click",), pending_total=2)
    )
    assert [one.ts_ms - T0 for one in in_all.examples] == [3, 4]
    assert (per_user.counts["overflow_user"], in_all.counts["overflow_total"]) == (2, 3)


def test_deadlines_fire_by_time_then_user_then_arrival() -> None:
    """The order of examples is the order of deadlines, not of arrival."""
    shown = [(5, "b"), (5, "a"), (1, "c"), (5, "a")]
    fired = joined([impression(at, user_id=user_id) for at, user_id in shown], 90 * S).examples
    assert [(one.ts_ms - T0, one.user_id) for one in fired] == [(1, "c"), (5, "a"), (5, "a"), (5, "b")]


def test_a_reversal_is_counted_where_its_gift_was_a_positive() -> None:
    """Never an example, never an action."""
    view = [impression(), action(VIEW_START, 1)]
    back: Input = (action(GIFT, 2, value=1, reversal=True)[0], None)
    assert joined([*view, action(GIFT, 2, value=1), back], settings=Labels()).counts["reversed"] == 1
    assert joined([*view, back], settings=Labels()).counts["reversed"] == 0
    assert len(joined([*view, back], settings=Labels()).examples) == 1


def test_actions_of_no_configured_head_are_passed_over() -> None:
    """They wait for nothing and count nothing: a chat without impressions costs nothing."""
    join = joined([action(FOLLOW, at) for at in range(9)], 400 * S)
    assert not +join.counts


def test_an_example_carries_its_impression() -> None:
    """Time, position and surface are the impression's."""
    join = joined([impression(7, position=3, surface="feed"), action(VIEW_END, 8, watch_ms=1), action(CLICK, 9)])
    assert join.examples == [Example(0, 1, 1.0, b"shadow", T0 + 7, "u", "a", 3, "feed")]
