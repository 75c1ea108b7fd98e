"""The label join of one partition: events in, examples out, in an order that the log alone decides.

Rules
-----
- The watermark is the newest event time met (or a tick). Before an event is applied everything due up to the
  watermark fires, in (deadline, user, sequence) order. Logged rows never move it: the scorer may be ahead.
- An action that tells nothing of a configured head is passed over, as are unfollows.
- An action belongs to the latest impression up to its time of (request_id, anchor), else of (user, anchor).
  Without one it waits (`labels.waiting`); when the impression comes, what waited is applied in event-time
  order, each after the deadline it lies behind: the same labels as in order.
- An impression prefers the row the API logged over its shadow row, also when the logged one comes later and
  a head is still open. Without any row it is given up at its first verdict, counted `no_features`.
- A positive counts once per head; an action that claims a negative head is counted `late_positive`, once.
- A fake negative is told once per head, with the row its positive will have, and is never followed by a negative.
- Every outcome is counted by head; `labels.outcomes` says which there are, and what they sum up to.
- An erased user's events and rows up to the limit are dropped and counted; their times still move the
  watermark, so that a rebuild which knows of the erasure from the start decides the others alike.
"""

from collections import Counter
from collections.abc import Iterable

from rtrec.events.schema import FOLLOW, IMPRESSION
from rtrec.events.user_events import UserEvent
from rtrec.labels.exposure import GIFT_HEAD, Action, Example, Exposure, ScoredRow, action_of, see
from rtrec.labels.outcomes import ALL, NAMES, PLACES, count
from rtrec.labels.pending import FAR_MS, Exposures
from rtrec.labels.policies import policy_of
from rtrec.labels.sampling import kept
from rtrec.labels.waiting import SCORED_WAIT_MS, Orphans, ScoredRows
from rtrec.settings import Labels

WEIGHT = 1.0
"""What a positive weighs; a negative weighs `1 / negative_share`."""


