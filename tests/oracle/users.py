"""Every user of one partition by brute force: what `GET /v1/users/{id}` must say.

Which events count (design §3, *User record* and *Control*)
----------------------------------------------------------
- N is the newest event time that PROFILE met: of all users' events, erased ones too; a reversal's is its gift's.
- A user whose newest activity is more than ttl_days before N has no record; that user's next event begins a new one.
- An erasure at E ends the record when PROFILE meets it, and drops every event with ts <= E + 60 s that it meets from
  then on (a reversal by its gift's time). One that is not newer than the newest known changes nothing.
- A record begins with the user's first activity: a reversal is none, nor is an event of a room that names a user.

What the events that count add up to is in `histories`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.oracle import histories
from tests.oracle.histories import History
from tests.oracle.passed import Passed
from tests.oracle.rules import identity

DAY_MS = 86_400_000
ERASED_AHEAD_MS = 60_000


@dataclass(frozen=True)
class UserRules:
    """What is configurable of the user side, with the defaults of the texts."""

    ttl_days: int = 30
    taste_half_life_ms: int = DAY_MS


@dataclass
class _User:
    """One user's record so far; last_ms: the newest activity, 0 before the first."""

    history: History = field(default_factory=list)
    last_ms: int = 0
    said: dict[str, Any] | None = None


@dataclass
class Users:
    """The oracle: feed it what PROFILE meets in one partition, in that order, then ask."""

    rules: UserRules = field(default_factory=UserRules)
    newest_ms: int = 0
    erased: dict[str, int] = field(default_factory=dict)
    _users: dict[str, _User] = field(default_factory=dict)

    @property
    def user_ids(self) -> list[str]:
        """Everybody ever met, also those who have no record."""
        return [*self._users]

    def feed(self, met: Iterable[Passed]) -> "Users":
        """Take events in the order PROFILE meets them."""
        for one in met:
            self.meet(one)
        return self

    def meet(self, passed: Passed) -> None:
        """Take the next event."""
        original = passed.original
        ts_ms = passed.event["ts_ms"] if original is None else original.ts_ms
        user_id = str(identity(passed.event["user_id"])) if original is None else original.user_id
        self.newest_ms = max(self.newest_ms, ts_ms)
        user = self._users.setdefault(user_id, _User())
        if user_id in self.erased and ts_ms <= self.erased[user_id] + ERASED_AHEAD_MS:
            return
        if self._expired(user):
            user = self._users[user_id] = _User()
        if histories.is_activity(passed):
            user.last_ms = max(user.last_ms, ts_ms)
        elif not user.history or original is None:
            return
        user.history.append(passed)
        user.said = None

    def erase(self, user_id: str, erased_ms: int) -> None:
        """Meet an erasure at `erased_ms`."""
        if erased_ms > self.erased.get(user_id, 0):
            self.erased[user_id] = erased_ms
            self._users[user_id] = _User()

    def show(self, user_id: str, at_ms: int) -> dict[str, Any] | None:
        """The contract's answer; None for a user unknown, erased or expired."""
        user = self._users.get(user_id)
        if user is None or not user.history or self._expired(user):
            return None
        as_of_ms = max(at_ms, user.last_ms)
        user.said = user.said or self._timeless(user.history)
        spend = histories.gift_value(user.history, as_of_ms)
        return {"user_id": user_id, "as_of_ms": as_of_ms, "gift_value": spend, **user.said}

    def _expired(self, user: _User) -> bool:
        return self.newest_ms - user.last_ms > self.rules.ttl_days * DAY_MS

    def _timeless(self, history: History) -> dict[str, Any]:
        """What does not change as time passes."""
        shares = histories.taste_shares(history, self.rules.taste_half_life_ms)
        return {
            "attributes": histories.attributes(history),
            "recent_views": histories.recent_views(history),
            "familiarity": histories.familiarity(history),
            "tastes": [{"category": category, "share": share} for category, share in shares.items()],
            "follows": histories.follows(history),
            "blocked": histories.blocked(history),
        }
