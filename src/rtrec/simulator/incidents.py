"""What a live platform goes through, staged, each with the figure that shows how it went.

A whale's gift, a refund, a ban, and the server killed and started again. Each looks through the public API
alone and says whether the promise held.
"""

import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

import msgspec

from rtrec.simulator.client import ApiError, Client
from rtrec.simulator.curves import Curves
from rtrec.simulator.ledger import COUNTERS
from rtrec.simulator.pace import Fields
from rtrec.simulator.platform import Platform, now_ms, recommend
from rtrec.simulator.server import Server

WHALE_VALUE: Final = 1_000_000
REFUND_VALUE: Final = 5_000
REFUND_COUNT: Final = 3
LAST_BURST: Final = 200
SEEN_S: Final = 15.0
PAST_S: Final = 120.0
"""The first start of an installation compiles kernels while it reads the past."""
STAYS_LIVE_MS: Final = 10_000
BAN_LIMIT_MS: Final = 2_000
BAN_LASTS_MS: Final = 15_000
BAN_WITNESSES: Final = 6
POLL_S: Final = 0.01
LONG_WINDOWS: Final = ("30m", "1h", "24h")
"""Windows that nothing leaves while an incident lasts."""

T = TypeVar("T")


NAMES: Final = ("whale", "kill", "refund", "ban")
"""In the order they are staged: the kill early, because figures of learning are no state and begin anew after it."""


class Outcome(NamedTuple):
    """How an incident went: its line, with the figure, and whether the promise held."""

    name: str
    line: str
    ok: bool


class Term(msgspec.Struct):
    """One term of a heat."""

    metric: str
    weight: float
    value: float


class Heat(msgspec.Struct):
    """An anchor's heat and what it is made of."""

    score: float
    terms: list[Term]


class AnchorView(msgspec.Struct):
    """What incidents read of `GET /v1/anchors/{id}`."""

    anchor_id: str
    windows: dict[str, dict[str, int]]
    heat: Heat

    def gifts(self) -> dict[str, tuple[int, int]]:
        """Pieces and value by window."""
        return {one: (self.windows["gifts"][one], self.windows["gift_value"][one]) for one in LONG_WINDOWS}

    def term(self, metric: str) -> float:
        """A term's value; 0 where the metric has no weight."""
        return sum(term.value for term in self.heat.terms if term.metric == metric)

    def weight(self, metric: str) -> float:
        """A term's weight."""
        return sum(term.weight for term in self.heat.terms if term.metric == metric)


