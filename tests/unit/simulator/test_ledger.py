"""The app's books: the contract's counters, reversals, click-through by variant."""

from rtrec.simulator.ledger import COUNTERS, RECENT, Bucket, Ledger
from rtrec.simulator.pace import Fields
from rtrec.simulator.simulation import Simulation

START_MS = 1_700_000_000_000


def test_a_stream_is_counted_as_the_contract_means_it() -> None:
    events = list(Simulation(5, viewers=200, anchors=20).events(20_000, START_MS))

    def total(kinds: tuple[str, ...], name: str | None = None) -> int:
        return sum(int(str(event[name])) if name else 1 for event in events if event["type"] in kinds)

    ledger = Ledger()
    ledger.take(events)
    assert {one: ledger.totals[one] for one in COUNTERS} == {
        "views": total(("view_start",)),
        "watch_ms": total(("view_heartbeat", "view_end"), "watch_ms"),
        "impressions": total(("impression",)),
        "clicks": total(("click",)),
        "gifts": total(("gift",), "count"),
        "gift_value": total(("gift",), "value"),
        "comments": total(("comment",)),
        "likes": total(("like",), "count"),
        "follows": total(("follow",)),
        "shares": total(("share",)),
    }
    assert all(ledger.totals[one] > 0 for one in COUNTERS)


def test_a_reversal_takes_out_its_originals_pieces_and_value() -> None:
    ledger = Ledger()
    gift: Fields = {"event_id": "g", "type": "gift", "value": 70, "count": 3}
    ledger.take([gift, gift | {"event_id": "h"}, {"event_id": "r", "type": "gift", "value": 0, "reversal_of": "g"}])
    assert (ledger.totals["gifts"], ledger.totals["gift_value"]) == (3, 70)


def test_click_through_counts_what_requests_have_shown_by_the_users_variant() -> None:
    """A click in search, which no request has shown, counts for no bucket."""
    ledger = Ledger(variant_of={"u": "default", "v": "heat_only"})
    shown: Fields = {"event_id": "1", "type": "impression", "user_id": "u", "request_id": "r"}
    clicked = shown | {"type": "click"}
    ledger.take([shown, shown, clicked, clicked | {"user_id": "v"}, {"event_id": "2", "type": "click", "user_id": "u"}])
    assert (ledger.buckets["default"].impressions, ledger.buckets["default"].clicks) == (2, 1)
    assert ledger.buckets["default"].rate == 0.5
    assert (ledger.buckets["heat_only"].impressions, ledger.buckets["heat_only"].clicks) == (0, 1)


def test_the_recent_rate_forgets() -> None:
    """A thousand impressions without a click leave nothing of an earlier success."""
    bucket = Bucket()
    for clicked in (*(False, True) * 500, *(False,) * RECENT):
        bucket.add(clicked=clicked)
    assert (bucket.rate, bucket.recent_rate) == (500 / 1_500, 0.0)
