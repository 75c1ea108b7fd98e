import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.features.decay import HALF_LIVES, HALF_LIVES_MS, LANDMARK_HALF_LIVES, landmark, power, rebase, two_sum

T0 = 1_700_000_000_000
HALF_LIFE = st.sampled_from(HALF_LIVES_MS.tolist())


class Counter:
    """A decayed counter as the kernels drive it: two floats on a landmark that the newest event gives."""

    def __init__(self, half_life_ms: int) -> None:
        self.half_life_ms = half_life_ms
        self.high = self.low = 0.0
        self.last_ms = 0

    def add(self, ts_ms: int, value: float) -> None:
        if ts_ms > self.last_ms:
            if self.last_ms:
                factor = rebase(self.last_ms, ts_ms, self.half_life_ms)
                self.high, self.low = self.high * factor, self.low * factor
            self.last_ms = ts_ms
        weight = power(landmark(self.last_ms, self.half_life_ms), ts_ms, self.half_life_ms)
        self.high, self.low = two_sum(self.high, self.low, value * weight)

    def at(self, t_ms: int) -> float:
        return float((self.high + self.low) * power(t_ms, landmark(self.last_ms, self.half_life_ms), self.half_life_ms))


def events(span_ms: int, most: int = 30) -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, span_ms), st.integers(0, 10**12)), min_size=1, max_size=most)


@given(HALF_LIFE, st.integers(-100_000_000, 100_000_000))
def test_power_is_two_to_the_half_lives(half_life_ms: int, d_ms: int) -> None:
    """To 1e-12 for every distance, zero or infinity nowhere near a real one."""
    expected = 2.0 ** (d_ms / half_life_ms) if abs(d_ms / half_life_ms) < 1_000 else None
    got = power(T0, T0 + d_ms, half_life_ms)
    if expected is not None:
        assert got == pytest.approx(expected, rel=1e-12)


@given(HALF_LIFE, st.integers(0, 10**9), st.integers(-200, 200))
def test_whole_half_lives_only_move_the_exponent(half_life_ms: int, d_ms: int, whole: int) -> None:
    """An event weighs the same bits whatever landmark it is counted from."""
    assert power(T0, T0 + d_ms % half_life_ms + whole * half_life_ms, half_life_ms) == math.ldexp(
        power(T0, T0 + d_ms % half_life_ms, half_life_ms), whole
    )


@given(HALF_LIFE, events(20_000_000), st.randoms())
def test_the_order_of_arrival_does_not_matter(
    half_life_ms: int, given_events: list[tuple[int, int]], random: object
) -> None:
    """Σ v · 2^(-(t - ts) / h) to 1e-12, in any order, and equal to the definition to 1e-9."""
    shuffled = list(given_events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    counters = Counter(half_life_ms), Counter(half_life_ms)
    for counter, order in zip(counters, (given_events, shuffled), strict=True):
        for d_ms, value in order:
            counter.add(T0 + d_ms, value)
    t_ms = T0 + max(d_ms for d_ms, _ in given_events) + 12_345
    expected = math.fsum(value * 2.0 ** ((T0 + d_ms - t_ms) / half_life_ms) for d_ms, value in given_events)
    assert counters[0].at(t_ms) == pytest.approx(counters[1].at(t_ms), rel=1e-12, abs=1e-300)
    assert counters[0].at(t_ms) == pytest.approx(expected, rel=1e-9, abs=1e-290)


@given(HALF_LIFE, events(5_000_000), st.integers(1, 4))
def test_identical_histories_read_identically_on_whatever_landmarks(
    half_life_ms: int, given_events: list[tuple[int, int]], spans: int
) -> None:
    """One counter passes landmarks on its way, the other's landmark was there from the start: equal bits."""
    begin = landmark(T0, half_life_ms) + LANDMARK_HALF_LIVES * half_life_ms - 1_000_000
    end = begin + spans * LANDMARK_HALF_LIVES * half_life_ms
    moving, settled = Counter(half_life_ms), Counter(half_life_ms)
    settled.add(end, 0.0)
    for d_ms, value in sorted(given_events):
        moving.add(begin + d_ms, value)
        settled.add(begin + d_ms, value)
    moving.add(end, 0.0)
    assert (moving.high, moving.low) == (settled.high, settled.low)
    assert moving.at(end + 777) == settled.at(end + 777)


@given(
    HALF_LIFE, events(1_000_000), st.lists(st.tuples(st.integers(0, 1_000_000), st.integers(0, 10**12)), max_size=20)
)
def test_what_was_put_in_can_be_taken_out(
    half_life_ms: int, kept: list[tuple[int, int]], undone: list[tuple[int, int]]
) -> None:
    """After reversals of values up to 10^12 a counter reads what it would without them, to the last bit or two."""
    with_them, without = Counter(half_life_ms), Counter(half_life_ms)
    for d_ms, value in kept:
        with_them.add(T0 + d_ms, value)
        without.add(T0 + d_ms, value)
    newest = T0 + 1_000_000
    for sign in (1, -1):
        for d_ms, value in undone:
            with_them.add(T0 + d_ms, sign * value)
    with_them.add(newest, 0.0)
    without.add(newest, 0.0)
    assert with_them.at(newest) == pytest.approx(without.at(newest), rel=4e-16, abs=1e-12)


@given(
    HALF_LIFE,
    st.lists(st.tuples(st.integers(0, 1_000_000), st.integers(1, 10**12)), min_size=1, max_size=20),
    st.randoms(),
)
def test_reversing_everything_leaves_no_heat(
    half_life_ms: int, all_events: list[tuple[int, int]], random: object
) -> None:
    """In whatever order gifts are taken out, what remains is below the 1e-9 that counts as nothing."""
    counter = Counter(half_life_ms)
    for d_ms, value in all_events:
        counter.add(T0 + d_ms, value)
    random.shuffle(all_events)  # type: ignore[attr-defined]
    for d_ms, value in all_events:
        counter.add(T0 + d_ms, -value)
    assert abs(counter.at(counter.last_ms)) <= 1e-9


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
def test_two_sum_loses_nothing(high: float, value: float) -> None:
    total, low = two_sum(high, 0.0, value)
    assert Fraction(total) + Fraction(low) == Fraction(high) + Fraction(value)


@given(HALF_LIFE, st.integers(0, 10**10), st.integers(0, 10**11))
def test_rebase_is_a_power_of_two_and_one_between_landmarks(half_life_ms: int, d_ms: int, moved_ms: int) -> None:
    span = LANDMARK_HALF_LIVES * half_life_ms
    factor = rebase(T0 + d_ms, T0 + d_ms + moved_ms, half_life_ms)
    passed = (T0 + d_ms + moved_ms) // span - (T0 + d_ms) // span
    assert factor == math.ldexp(1.0, -min(LANDMARK_HALF_LIVES * passed, 4_000))


def test_the_half_lives_are_their_names() -> None:
    assert dict(zip(HALF_LIVES, HALF_LIVES_MS.tolist(), strict=True)) == {"1m": 60_000, "10m": 600_000, "1h": 3_600_000}
    assert np.all(HALF_LIVES_MS[:-1] < HALF_LIVES_MS[1:])
