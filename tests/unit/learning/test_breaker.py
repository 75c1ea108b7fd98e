"""The breaker's rules, each at its bound and just beyond it; when it opens and when it closes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.learning.breaker import RULES, BreakerState, Figures, HeadFigures, Tripped, tripped
from rtrec.learning.recent import Span
from rtrec.settings_breaker import Breaker

POLICY = Breaker(
    settle_ms=0, reference_examples=2_000, loss_ratio=1.5, loss_margin_nats=0.05, loss_examples=10_000,
    label_ratio=4.0, label_examples=10_000, calibration_ratio=4.0, calibration_examples=20_000, positives=50,
    dry_ms=600_000, dry_events=1_000, dry_examples=1_000, rearm_ms=60_000,
)  # fmt: skip


def span(rate: float = 0.1, loss: float = 0.3, calibration: float = 1.0, n: int = 2_000) -> Span:
    return Span(n, n, n * rate, n * loss, n * rate * calibration)


def head(window: Span | None = None, reference: Span | None = None, **more: float) -> HeadFigures:
    """A head about which nothing is wrong unless it is said."""
    ours = HeadFigures("click", 20_000, window or span(), reference or span(n=20_000))
    return ours._replace(**more)


def figures(one: HeadFigures | None = None, **more: int) -> Figures:
    return Figures((one or head(),), 50_000, 0, 0)._replace(**more)


def loss(nats: float, **more: float) -> Figures:
    return figures(head(span(loss=nats), **more))


def rare(nats: float) -> Figures:
    return figures(head(span(loss=nats), span(loss=0.01, n=20_000)))


def rate(share: float, before: float = 0.1, **more: float) -> Figures:
    return figures(head(span(rate=share), span(rate=before, n=20_000), **more))


def off(seen: float, share: float = 0.1, **more: float) -> Figures:
    return figures(head(span(rate=share, calibration=seen), **more))


def dry(ms: int, events: int, examples: int = 1_000) -> Figures:
    return figures(dry_ms=ms, dry_events=events, examples=examples)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(figures(), [], id="all-is-well"),
        pytest.param(Figures((), 0, 0, 0), [], id="nothing-yet"),
        pytest.param(figures(head(Span(), Span(), examples=0)), [], id="no-example-of-a-head-yet"),
        # 1 non_finite
        pytest.param(figures(head(non_finite=1)), [("non_finite", 1.0, 0.0)], id="a-prediction-that-is-no-number"),
        pytest.param(figures(head(finite=False)), [("non_finite", 1.0, 0.0)], id="a-weight-that-is-no-number"),
        pytest.param(
            figures(head(Span(), Span(), examples=0, non_finite=7)), [("non_finite", 7.0, 0.0)], id="from-the-first-on"
        ),
        # 2 loss_jump
        pytest.param(loss(0.4499), [], id="loss-below-its-ratio"),
        pytest.param(loss(0.4501), [("loss_jump", 0.4501, 0.45)], id="loss-above-its-ratio"),
        pytest.param(rare(0.0599), [], id="a-rare-heads-loss-below-the-margin"),
        pytest.param(rare(0.0601), [("loss_jump", 0.0601, 0.06)], id="a-rare-heads-loss-above-the-margin"),
        pytest.param(loss(9.0, examples=9_999), [], id="loss-of-too-few-examples"),
        pytest.param(loss(9.0, examples=10_000), [("loss_jump", 9.0, 0.45)], id="loss-of-just-enough-examples"),
        pytest.param(figures(head(span(loss=9.0), Span())), [], id="loss-without-a-reference"),
        pytest.param(figures(head(span(loss=9.0), span(n=1_999))), [], id="loss-beside-too-small-a-reference"),
        pytest.param(
            figures(head(span(loss=9.0), span(n=2_000))), [("loss_jump", 9.0, 0.45)], id="loss-beside-just-enough"
        ),
        pytest.param(loss(9.0)._replace(settled=False), [], id="loss-before-the-learner-has-settled"),
        # 3 label_rate
        pytest.param(rate(0.399), [], id="rate-below-its-upper-bound"),
        pytest.param(rate(0.401), [("label_rate", 0.401, 0.4)], id="rate-above-its-upper-bound"),
        pytest.param(rate(0.0251), [], id="rate-above-its-lower-bound"),
        pytest.param(rate(0.0249), [("label_rate", 0.0249, 0.025)], id="rate-below-its-lower-bound"),
        pytest.param(rate(0.0), [("label_rate", 0.0, 0.025)], id="no-positive-any-more"),
        pytest.param(rate(0.0, 0.0245), [], id="too-few-positives-were-to-be-expected"),
        pytest.param(rate(0.0245, 0.001), [], id="too-few-positives-came"),
        pytest.param(rate(0.025, 0.001), [("label_rate", 0.025, 0.004)], id="just-enough-positives-came"),
        pytest.param(rate(0.5, examples=9_999), [], id="rate-of-too-few-examples"),
        pytest.param(rate(0.5)._replace(settled=False), [], id="rate-before-the-learner-has-settled"),
        # 4 dry_stream
        pytest.param(dry(599_999, 1_000), [], id="not-dry-for-long-enough"),
        pytest.param(dry(600_000, 999), [], id="too-few-events-to-be-dry"),
        pytest.param(dry(600_000, 1_000), [("dry_stream", 600_000.0, 600_000.0)], id="dry"),
        pytest.param(dry(600_000, 1_000, 999), [], id="it-never-had-examples-to-speak-of"),
        # 5 calibration
        pytest.param(off(3.99), [], id="calibration-below-its-upper-bound"),
        pytest.param(off(4.01), [("calibration", 4.01, 4.0)], id="calibration-above-its-upper-bound"),
        pytest.param(off(0.251), [], id="calibration-above-its-lower-bound"),
        pytest.param(off(0.249), [("calibration", 0.249, 0.25)], id="calibration-below-its-lower-bound"),
        pytest.param(off(4.01, calibration=2.0), [], id="calibration-accepted-as-it-is"),
        pytest.param(off(8.01, calibration=2.0), [("calibration", 8.01, 8.0)], id="calibration-beyond-the-accepted"),
        pytest.param(figures(head(span(0.003, calibration=8), span(0.003))), [], id="too-few-positives-to-tell"),
        pytest.param(off(9.0, examples=19_999), [], id="calibration-of-too-few-examples"),
        pytest.param(off(9.0)._replace(settled=False), [], id="calibration-before-the-learner-has-settled"),
        pytest.param(
            figures(head(Span(2_000, 2_000.0, 0.0, 600.0, 300.0), Span())), [("calibration", 300.0, 4.0)],
            id="predictions-without-any-positive",
        ),
    ],
)  # fmt: skip
def test_a_rule_trips_beyond_its_bound_and_not_before(seen: Figures, expected: list[tuple[str, float, float]]) -> None:
    found = [(one.rule, one.figure, one.bound) for one in tripped(seen, POLICY)]
    assert found == [(rule, pytest.approx(figure), pytest.approx(bound)) for rule, figure, bound in expected]
    assert all(one.head == (None if one.rule == "dry_stream" else "click") for one in tripped(seen, POLICY))


def test_every_head_is_judged_and_every_rule_says_what_it_found() -> None:
    wrong = head(span(loss=9.0, rate=0.9), finite=False)
    found = tripped(Figures((head(), wrong._replace(head="gift"), wrong), 50_000, 600_000, 1_000), POLICY)
    assert [(one.rule, one.head) for one in found] == [
        ("non_finite", "gift"), ("non_finite", "click"), ("loss_jump", "gift"), ("loss_jump", "click"),
        ("label_rate", "gift"), ("label_rate", "click"), ("dry_stream", None),
    ]  # fmt: skip
    assert str(found[2]) == "loss_jump of gift: 9, bound 0.45"
    assert [rule.number for rule in RULES] == [1, 2, 3, 4, 5]


FAULT = (Tripped("loss_jump", "click", 2.0, 1.0),)
OTHER = (Tripped("dry_stream", None, 2.0, 1.0),)


def test_what_began_when_stands_whatever_opens_and_closes() -> None:
    state = BreakerState(begun_ms=7).judged(FAULT, 10, POLICY).judged((), 20, POLICY)
    assert (state.begun_ms, state.judged((), 70_000, POLICY)) == (7, BreakerState(begun_ms=7))


def test_it_opens_at_once_and_closes_when_nothing_tripped_for_a_while_on_end() -> None:
    """A fault in between begins the while anew; since when it is open stands."""
    state, opens = BreakerState(), []
    looks = [(0, ()), (10, FAULT), (20, ()), (60_019, ()), (60_020, FAULT), (70_000, OTHER), (70_001, ()),
             (130_000, ()), (130_001, ()), (130_002, ())]  # fmt: skip
    for now_ms, found in looks:
        state = state.judged(found, now_ms, POLICY)
        opens.append(state.open)
        if state.open:
            assert state.since_ms == 10
    assert opens == [False, True, True, True, True, True, True, True, False, False]
    assert state == BreakerState()


def test_while_it_waits_it_says_what_opened_it_and_since_when_all_is_well() -> None:
    state = BreakerState().judged(FAULT, 5, POLICY).judged((), 9, POLICY)
    assert (state.tripped, state.passed_ms) == (FAULT, 9)
    assert msgspec.json.decode(msgspec.json.encode(state), type=BreakerState) == state


@given(looks=st.lists(st.tuples(st.integers(0, 50_000), st.booleans()), min_size=1, max_size=30))
def test_it_is_open_exactly_until_a_while_without_fault(looks: list[tuple[int, bool]]) -> None:
    """By brute force over the history of looks."""
    state, now_ms, history, closed_at = BreakerState(), 0, [], -1
    for step_ms, faulty in looks:
        now_ms += step_ms
        state = state.judged(FAULT if faulty else (), now_ms, POLICY)
        history.append((now_ms, faulty))
        faults = [k for k, (_, wrong) in enumerate(history) if wrong and k > closed_at]
        expected = bool(faults)
        if faults and faults[-1] + 1 < len(history) and now_ms - history[faults[-1] + 1][0] >= POLICY.rearm_ms:
            expected, closed_at = False, len(history) - 1
        assert state.open == expected
