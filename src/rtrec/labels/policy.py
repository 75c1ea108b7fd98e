"""When facts become labels: named, frozen policies.

A policy answers questions about an `Exposure` and changes nothing. `positive` and `over` are asked after
every action, `deadline_ms` says when silence decides: then every head still open is negative.

`exit_first`
------------
- Entry is the first click or view_start; on surfaces that enter by themselves view_start alone.
- Not entered: at `click_wait_ms` after the impression all is negative, for p is P(label | impression).
- Entered: click is positive; long_view as soon as `long_view_ms` are watched; gift, comment, follow and
  share at the first one since the entry.
- The rest is negative at view_end, `lapse_ms` after the newest sign of the view, or `horizon_ms` after the
  entry, whichever is first. Windows are half-open: at its deadline an exposure is decided.
- Actions are its own until `horizon_ms` after the entry, or after the impression while not entered.
"""

from dataclasses import dataclass

from rtrec.events.schema import CLICK, VIEW_END, VIEW_HEARTBEAT, VIEW_START
from rtrec.labels.exposure import CLICK_HEAD, ENTRIES, HEAD_OF, LONG_VIEW_HEAD, NEVER, VIEWS, Action, Exposure
from rtrec.settings import HEADS, Labels


@dataclass(frozen=True, slots=True)
class ExitFirst:
    """The policy `exit_first`; see the module's rules. Times in milliseconds, `configured` a set of heads."""

    configured: int
    click_wait_ms: int
    long_view_ms: int
    lapse_ms: int
    horizon_ms: int
    auto_surfaces: frozenset[str]

    def heads(self, surface: str | None) -> int:
        """The heads an impression on this surface opens; the others are masked."""
        return self.configured & ~CLICK_HEAD if surface in self.auto_surfaces else self.configured

    def matters(self) -> frozenset[int]:
        """The types of actions that facts are made of: those that tell nothing of a configured head are not."""
        return ENTRIES | VIEWS | {kind for kind, head in HEAD_OF.items() if head & self.configured}

    def enters(self, exposure: Exposure, action: Action) -> bool:
        """Whether the action is an entry into the room."""
        return action.type == VIEW_START or (action.type == CLICK and exposure.surface not in self.auto_surfaces)

    def claims(self, exposure: Exposure, action: Action) -> int:
        """The heads this action speaks for by itself: late positives where they are negative already."""
        if action.type in ENTRIES:
            return CLICK_HEAD if self.enters(exposure, action) else 0
        if action.type in (VIEW_HEARTBEAT, VIEW_END):
            return LONG_VIEW_HEAD if exposure.watched_ms >= self.long_view_ms else 0
        return HEAD_OF[action.type]

    def positive(self, exposure: Exposure) -> int:
        """The heads that the facts make positive."""
        if exposure.entered_ms == NEVER:
            return 0
        heads = CLICK_HEAD
        if exposure.watched_ms >= self.long_view_ms:
            heads |= LONG_VIEW_HEAD
        for head, ts_ms in exposure.acted_ms.items():
            if ts_ms >= exposure.entered_ms:
                heads |= head
        return heads

    def over(self, exposure: Exposure) -> bool:
        """Whether the facts end the wait: all that is open is negative."""
        return exposure.ended_ms >= exposure.entered_ms > NEVER

    def deadline_ms(self, exposure: Exposure) -> int:
        """The event time at which, without further facts, all that is open is negative."""
        entered_ms = exposure.entered_ms
        if entered_ms == NEVER:
            return exposure.ts_ms + min(self.click_wait_ms, self.horizon_ms)
        return min(max(entered_ms, exposure.viewed_ms) + self.lapse_ms, entered_ms + self.horizon_ms)

    def expiry_ms(self, exposure: Exposure) -> int:
        """The event time from which on actions are not the exposure's; never before the deadline."""
        since_ms = exposure.ts_ms if exposure.entered_ms == NEVER else exposure.entered_ms
        return since_ms + self.horizon_ms


Policy = ExitFirst
"""What the join asks; another policy answers the same questions."""


def policy_of(settings: Labels) -> Policy:
    """The policy that the settings name.

    >>> policy_of(Labels()).heads("feed") == 0b111
    True
    """
    return ExitFirst(
        configured=sum(1 << HEADS.index(head) for head in set(settings.heads)),
        click_wait_ms=settings.click_wait_ms,
        long_view_ms=settings.long_view_ms,
        lapse_ms=settings.lapse_ms,
        horizon_ms=settings.horizon_ms,
        auto_surfaces=frozenset(settings.auto_surfaces),
    )