class Join:
    """The pending exposures, actions and rows of one partition, and what this turn made of them.

    examples, counts, dirty (users): the turn's; whoever ends the turn takes and clears them.
    """

    def __init__(self, settings: Labels) -> None:
        self.policy = policy_of(settings)
        self._negative_share = settings.negative_share
        self.examples: list[Example] = []
        self.counts: Counter[str] = Counter()
        self.dirty: set[str] = set()
        self.watermark_ms = 0
        self.sequence = 0
        self.erased: dict[str, int] = {}
        bounds = settings.pending_per_user, settings.pending_total
        self.exposures = Exposures(self.policy, *bounds, self.counts, self.dirty)
        self.orphans = Orphans(settings.pending_total, self.counts)
        self.rows = ScoredRows(*bounds, self.counts, self.dirty)
        self._matters = self.policy.matters() | {IMPRESSION}
        self._due_ms = FAR_MS

    def meet(self, inputs: Iterable[tuple[UserEvent, bytes | None]]) -> None:
        """Apply events in order; an impression comes with its shadow row."""
        users, erased, matters = self.exposures.users, self.erased, self._matters
        waits = self.orphans.new.append
        for event, row in inputs:
            ts_ms, kind, user_id = event.ts_ms, event.type, event.user_id
            if ts_ms > self.watermark_ms:  # noqa: PLR1730 - a call of max() costs three times as much
                self.watermark_ms = ts_ms
            if self._due_ms <= self.watermark_ms:
                self._fire()
            if kind not in matters:
                continue
            if erased and ts_ms <= erased.get(user_id, 0):
                self._erased(kind)
            elif kind == IMPRESSION:
                self._impression(event, row)
            elif event.reversal:
                self._reversal(event)
            elif kind == FOLLOW and event.event.on is False:
                continue
            elif user_id not in users or not self._action(event):
                waits((self.watermark_ms, event))

    def scored(self, row: ScoredRow) -> None:
        """Keep the features the API used, and hand them to an open impression that came before them."""
        if row.ts_ms <= self.erased.get(row.user_id, 0):
            self.counts["erased"] += 1
            return
        if row.ts_ms + SCORED_WAIT_MS <= self.watermark_ms:
            self.counts["scored_expired"] += 1
            return
        self.sequence += 1
        self.rows.add(row, self.sequence)
        self._due_ms = min(self._due_ms, row.ts_ms + SCORED_WAIT_MS)
        for one in self.exposures.of_request(row.user_id, row.request_id, row.anchor_id):
            if not one.open & one.negative:  # else its fake negative is told, by the row it had
                one.row = row.row

    def advance(self, now_ms: int) -> None:
        """Move the watermark without an event, never back."""
        self.watermark_ms = max(self.watermark_ms, now_ms)
        if self._due_ms <= self.watermark_ms:
            self._fire()

    def erase(self, user_id: str, until_ms: int) -> None:
        """Remove what a user has pending up to a time, and drop it whenever it is met again."""
        self.settle()
        self.erased[user_id] = max(until_ms, self.erased.get(user_id, 0))
        self.counts["erased"] += (
            self.exposures.erase(user_id, until_ms)
            + self.orphans.erase(user_id, until_ms)
            + self.rows.erase(user_id, until_ms)
        )

    def settle(self) -> None:
        """Bring the waiting actions up to the watermark; done before they are asked for, and with the turn."""
        self.sequence = self.orphans.settle(self.watermark_ms, self.sequence)

    def renew_due(self) -> None:
        """Find the first time at which an exposure or a row may be due."""
        due_ms = self.exposures.due_ms()
        self._due_ms = min(due_ms, self.rows.heap[0][0]) if self.rows.heap else due_ms

    def _erased(self, kind: int) -> None:
        self.counts["erased"] += 1
        if kind == IMPRESSION:
            count(self.counts, "erased", self.policy.configured)

    def _fire(self) -> None:
        watermark_ms = self.watermark_ms
        while (due := self.exposures.pop_due(watermark_ms)) is not None:
            self._silence(*due)
        self.exposures.expire(watermark_ms)
        self.rows.expire(watermark_ms)
        self.renew_due()

    def _impression(self, event: UserEvent, shadow: bytes | None) -> None:
        self.settle()
        self.sequence += 1
        sent, request_id = event.event, _request_id(event)
        row = self.rows.row(event.user_id, request_id, event.anchor_id)
        heads = self.policy.heads(sent.surface)
        exposure = Exposure(
            self.sequence, event.ts_ms, event.anchor_id, request_id, sent.position, sent.surface,
            row if row is not None else shadow, heads,
        )  # fmt: skip
        count(self.counts, "masked", ALL & ~heads)
        self.exposures.add(event.user_id, exposure)
        self._catch_up(event.user_id, exposure)
        self._due_ms = min(self._due_ms, self.exposures.due_ms())

    def _catch_up(self, user_id: str, exposure: Exposure) -> None:
        """Apply the actions that overtook their impression, as if they came in order."""
        for action in self.orphans.of_anchor(user_id, exposure.anchor_id, exposure.ts_ms):
            while exposure.open and self.policy.deadline_ms(exposure) <= action.ts_ms:
                self._silence(user_id, exposure)
            if action.ts_ms < self.policy.expiry_ms(exposure):
                self.orphans.take(user_id, action)
                self._apply(user_id, exposure, action)

    def _action(self, event: UserEvent) -> bool:
        """Apply an action to the exposure it belongs to, if there is one."""
        exposure = self.exposures.latest(event.user_id, event.anchor_id, _request_id(event), event.ts_ms)
        if exposure is None:
            return False
        self._apply(event.user_id, exposure, action_of(event))
        return True

    def _reversal(self, event: UserEvent) -> None:
        exposure = self.exposures.latest(event.user_id, event.anchor_id, _request_id(event), event.ts_ms)
        if exposure is not None and exposure.positive & GIFT_HEAD:
            self.counts["reversed"] += 1

    def _apply(self, user_id: str, exposure: Exposure, action: Action) -> None:
        policy = self.policy
        self.counts["joined"] += 1
        self.dirty.add(user_id)
        before_ms = policy.deadline_ms(exposure)
        see(exposure, action, enters=policy.enters(exposure, action))
        late = policy.claims(exposure, action) & exposure.negative & ~exposure.open
        if late:
            self.counts["late_positive"] += late.bit_count()
            exposure.negative &= ~late
        if not exposure.open:
            return
        if positive := policy.positive(exposure) & exposure.open:
            self._tell_early(user_id, exposure, positive & policy.untold(exposure))
            self._tell_positive(user_id, exposure, positive)
        if exposure.open and policy.over(exposure):
            self._end(user_id, exposure)
        if not exposure.open:
            self.exposures.close(user_id, exposure)
        elif policy.deadline_ms(exposure) < before_ms:
            self.exposures.watch(user_id, exposure)
        self._due_ms = min(self._due_ms, self.exposures.due_ms())

    def _silence(self, user_id: str, exposure: Exposure) -> None:
        """Nothing more came in time: what is to be told early is told, or all that is open ends."""
        if untold := self.policy.untold(exposure):
            self._tell_early(user_id, exposure, untold)
        else:
            self._end(user_id, exposure)
        if exposure.open:
            self.dirty.add(user_id)
            self.exposures.watch(user_id, exposure)
        else:
            self.exposures.close(user_id, exposure)

    def _tell_early(self, user_id: str, exposure: Exposure, heads: int) -> None:
        """Tell fake negatives; their heads stay open."""
        if heads and (row := self._row(exposure)) is not None:
            exposure.negative |= heads
            self._negatives(user_id, exposure, row, heads, fake=True)

    def _tell_positive(self, user_id: str, exposure: Exposure, heads: int) -> None:
        if (row := self._row(exposure)) is not None:
            exposure.open &= ~heads
            exposure.negative &= ~heads
            exposure.positive |= heads
            count(self.counts, "positive", heads)
            for place in PLACES[heads]:
                self.examples.append(_example(user_id, exposure, row, place, 1, WEIGHT))

    def _end(self, user_id: str, exposure: Exposure) -> None:
        """The wait is over: what is open is negative, but for what is masked, or was told early."""
        if (row := self._row(exposure)) is None:
            return
        heads = exposure.open
        expired = heads & exposure.negative
        masked = heads & ~expired & self.policy.masked(exposure)
        negative = heads & ~expired & ~masked
        exposure.open = 0
        exposure.negative |= negative
        count(self.counts, "expired", expired)
        count(self.counts, "masked", masked)
        self._negatives(user_id, exposure, row, negative, fake=False)

    def _negatives(self, user_id: str, exposure: Exposure, row: bytes, heads: int, *, fake: bool) -> None:
        """Emit the negatives of a verdict that the share keeps."""
        share, told = self._negative_share, NAMES["fake_negative" if fake else "negative"]
        for place in PLACES[heads]:
            if share < 1 and not kept(share, user_id, exposure.anchor_id, exposure.ts_ms, place):
                self.counts[NAMES["sampled_out"][place]] += 1
                continue
            self.counts[told[place]] += 1
            self.examples.append(_example(user_id, exposure, row, place, 0, WEIGHT / share, fake=fake))

    def _row(self, exposure: Exposure) -> bytes | None:
        """The features at a verdict; an open exposure without is given up."""
        if exposure.row is None and exposure.open:
            self.counts["no_features"] += 1
            count(self.counts, "no_features", exposure.open)
            exposure.open = 0
        return exposure.row


def _example(
    user_id: str, exposure: Exposure, row: bytes, head: int, label: int, weight: float, *, fake: bool = False
) -> Example:
    return Example(
        head, label, weight, row, exposure.ts_ms, user_id, exposure.anchor_id,
        exposure.position, exposure.surface, fake,
    )  # fmt: skip


def _request_id(event: UserEvent) -> str | None:
    return event.event.request_id  # type: ignore[return-value]  # the codec has made ids text
