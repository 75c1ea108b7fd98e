"""A slow oracle of the label join: plain lists, everything found by looking at everything.

It shares no rule's code with `rtrec.labels`: verdicts are recomputed from each exposure's whole history.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from xxhash import xxh3_64_intdigest

from rtrec.events.schema import Event
from rtrec.settings import Labels

HEADS = ["click", "long_view", "gift", "comment", "follow", "share"]
IMPRESSION, CLICK, START, BEAT, END, GIFT, COMMENT, FOLLOW, SHARE = 3, 4, 5, 6, 7, 8, 9, 11, 12
SPEAKS = {GIFT: "gift", COMMENT: "comment", FOLLOW: "follow", SHARE: "share"}


@dataclass
class Seen:
    """An impression and all that was joined to it, in order of arrival."""

    number: int
    user: str
    anchor: str
    request: str | None
    ts: int
    row: bytes | None
    position: int | None
    surface: str | None
    heads: dict[str, str]
    told: set[str] = field(default_factory=set)
    history: list[Any] = field(default_factory=list)
    closed_at: int | None = None

    def is_open(self) -> bool:
        return "open" in self.heads.values()

    def opened(self) -> list[str]:
        return [head for head in HEADS if self.heads[head] == "open"]


class Brute:
    """Feeds like the stage, one input at a time."""

    def __init__(self, settings: Labels) -> None:
        self.s = settings
        self.now = 0
        self.number = 0
        self.closings = 0
        self.all: list[Seen] = []
        self.waiting: list[tuple[int, int, Any]] = []
        self.logged: list[tuple[int, Any]] = []
        self.erased: dict[str, int] = {}
        self.examples: list[tuple[Any, ...]] = []
        self.counts: Counter[str] = Counter()

    def meet(self, event: Any, row: bytes | None) -> None:
        self.tick(event.ts_ms)
        if event.type in SPEAKS and SPEAKS[event.type] not in self.s.heads:
            return
        if event.type != IMPRESSION and event.type not in SPEAKS and event.type not in (CLICK, START, BEAT, END):
            return
        if event.ts_ms <= self.erased.get(event.user_id, 0):
            self.counts["erased"] += 1
            if event.type == IMPRESSION:
                self.counts.update(f"{head}/erased" for head in self.s.heads)
        elif event.type == IMPRESSION:
            self.impress(event, row)
        elif event.reversal:
            owner = self.owner(event)
            self.counts["reversed"] += owner is not None and owner.heads["gift"] == "positive"
        elif not (event.type == FOLLOW and event.event.on is False):
            owner = self.owner(event)
            if owner:
                self.apply(owner, event)
            else:
                self.let_wait(event)

    def let_wait(self, event: Any) -> None:
        self.number += 1
        ends = ((self.now + 300_000) // 2_000 + 1) * 2_000
        self.waiting.append((ends, self.number, event))
        mine = [one for one in self.waiting if one[2].user_id == event.user_id]
        if len(mine) > 32:
            self.orphan(mine[0])
        if len(self.waiting) > self.s.pending_total:
            self.orphan(self.waiting[0])

    def orphan(self, one: tuple[int, int, Any]) -> None:
        self.waiting.remove(one)
        self.counts["orphaned"] += 1

    def score(self, row: Any) -> None:
        if row.ts_ms <= self.erased.get(row.user_id, 0):
            self.counts["erased"] += 1
            return
        if row.ts_ms + 1_800_000 <= self.now:
            self.counts["scored_expired"] += 1
            return
        self.number += 1
        key = row.user_id, row.request_id, row.anchor_id
        self.logged = [one for one in self.logged if (one[1].user_id, one[1].request_id, one[1].anchor_id) != key]
        self.logged.append((self.number, row))
        mine = [one for one in self.logged if one[1].user_id == row.user_id]
        if len(mine) > self.s.pending_per_user:
            self.logged.remove(mine[0])
            self.counts["scored_overflow"] += 1
        if len(self.logged) > self.s.pending_total:
            self.logged.remove(min(self.logged, key=lambda one: (one[1].ts_ms, one[1].user_id, one[0])))
            self.counts["scored_overflow"] += 1
        for seen in self.all:
            waits_for_its_positive = any(seen.heads[head] == "open" for head in seen.told)
            if seen.is_open() and (seen.user, seen.request, seen.anchor) == key and not waits_for_its_positive:
                seen.row = row.row

    def erase(self, user: str, limit: int) -> None:
        self.erased[user] = max(limit, self.erased.get(user, 0))
        gone = [one for one in self.all if one.user == user and one.ts <= limit]
        acts = [one for one in self.waiting if one[2].user_id == user and one[2].ts_ms <= limit]
        rows = [one for one in self.logged if one[1].user_id == user and one[1].ts_ms <= limit]
        self.counts["erased"] += sum(one.is_open() for one in gone) + len(acts) + len(rows)
        self.counts.update(f"{head}/erased" for one in gone for head in one.opened())
        self.all = [one for one in self.all if one not in gone]
        self.waiting = [one for one in self.waiting if one not in acts]
        self.logged = [one for one in self.logged if one not in rows]

    def tick(self, ts: int) -> None:
        self.now = max(self.now, ts)
        while True:
            due = [one for one in self.all if one.is_open() and self.deadline(one) <= self.now]
            if not due:
                break
            self.silence(min(due, key=lambda one: (self.deadline(one), one.user, one.number)))
        self.all = [one for one in self.all if one.is_open() or self.expiry(one) > self.now]
        for one in [one for one in self.waiting if one[0] <= self.now]:
            self.orphan(one)
        kept = [one for one in self.logged if one[1].ts_ms + 1_800_000 > self.now]
        self.counts["scored_expired"] += len(self.logged) - len(kept)
        self.logged = kept

    def impress(self, event: Any, row: bytes | None) -> None:
        self.number += 1
        sent = event.event
        for _, one in self.logged:
            if (one.user_id, one.request_id, one.anchor_id) == (event.user_id, sent.request_id, event.anchor_id):
                row = one.row
        heads = {head: "open" if head in self.s.heads else "masked" for head in HEADS}
        if sent.surface in self.s.auto_surfaces:
            heads["click"] = "masked"
        self.counts.update(f"{head}/masked" for head in HEADS if heads[head] == "masked")
        seen = Seen(
            self.number, event.user_id, event.anchor_id, sent.request_id, event.ts_ms, row,
            sent.position, sent.surface, heads,
        )  # fmt: skip
        self.all.append(seen)
        mine = [one for one in self.all if one.user == seen.user and one.is_open()]
        if len(mine) > self.s.pending_per_user:
            self.push_out(mine[0], "overflow_user")
        opened = [one for one in self.all if one.is_open()]
        if len(opened) > self.s.pending_total:
            self.push_out(opened[0], "overflow_total")
        self.close(seen)
        mine_too = [one for one in self.waiting if one[2].user_id == seen.user and one[2].anchor_id == seen.anchor]
        for one in sorted(mine_too, key=lambda one: (one[2].ts_ms, one[1])):
            if one[2].ts_ms < seen.ts:
                continue
            while seen.is_open() and self.deadline(seen) <= one[2].ts_ms:
                self.silence(seen)
            if one[2].ts_ms < self.expiry(seen):
                self.waiting.remove(one)
                self.apply(seen, one[2])

    def push_out(self, seen: Seen, bound: str) -> None:
        self.all.remove(seen)
        self.counts[bound] += 1
        self.counts.update(f"{head}/overflow" for head in seen.opened())

    def owner(self, event: Any) -> Seen | None:
        mine = [
            one for one in self.all
            if one.user == event.user_id and one.anchor == event.anchor_id and one.ts <= event.ts_ms
        ]  # fmt: skip
        request = event.event.request_id
        exact = [one for one in mine if request is not None and one.request == request]
        return max(exact or mine, key=lambda one: (one.ts, one.number), default=None)

    def enters(self, seen: Seen, event: Any) -> bool:
        return event.type == START or (event.type == CLICK and seen.surface not in self.s.auto_surfaces)

    def entry(self, seen: Seen) -> int | None:
        return next((one.ts_ms for one in seen.history if self.enters(seen, one)), None)

    def watched(self, seen: Seen) -> int:
        views: list[Event] = [one.event for one in seen.history if one.type in (START, BEAT, END)]
        return max(sum(one.watch_ms or 0 for one in views), max((one.total_ms or 0 for one in views), default=0))

    def deadline(self, seen: Seen) -> int:
        entry = self.entry(seen)
        if self.s.policy == "fixed_window":
            return seen.ts + self.s.window_ms
        if self.s.policy == "fast_slow":
            untold = set(seen.opened()) - seen.told
            return seen.ts + min(self.s.fast_ms, self.s.horizon_ms) if untold else self.expiry(seen)
        if entry is None:
            return seen.ts + min(self.s.click_wait_ms, self.s.horizon_ms)
        last: int = max([entry, *(one.ts_ms for one in seen.history if one.type in (START, BEAT, END))])
        return min(last + self.s.lapse_ms, entry + self.s.horizon_ms)

    def expiry(self, seen: Seen) -> int:
        entry = self.entry(seen)
        if self.s.policy == "fixed_window":
            return seen.ts + max(self.s.window_ms, self.s.horizon_ms)
        return (seen.ts if entry is None else entry) + self.s.horizon_ms

    def silence(self, seen: Seen) -> None:
        if self.s.policy == "fast_slow" and set(seen.opened()) - seen.told:
            self.tell_early(seen, [head for head in seen.opened() if head not in seen.told])
        else:
            self.end(seen)
        self.close(seen)

    def end(self, seen: Seen) -> None:
        if seen.row is None:
            self.give_up(seen)
            return
        watched, entered = self.watched(seen), self.entry(seen) is not None
        for head in seen.opened():
            if self.s.policy == "fast_slow":
                seen.heads[head] = "expired"
                self.counts[f"{head}/expired"] += 1
            elif (
                self.s.policy == "seed" and head == "long_view" and entered
                and self.s.short_view_ms < watched < self.s.long_view_ms
            ):  # fmt: skip
                seen.heads[head] = "masked"
                self.counts["long_view/masked"] += 1
            else:
                seen.heads[head] = "negative"
                self.tell_negative(seen, head, "negative")

    def truths(self, seen: Seen) -> set[str]:
        long_enough = {"long_view"} if self.watched(seen) >= self.s.long_view_ms else set[str]()
        entry = self.entry(seen)
        if self.s.policy == "fixed_window":
            clicked = {"click"} if entry is not None else set[str]()
            return clicked | long_enough | {SPEAKS[one.type] for one in seen.history if one.type in SPEAKS}
        if entry is None:
            return set()
        return {"click"} | long_enough | {
            SPEAKS[one.type] for one in seen.history if one.type in SPEAKS and one.ts_ms >= entry
        }  # fmt: skip

    def tell_early(self, seen: Seen, heads: list[str]) -> None:
        if seen.row is None:
            self.give_up(seen)
            return
        for head in heads:
            seen.told.add(head)
            self.tell_negative(seen, head, "fake_negative")

    def tell_negative(self, seen: Seen, head: str, outcome: str) -> None:
        parts = [str(HEADS.index(head)), str(seen.ts), seen.user, seen.anchor]
        chance = xxh3_64_intdigest("\0".join(parts).encode()) / 2**64
        if chance >= self.s.negative_share:
            self.counts[f"{head}/sampled_out"] += 1
        else:
            self.counts[f"{head}/{outcome}"] += 1
            self.tell(seen, head, 0, 1 / self.s.negative_share, outcome == "fake_negative")

    def tell(self, seen: Seen, head: str, label: int, weight: float, fake: bool) -> None:
        self.examples.append((
            HEADS.index(head), label, weight, seen.row, seen.ts, seen.user, seen.anchor, seen.position,
            seen.surface, fake,
        ))  # fmt: skip

    def give_up(self, seen: Seen) -> None:
        self.counts["no_features"] += 1
        self.counts.update(f"{head}/no_features" for head in seen.opened())
        seen.heads = dict.fromkeys(HEADS, "given up")

    def apply(self, seen: Seen, event: Any) -> None:
        self.counts["joined"] += 1
        seen.history.append(event)
        long_enough = self.watched(seen) >= self.s.long_view_ms
        claims = {
            "click": self.enters(seen, event),
            "long_view": event.type in (BEAT, END) and long_enough,
        }
        for head in HEADS:
            if seen.heads[head] == "negative" and claims.get(head, SPEAKS.get(event.type) == head):
                seen.heads[head] = "late"
                self.counts["late_positive"] += 1
        if not seen.is_open():
            return
        true = [head for head in seen.opened() if head in self.truths(seen)]
        if self.s.policy == "fast_slow" and (early := [head for head in true if head not in seen.told]):
            self.tell_early(seen, early)
        if true and seen.row is None and seen.is_open():
            self.give_up(seen)
        for head in true if seen.is_open() else ():
            seen.heads[head] = "positive"
            self.counts[f"{head}/positive"] += 1
            self.tell(seen, head, 1, 1.0, False)
        entry = self.entry(seen)
        left = entry is not None and any(one.type == END and one.ts_ms >= entry for one in seen.history)
        if seen.is_open() and left and self.s.policy in ("exit_first", "seed"):
            self.end(seen)
        self.close(seen)

    def close(self, seen: Seen) -> None:
        if seen.is_open() or seen.closed_at is not None:
            return
        self.closings += 1
        seen.closed_at = self.closings
        closed = [one for one in self.all if not one.is_open()]
        mine = [one for one in closed if one.user == seen.user]
        if len(mine) > self.s.pending_per_user:
            self.forget(min(mine, key=lambda one: one.closed_at or 0))
        closed = [one for one in self.all if not one.is_open()]
        if len(closed) > self.s.pending_total:
            self.forget(min(closed, key=lambda one: (self.expiry(one), one.user, one.number)))

    def forget(self, seen: Seen) -> None:
        self.all.remove(seen)
        self.counts["forgotten"] += 1
