"""The app's own books: what it sent and was told is durable, and who clicked how often.

Rules
-----
- Counts follow the contract's meaning of each event, computed here from what was acknowledged, so that they
  can be held against the anchor's windows: the two share no code.
- A reversal takes out what its original added.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from rtrec.simulator.pace import Fields

COUNTERS: Final = (
    "views", "watch_ms", "impressions", "clicks", "gifts", "gift_value", "comments", "likes", "follows", "shares",
)  # fmt: skip
"""The metrics of an anchor that count events; three more count people."""

RECENT: Final = 1_000

ONE: Final = {
    "impression": "impressions", "click": "clicks", "view_start": "views", "comment": "comments",
    "follow": "follows", "share": "shares",
}  # fmt: skip


@dataclass(slots=True)
class Bucket:
    """What users of one variant were shown and clicked, in all and of late.

    >>> bucket = Bucket()
    >>> for clicked in (False, False, True, False, False): bucket.add(clicked=clicked)
    >>> bucket.rate, bucket.recent_rate
    (0.25, 0.25)
    """

    impressions: int = 0
    clicks: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, *, clicked: bool) -> None:
        """Count a click, or an impression."""
        self.clicks += clicked
        self.impressions += not clicked
        self._recent.append(clicked)

    @property
    def rate(self) -> float:
        """Clicks per impression; 0 before the first."""
        return self.clicks / max(1, self.impressions)

    @property
    def recent_rate(self) -> float:
        """The same over the newest `RECENT` impressions and clicks."""
        clicks = sum(self._recent)
        return clicks / max(1, len(self._recent) - clicks)


@dataclass(slots=True)
class Ledger:
    """Totals of acknowledged events, by counter, by type and by variant."""

    totals: Counter[str] = field(default_factory=Counter)
    events: int = 0
    buckets: dict[str, Bucket] = field(default_factory=dict)
    variant_of: dict[str, str] = field(default_factory=dict)
    _gifts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, events: Iterable[Fields]) -> None:
        """Book events that the API has acknowledged.

        >>> ledger = Ledger()
        >>> gift = {"event_id": "g", "type": "gift", "value": 50, "count": 2, "user_id": "u"}
        >>> ledger.take([gift]); ledger.totals["gifts"], ledger.totals["gift_value"]
        (2, 50)
        >>> ledger.take([{"event_id": "r", "type": "gift", "reversal_of": "g"}]); ledger.totals["gift_value"]
        0
        """
        for event in events:
            self.events += 1
            for counter, amount in self._amounts(event):
                self.totals[counter] += amount
            self._bucket(event)

    def _amounts(self, event: Fields) -> Iterator[tuple[str, int]]:
        kind = str(event["type"])
        if kind in ONE:
            yield ONE[kind], 1
        elif kind == "like":
            yield "likes", cast(int, event.get("count", 1))
        elif kind in ("view_heartbeat", "view_end"):
            yield "watch_ms", cast(int, event["watch_ms"])
        elif kind == "gift":
            count, value = self._gift(event)
            yield "gifts", count
            yield "gift_value", value

    def _gift(self, event: Fields) -> tuple[int, int]:
        original = event.get("reversal_of")
        if original is not None:
            count, value = self._gifts.pop(str(original))
            return -count, -value
        given = cast(int, event.get("count", 1)), cast(int, event["value"])
        self._gifts[str(event["event_id"])] = given
        return given

    def _bucket(self, event: Fields) -> None:
        """Only what a request has shown counts for its user's variant."""
        variant = self.variant_of.get(str(event.get("user_id")))
        if variant is None or "request_id" not in event:
            return
        if event["type"] in ("impression", "click"):
            self.buckets.setdefault(variant, Bucket()).add(clicked=event["type"] == "click")
