"""What the label join keeps and hands out: exposures, actions, logged features, examples.

Rules
-----
- A set of heads is an int: bit `i` stands for `settings.HEADS[i]`.
- An `Exposure` holds facts (what was seen to follow an impression) and verdicts (which heads are open,
  positive, negative). `see` adds a fact; what the facts decide is the policy's (`labels.policy`).
- Facts do not depend on the order in which actions arrive, but for the entry: the first to arrive counts.
- A head that is in none of `open`, `positive`, `negative` is masked, or its late positive was counted. One that is
  `open` and `negative` was told as a fake negative and waits for its positive.
"""

import msgspec

from rtrec.events.schema import (
    CLICK,
    COMMENT,
    FOLLOW,
    GIFT,
    SHARE,
    VIEW_END,
    VIEW_HEARTBEAT,
    VIEW_START,
)
from rtrec.events.user_events import UserEvent
from rtrec.settings import HEADS

NEVER = -1

CLICK_HEAD = 1 << HEADS.index("click")
LONG_VIEW_HEAD = 1 << HEADS.index("long_view")
GIFT_HEAD = 1 << HEADS.index("gift")

HEAD_OF = {
    GIFT: GIFT_HEAD,
    COMMENT: 1 << HEADS.index("comment"),
    FOLLOW: 1 << HEADS.index("follow"),
    SHARE: 1 << HEADS.index("share"),
}
"""The head that an action in a room speaks for."""

ENTRIES = frozenset({CLICK, VIEW_START})
VIEWS = frozenset({VIEW_START, VIEW_HEARTBEAT, VIEW_END})


class Example(msgspec.Struct, frozen=True, gc=False):
    """One label of one impression, with the features it was shown by.

    head: place in `settings.HEADS`.
    label: 0 or 1.
    row: the packed feature row, as scored or as shadowed.
    ts_ms: the impression's time; position, surface: the impression's.
    fake: a negative told before its action had time to come, which may be told again as positive (`fast_slow`).
    """

    head: int
    label: int
    weight: float
    row: bytes
    ts_ms: int
    user_id: str
    anchor_id: str
    position: int | None
    surface: str | None
    fake: bool = False


class ScoredRow(msgspec.Struct, frozen=True, gc=False):
    """The features of one candidate as the API used them; `ts_ms` is when it scored."""

    user_id: str
    request_id: str
    anchor_id: str
    ts_ms: int
    row: bytes


class Action(msgspec.Struct, array_like=True, gc=False):
    """What a user did with an anchor.

    type: the event type's code, an entry, a view event or one of `HEAD_OF`.
    watch_ms: watched since the view's last event; total_ms: watched in the whole view, if told.
    sequence, until_ms: place in arrival order and end of the wait, while it waits for its impression.
    """

    type: int
    ts_ms: int
    anchor_id: str
    request_id: str | None
    watch_ms: int
    total_ms: int
    sequence: int = 0
    until_ms: int = 0


def action_of(event: UserEvent, sequence: int = 0, until_ms: int = 0) -> Action:
    """An event as the join sees it."""
    sent = event.event
    request_id: str | None = sent.request_id  # type: ignore[assignment]  # the codec has made ids text
    watch_ms, total_ms = sent.watch_ms or 0, sent.total_ms or 0
    return Action(event.type, event.ts_ms, event.anchor_id, request_id, watch_ms, total_ms, sequence, until_ms)


class Exposure(msgspec.Struct, array_like=True, gc=False, eq=False):
    """An impression that waits for its labels; without open heads a tombstone that counts late positives.

    sequence: place in the partition's arrival order.
    open, positive, negative: sets of heads.
    entered_ms, viewed_ms, ended_ms: first entry, newest view event, newest view end; `NEVER` without.
    summed_ms, total_ms: watched by increments, and as the longest view said itself.
    acted_ms: head bit → newest such action.
    """

    sequence: int
    ts_ms: int
    anchor_id: str
    request_id: str | None
    position: int | None
    surface: str | None
    row: bytes | None
    open: int
    positive: int = 0
    negative: int = 0
    entered_ms: int = NEVER
    viewed_ms: int = NEVER
    ended_ms: int = NEVER
    summed_ms: int = 0
    total_ms: int = 0
    acted_ms: dict[int, int] = msgspec.field(default_factory=dict)

    @property
    def watched_ms(self) -> int:
        """Milliseconds watched: increments may be lost, and totals be left out."""
        return max(self.summed_ms, self.total_ms)

    def strip(self) -> None:
        """Drop what a tombstone does not need."""
        self.row = None
        self.position = None
        self.acted_ms = {}


def see(exposure: Exposure, action: Action, *, enters: bool) -> None:
    """Add an action to an exposure's facts.

    enters: the policy takes this action as an entry into the room.
    """
    kind = action.type
    if enters and exposure.entered_ms == NEVER:
        exposure.entered_ms = action.ts_ms
    if kind in VIEWS:
        exposure.viewed_ms = max(exposure.viewed_ms, action.ts_ms)
        exposure.summed_ms += action.watch_ms
        exposure.total_ms = max(exposure.total_ms, action.total_ms)
        if kind == VIEW_END:
            exposure.ended_ms = max(exposure.ended_ms, action.ts_ms)
    elif kind in HEAD_OF and exposure.open:
        head = HEAD_OF[kind]
        exposure.acted_ms[head] = max(exposure.acted_ms.get(head, NEVER), action.ts_ms)