class Incidents:
    """The incidents of one demo.

    Parameters
    ----------
    platform: the people; server: the process that is killed; client: looks at the API.
    """

    def __init__(self, platform: Platform, server: Server, client: Client) -> None:
        self._platform, self._server, self._client = platform, server, client
        self._baseline = self._stored()

    def await_past(self) -> None:
        """Wait until the service has taken the past in: totals, rooms on the heat board, labels learned from."""

        def taken_in() -> bool | None:
            curves = Curves()
            curves.read(self._client)
            learned = curves.click.examples > 0
            return (learned and bool(self._live_anchors()) and self._stored() == self._booked()) or None

        _await(taken_in, PAST_S)

    def stage(self, name: str) -> Outcome:
        """Stage an incident of `NAMES`; one that cannot be finished has failed, and says why."""
        staged = {"whale": self.whale, "refund": self.refund, "ban": self.ban, "kill": self.kill}[name]
        try:
            return staged()
        except (RuntimeError, OSError, LookupError, ValueError) as error:
            return Outcome(name, f"{type(error).__name__}: {error}", ok=False)

    def whale(self) -> Outcome:
        """One enormous gift moves an anchor's heat by no more than the cap per user."""
        live = self._live_anchors()
        anchor_id = live[len(live) // 2]
        with self._platform.no_gifts_to(anchor_id):
            before = self._anchor(anchor_id)
            self._platform.send(_gift(anchor_id, "whale", WHALE_VALUE))
            after = self._await_gifts(before, WHALE_VALUE)
        counted = after.term("gift_value") - before.term("gift_value")
        raw = before.weight("gift_value") * WHALE_VALUE
        line = (
            f"{anchor_id} is given {WHALE_VALUE:,}: heat {before.heat.score:.1f} before, {after.heat.score:.1f} after; "
            f"{counted:,.0f} of it count ({counted / WHALE_VALUE:.1%}), uncapped it would add {raw:,.0f}"
        )
        return Outcome("whale", line, 0 < counted < WHALE_VALUE / 10 and after.heat.score > before.heat.score)

    def refund(self) -> Outcome:
        """A gift taken back leaves every window as it was."""
        anchor_id = self._live_anchors()[0]
        with self._platform.no_gifts_to(anchor_id):
            before = self._anchor(anchor_id)
            gift = self._platform.send(_gift(anchor_id, "regrets", REFUND_VALUE) | {"count": REFUND_COUNT})
            between = self._await_gifts(before, REFUND_VALUE)
            self._platform.send(_gift(anchor_id, "regrets", 0) | {"reversal_of": gift["event_id"]})
            after = self._await_gifts(between, -REFUND_VALUE)
        values = [one.windows["gift_value"]["24h"] for one in (before, between, after)]
        line = (
            f"{anchor_id} is given {REFUND_VALUE:,} and it is taken back: gift_value of 24 h "
            f"{values[0]:,} before, {values[1]:,} given, {values[2]:,} after"
        )
        return Outcome("refund", line, after.gifts() == before.gifts() != between.gifts())

    def ban(self) -> Outcome:
        """A banned anchor is gone from every list within two seconds."""
        witnesses = [one.user_id for one in self._platform.crowd.world.viewers[:BAN_WITNESSES]]
        seen = [anchor_id for user_id in witnesses for anchor_id in self._shown_to(user_id)]
        banned = max(sorted(set(seen)), key=seen.count)
        state: Fields = {"banned": True, "reason": "demo", "until_ms": now_ms() + BAN_LASTS_MS}
        asked_s = time.monotonic()
        self._client.put(f"/v1/anchors/{banned}/state", state)
        gone_s = _await(lambda: time.monotonic() if self._nobody_sees(banned, witnesses) else None)
        gone_ms = 1_000.0 * (gone_s - asked_s)
        shown = f"{banned} was shown to {seen.count(banned)} of {len(witnesses)} viewers"
        line = f"{shown}; gone from all their lists {gone_ms:.0f} ms after the ban"
        return Outcome("ban", line, gone_ms <= BAN_LIMIT_MS)

    def kill(self) -> Outcome:
        """A killed process loses nothing that it had acknowledged."""
        with self._platform.still():
            self._await_books()
            before = self._stored()
            self._platform.deliver(self._burst())
            self._server.kill()
            killed_s = time.monotonic()
            self._server.start()
            back_s = time.monotonic() - killed_s
            self._await_books()
            after = self._stored()
        ok = after == self._booked() and after["likes"] == before["likes"] + LAST_BURST
        line = (
            f"server killed as it acknowledged {LAST_BURST} likes, back in {back_s:.1f} s: totals of 10 counters "
            f"{sum(before.values()):,} + {LAST_BURST} before, {sum(after.values()):,} after"
        )
        return Outcome("kill", line, ok)

    def _burst(self) -> list[Fields]:
        anchor_id = self._live_anchors()[0]
        like: Fields = {"type": "like", "anchor_id": anchor_id, "user_id": "fan"}
        return [self._platform.crowd.stamp(like, now_ms()) for _ in range(LAST_BURST)]

    def _live_anchors(self) -> list[str]:
        """Live anchors that will stay so for long enough, hottest first."""
        rooms = self._platform.crowd.rooms.live
        soon_ms = now_ms() + STAYS_LIVE_MS
        hot = msgspec.convert(self._client.get("/v1/hot?n=100")["anchors"], list[dict[str, object]])
        ids = [str(one["anchor_id"]) for one in hot]
        return [one for one in ids if one in rooms and rooms[one].ends_ms > soon_ms] or ids

    def _anchor(self, anchor_id: str) -> AnchorView:
        return msgspec.convert(self._client.get(f"/v1/anchors/{anchor_id}"), AnchorView, strict=False)

    def _await_gifts(self, before: AnchorView, more: int) -> AnchorView:
        """The anchor once its gifts are worth `more` than before; as it is when that does not come."""
        wanted = before.windows["gift_value"]["24h"] + more

        def there() -> AnchorView | None:
            view = self._anchor(before.anchor_id)
            return view if view.windows["gift_value"]["24h"] == wanted else None

        try:
            return _await(there)
        except TimeoutError:
            return self._anchor(before.anchor_id)

    def _shown_to(self, user_id: str) -> list[str]:
        return recommend(self._client, user_id, 20).anchors()

    def _nobody_sees(self, anchor_id: str, user_ids: list[str]) -> bool:
        return not any(anchor_id in self._shown_to(user_id) for user_id in user_ids)

    def _await_books(self) -> None:
        """Wait until what is stored is what was acknowledged; the comparison after it says if it never came."""
        try:
            _await(lambda: self._stored() == self._booked() or None)
        except TimeoutError:
            return

    def _booked(self) -> dict[str, int]:
        return {one: self._baseline[one] + self._platform.ledger.totals[one] for one in COUNTERS}

    def _stored(self) -> dict[str, int]:
        """24-hour totals over all anchors."""
        totals = dict.fromkeys(COUNTERS, 0)
        for view in self._all_anchors():
            for one in COUNTERS:
                totals[one] += view.windows[one]["24h"]
        return totals

    def _all_anchors(self) -> Iterator[AnchorView]:
        for anchor in self._platform.crowd.world.anchors:
            try:
                yield self._anchor(anchor.anchor_id)
            except ApiError as error:
                if error.status != 404:
                    raise


def _gift(anchor_id: str, user_id: str, value: int) -> Fields:
    return {"type": "gift", "anchor_id": anchor_id, "user_id": user_id, "value": value}


def _await(condition: Callable[[], T | None], patience_s: float = SEEN_S) -> T:
    """What `condition` gives as soon as it gives something."""
    ends_s = time.monotonic() + patience_s
    while time.monotonic() < ends_s:
        found = condition()
        if found is not None:
            return found
        time.sleep(POLL_S)
    raise TimeoutError("it did not come about in time")
