"""What of the learner's weights goes out, and when nothing does: the circuit breaker between learner and scorers.

Rules
-----
- Judged at each publication. While it is open nothing is published, learning goes on, and the reference stands still.
- When it closes, the first publication holds every weight, so that nothing touched meanwhile is missing anywhere.
- Weights that are no numbers are never published, whatever else is said.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.learning.breaker import RULES, BreakerState, Figures, HeadFigures, tripped
from rtrec.learning.weights import WeightsUpdate
from rtrec.settings_breaker import Breaker
from rtrec.stages.learn import LearnState, Update

KEY: Final = "breaker"
"""Key of the stored state, of the learner's owner."""
_log = logging.getLogger("rtrec.learner")


class Publishing:
    """One learner's.

    stored: what `encode` gave before; None for a beginning. whole: the learner begins with what scorers do not have.
    """

    def __init__(self, policy: Breaker, stored: bytes | None = None, *, whole: bool = False) -> None:
        self._policy = policy
        self.state = BreakerState() if stored is None else msgspec.json.decode(stored, type=BreakerState)
        self._whole, self._dropped = whole or self.state.open, np.empty(0, np.int64)
        self._non_finite: NDArray[np.int64] | None = None
        self._examples, self._example_ms, self._events = -1, 0, 0

    @property
    def open(self) -> bool:
        """Whether nothing is published."""
        return self.state.open

    def encode(self) -> bytes:
        """What a restart goes on from, and what is shown."""
        return msgspec.json.encode(self.state)

    def update(self, learner: LearnState, epoch: int, now_ms: int, events: int) -> Update | None:
        """What is to be published now, if anything is. events: how many have come so far."""
        update = None if self.open else self._next(learner, epoch)
        taken = update.slots if isinstance(update, WeightsUpdate) else np.empty(0, np.int64)
        learner.sound(taken)
        if self.state.begun_ms is None and learner.examples:
            self.state = msgspec.structs.replace(self.state, begun_ms=now_ms)
        before = self.state
        figures = self._figures(learner, now_ms, events)
        self.state = before.judged(tripped(figures, self._policy), now_ms, self._policy)
        for recent in learner.progress.recent:
            recent.frozen = self.open
            if not figures.settled:
                recent.begin()
        if self.open:
            if update is not None:  # it was taken, and is not sent
                self._whole, self._dropped = True, taken
            update = None
        self._tell(before)
        return update

    def rearm(self, learner: LearnState, at_ms: int) -> bool:
        """Close it on a command of this time, if it was open then; the present is the reference from here on."""
        if self.state.since_ms is None or at_ms < self.state.since_ms:
            return False
        for recent in learner.progress.recent:
            recent.accept()
            recent.frozen = False
        self._examples = -1
        self._whole, self.state = True, self.state.closed()
        _log.warning("breaker: re-armed by command; the present is the reference now, and publishing goes on")
        return True

    def _next(self, learner: LearnState, epoch: int) -> Update | None:
        if not self._whole:
            return learner.publish(epoch)
        self._whole, dropped = False, self._dropped
        self._dropped = np.empty(0, np.int64)
        return learner.everything(epoch, dropped)

    def _figures(self, learner: LearnState, now_ms: int, events: int) -> Figures:
        if learner.examples != self._examples:
            self._examples, self._example_ms, self._events = learner.examples, now_ms, events
        progress = learner.progress
        new = progress.non_finite - (progress.non_finite if self._non_finite is None else self._non_finite)
        self._non_finite = progress.non_finite
        heads = tuple(
            HeadFigures(
                head, progress.examples(place), recent.window, recent.reference, recent.calibration,
                max(0, int(new[place])), not learner.spoiled[place],
            )
            for place, (head, recent) in enumerate(zip(progress.heads, progress.recent, strict=True))
        )  # fmt: skip
        begun_ms = self.state.begun_ms
        settled = begun_ms is not None and now_ms - begun_ms >= self._policy.settle_ms
        return Figures(heads, learner.examples, now_ms - self._example_ms, events - self._events, settled)

    def _tell(self, before: BreakerState) -> None:
        """Say what opened it, and that it closed."""
        known = {(one.rule, one.head) for one in before.tripped if before.open}
        advice = {rule.name: f"{rule.tells}. {rule.advice[0].upper()}{rule.advice[1:]}" for rule in RULES}
        if self.open:
            for one in self.state.tripped:
                if (one.rule, one.head) not in known:
                    _log.error(
                        "ALARM: breaker: %s. Weights are not published, the last good ones serve: %s. "
                        "`rtrec model rearm` takes the present as right; docs/breaker.md", one, advice[one.rule],
                    )  # fmt: skip
        elif before.open:
            _log.warning("breaker: closed, nothing has tripped for %d ms; publishing goes on", self._policy.rearm_ms)


def shown(stored: bytes | None) -> dict[str, Any]:
    """The breaker for people, of what is stored."""
    state = BreakerState() if stored is None else msgspec.json.decode(stored, type=BreakerState)
    found: list[Mapping[str, Any]] = msgspec.to_builtins(state.tripped)
    return {"open": state.open, "since_ms": state.since_ms, "passed_ms": state.passed_ms, "tripped": found}
