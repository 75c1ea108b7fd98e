"""The learner's circuit breaker: when weights are not published, and when they are again.

Rules
-----
- A rule is a pure predicate over `Figures`; `RULES` is all of them, numbered. A window is judged against the reference
  before it (`recent`), which stands still while the breaker is open: the present is judged by what was good.
- One tripped rule opens it at once. It closes when none has tripped for `breaker.rearm_ms` on end, or on command, which
  accepts the present as the reference (`Recent.accept`).
- What is open is stored: a restart closes nothing.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from rtrec.learning.recent import Span
from rtrec.settings_breaker import Breaker


class HeadFigures(NamedTuple):
    """What is judged of a head.

    examples: judged so far. window, reference: its newest examples, and those before them. calibration: the one that
    counts as right. non_finite: predictions since the last look that were no number. finite: its weights are numbers.
    """

    head: str
    examples: int
    window: Span
    reference: Span
    calibration: float = 1.0
    non_finite: int = 0
    finite: bool = True


class Figures(NamedTuple):
    """What is judged: every head, and the stream.

    examples: learned so far, of all heads. dry_ms: since the last example. dry_events: that came since then.
    settled: whether the learner has been at work for `breaker.settle_ms`.
    """

    heads: tuple[HeadFigures, ...]
    examples: int
    dry_ms: int
    dry_events: int
    settled: bool = True

    def of(self, examples: int) -> Iterator[HeadFigures]:
        """Heads that have so many examples, once it has settled."""
        return (one for one in self.heads if self.settled and one.examples >= examples)


class Tripped(msgspec.Struct, frozen=True):
    """A rule that says no. head: None where it is of all. figure: what was seen, beyond its bound."""

    rule: str
    head: str | None
    figure: float
    bound: float

    def __str__(self) -> str:
        of = f" of {self.head}" if self.head is not None else ""
        return f"{self.rule}{of}: {self.figure:.4g}, bound {self.bound:.4g}"


class Rule(NamedTuple):
    """A numbered predicate. tells: what is wrong. advice: what to do. check: those who trip it."""

    number: int
    name: str
    tells: str
    advice: str
    check: Callable[[Figures, Breaker], Iterator[Tripped]]


def _non_finite(figures: Figures, policy: Breaker) -> Iterator[Tripped]:
    del policy
    for one in figures.heads:
        if one.non_finite or not one.finite:
            yield Tripped("non_finite", one.head, float(max(one.non_finite, 1)), 0.0)


def _loss_jump(figures: Figures, policy: Breaker) -> Iterator[Tripped]:
    for one in figures.of(policy.loss_examples):
        seen, before = one.window.loss, one.reference.loss
        if one.reference.examples < policy.reference_examples or seen is None or before is None:
            continue
        bound = max(before * policy.loss_ratio, before + policy.loss_margin_nats)
        if seen > bound:
            yield Tripped("loss_jump", one.head, seen, bound)


def _label_rate(figures: Figures, policy: Breaker) -> Iterator[Tripped]:
    for one in figures.of(policy.label_examples):
        seen, before = one.window.rate, one.reference.rate
        if one.reference.examples < policy.reference_examples or seen is None or before is None:
            continue
        if max(one.window.positives, before * one.window.weight) < policy.positives:
            continue
        low, high = before / policy.label_ratio, before * policy.label_ratio
        if not low <= seen <= high:
            yield Tripped("label_rate", one.head, seen, low if seen < low else high)


def _dry_stream(figures: Figures, policy: Breaker) -> Iterator[Tripped]:
    enough = figures.examples >= policy.dry_examples and figures.dry_events >= policy.dry_events
    if enough and figures.dry_ms >= policy.dry_ms:
        yield Tripped("dry_stream", None, float(figures.dry_ms), float(policy.dry_ms))


def _calibration(figures: Figures, policy: Breaker) -> Iterator[Tripped]:
    for one in figures.of(policy.calibration_examples):
        predicted, positives = one.window.predicted, one.window.positives
        if max(predicted, positives) < policy.positives:
            continue
        low, high = one.calibration / policy.calibration_ratio, one.calibration * policy.calibration_ratio
        if predicted < low * positives:
            yield Tripped("calibration", one.head, predicted / positives, low)
        elif predicted > high * positives:
            yield Tripped("calibration", one.head, predicted / max(positives, 1.0), high)


RULES: Final = (
    Rule(
        1, "non_finite", "a weight, an intercept or a prediction is no number",
        "find the feature that is none (the newest release?); `rtrec model rearm` goes back to the last weights that "
        "were numbers and on from here",
        _non_finite,
    ),
    Rule(
        2, "loss_jump", "the newest examples are predicted much worse than those before",
        "look at what producers changed: labels turned round, a feature that stands still, another platform's events",
        _loss_jump,
    ),
    Rule(
        3, "label_rate", "there are many more, or fewer, positives than before",
        "look whether a type of event is missing or sent twice (rtrec_events_total, `rtrec deadletters list`); traffic "
        "that begins or ends at once does it for a minute, for negatives come later",
        _label_rate,
    ),
    Rule(
        4, "dry_stream", "events come, and no example",
        "look whether impressions still come, and whether actions still find them (rtrec_labels_total)",
        _dry_stream,
    ),
    Rule(
        5, "calibration", "predictions add up to far more, or less, than what happens",
        "the label's meaning or the traffic changed faster than the learner follows; it passes by itself if it does",
        _calibration,
    ),
)  # fmt: skip
"""Append-only: a number and a name mean one thing for ever."""


def tripped(figures: Figures, policy: Breaker) -> tuple[Tripped, ...]:
    """Everything that says no, by rule and head."""
    return tuple(one for rule in RULES for one in rule.check(figures, policy))


class BreakerState(msgspec.Struct, frozen=True):
    """Closed, or open since when and for what.

    begun_ms: when the learner's first examples were seen; None before. since_ms: None while it is closed.
    tripped: what said no when something last did. passed_ms: since when nothing does, None while something does.
    """

    begun_ms: int | None = None
    since_ms: int | None = None
    tripped: tuple[Tripped, ...] = ()
    passed_ms: int | None = None

    @property
    def open(self) -> bool:
        """Whether nothing is published."""
        return self.since_ms is not None

    def judged(self, found: tuple[Tripped, ...], now_ms: int, policy: Breaker) -> "BreakerState":
        """The state after a look.

        >>> state = BreakerState().judged((Tripped("dry_stream", None, 2.0, 1.0),), 1_000, Breaker(rearm_ms=500))
        >>> state.open, state.judged((), 2_000, Breaker(rearm_ms=500)).open
        (True, True)
        """
        if found:
            return BreakerState(self.begun_ms, now_ms if self.since_ms is None else self.since_ms, found)
        if not self.open:
            return self
        passed_ms = now_ms if self.passed_ms is None else self.passed_ms
        if now_ms - passed_ms >= policy.rearm_ms:
            return self.closed()
        return BreakerState(self.begun_ms, self.since_ms, self.tripped, passed_ms)

    def closed(self) -> "BreakerState":
        """The state of one that publishes."""
        return BreakerState(self.begun_ms)
