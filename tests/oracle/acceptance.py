"""Which events of one partition count (design §2).

Rules, in this order, with N = the newest accepted event time *before* the event
-------------------------------------------------------------------------------
1. `future`: ts > append time + future_ms.
2. `too_late`: ts < N - late_ms.
3. duplicate: its key was accepted with an arrival stamp A and N - A <= duplicate_ms (a gift: duplicate_gift_ms).
   A gift's key is its txn_id, in a namespace of its own, if it has one; every other key, a reversal's too (a
   refund may carry its gift's txn_id), is the event_id.
4. a reversal names the event_id, or else the txn_id, of a gift whose stamp is at most duplicate_gift_ms old:
   none, or another anchor's: `unknown_reversal`; one that was reversed: duplicate.
The arrival stamp of an accepted event is N after it. What is not accepted leaves no trace.
"""

from dataclasses import dataclass, field

from tests.oracle.ledger import Gift
from tests.oracle.rules import Event, Rules, identity

ACCEPTED, DUPLICATE = "accepted", "duplicate"
FUTURE, TOO_LATE, UNKNOWN_REVERSAL = "future", "too_late", "unknown_reversal"


@dataclass
class Acceptance:
    """The judge of one partition: what it has seen, and the gifts that can still be reversed."""

    rules: Rules
    newest_ms: int | None = None
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    gifts_by_event: dict[str, Gift] = field(default_factory=dict)
    gifts_by_txn: dict[str, Gift] = field(default_factory=dict)

    def judge(self, event: Event, append_ms: int) -> tuple[str, Gift | None]:
        """The verdict, and for an accepted reversal the gift it takes out. Accepted events are noted."""
        verdict, original = self._verdict(event, append_ms)
        if verdict == ACCEPTED:
            self.newest_ms = max(event["ts_ms"], self.newest_ms or 0)
            self.seen[_key(event)] = self.newest_ms
        return verdict, original

    def keep(self, event: Event, gift: Gift) -> None:
        """Note an accepted gift in the ledger."""
        self.gifts_by_event[str(event["event_id"])] = gift
        if event.get("txn_id") is not None:
            self.gifts_by_txn[str(event["txn_id"])] = gift

    def _verdict(self, event: Event, append_ms: int) -> tuple[str, Gift | None]:
        if event["ts_ms"] > append_ms + self.rules.future_ms:
            return FUTURE, None
        if self.newest_ms is not None and event["ts_ms"] < self.newest_ms - self.rules.late_ms:
            return TOO_LATE, None
        window_ms = self.rules.duplicate_gift_ms if event["type"] == "gift" else self.rules.duplicate_ms
        if self._within(self.seen.get(_key(event)), window_ms):
            return DUPLICATE, None
        if is_reversal(event):
            return self._reversal(event)
        return ACCEPTED, None

    def _reversal(self, event: Event) -> tuple[str, Gift | None]:
        name = str(event["reversal_of"])
        for gift in (self.gifts_by_event.get(name), self.gifts_by_txn.get(name)):
            if gift is not None and self._within(gift.stamp_ms, self.rules.duplicate_gift_ms):
                if gift.anchor_id != identity(event["anchor_id"]):
                    return UNKNOWN_REVERSAL, None
                return (DUPLICATE, None) if gift.reversed else (ACCEPTED, gift)
        return UNKNOWN_REVERSAL, None

    def _within(self, stamp_ms: int | None, window_ms: int) -> bool:
        return stamp_ms is not None and self.newest_ms is not None and self.newest_ms - stamp_ms <= window_ms


def is_reversal(event: Event) -> bool:
    """Whether an event takes a gift back."""
    return event["type"] == "gift" and event.get("reversal_of") is not None


def _key(event: Event) -> tuple[str, str]:
    if event["type"] == "gift" and event.get("txn_id") is not None and event.get("reversal_of") is None:
        return "txn", str(event["txn_id"])
    return "event", str(event["event_id"])
