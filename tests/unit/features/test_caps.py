"""The cap per user, against the design's rule in plain Python."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.settings import Heat
from tests.unit.stages.heat_host import MINUTE_MS, T0, Host, made

CAP, HALF_LIFE_MS = 1_000.0, 10 * MINUTE_MS
Gift = tuple[int, int, int]
"""(user, time after T0, value)"""


class Rule:
    """`added = clip(cap_user - s_user(ts), 0, min(value, cap_event))` over 16 users, in log order."""

    def __init__(self, cap: float, event_cap: float = math.inf) -> None:
        self.cap, self.event_cap = cap, event_cap
        self.slots: list[tuple[int, list[tuple[int, float]]]] = []
        self.added: list[tuple[int, float]] = []

    def sum_at(self, place: int, ts: int) -> float:
        return math.fsum(value * 2.0 ** ((at - ts) / HALF_LIFE_MS) for at, value in self.slots[place][1])

    def add(self, user: int, ts: int, value: float) -> None:
        users = [one for one, _ in self.slots]
        place: int | None = None
        if user in users:
            place = users.index(user)
        elif len(self.slots) < 16:
            self.slots.append((user, []))
            place = len(self.slots) - 1
        else:
            smallest = min(range(16), key=lambda k: self.sum_at(k, ts))
            if value > self.sum_at(smallest, ts):
                self.slots[smallest] = (user, [])
                place = smallest
        held = self.sum_at(place, ts) if place is not None else 0.0
        added = max(min(self.cap - held, value, self.event_cap), 0.0)
        if place is not None:
            self.slots[place][1].append((ts, added))
        self.added.append((ts, added))

    def heat(self, at: int) -> float:
        return math.fsum(added * 2.0 ** ((ts - at) / HALF_LIFE_MS) for ts, added in self.added)


def heat_of(gifts: list[Gift], at: int, **policy: Any) -> float:
    host = Host(Heat(weights={"gift_value": 1.0}, **policy))
    host.feed(*(made("gift", T0 + ts, event_id=f"g{k}", user_id=f"u{user}", value=value)
                for k, (user, ts, value) in enumerate(gifts)))  # fmt: skip
    found: float = host.show(T0 + at)["heat"]["score"]
    return found


@given(st.lists(st.tuples(st.integers(0, 24), st.integers(0, 40 * MINUTE_MS), st.integers(0, 1_500)), max_size=80))
def test_heat_is_the_rules(gifts: list[Gift]) -> None:
    """25 users on 16 slots, late gifts among them: the heat is what the rule adds, decayed."""
    rule, at = Rule(CAP), max([ts for _, ts, _ in gifts], default=0)
    for user, ts, value in gifts:
        if value:
            rule.add(user, ts, value)
    got = heat_of([*gifts, (99, at, 0)], at, user_caps={"gift_value": CAP})
    assert got == pytest.approx(rule.heat(at), rel=1e-9, abs=1e-8)


def test_an_event_cap_comes_first() -> None:
    """min(value, cap_event) is what may be added; the whole value decides whether a newcomer gets a slot."""
    gifts = [(0, 0, 900), (0, 0, 900), (0, 0, 900), (0, 0, 900), (0, 0, 900)]
    assert heat_of(gifts, 0, user_caps={"gift_value": CAP}, event_caps={"gift_value": 300.0}) == pytest.approx(1_000)
    assert heat_of(gifts, 0, user_caps={}, event_caps={"gift_value": 300.0}) == pytest.approx(1_500)


def test_room_under_the_cap_comes_back_with_decay() -> None:
    """At the cap at 0, half of it free ten minutes later."""
    assert heat_of([(0, 0, 5_000), (0, 10 * MINUTE_MS, 5_000)], 10 * MINUTE_MS, user_caps={"gift_value": CAP}) == (
        pytest.approx(CAP)
    )


def test_beyond_16_users_a_small_newcomer_is_capped_alone() -> None:
    """Without a slot each gift may add up to the cap: the rule, in log order, is the definition."""
    gifts = [(k, 0, 500) for k in range(16)]
    gifts += [(20, 0, 400), (20, 0, 400), (20, 0, 400)]
    assert heat_of(gifts, 0, user_caps={"gift_value": CAP}) == pytest.approx(16 * 500 + 1_200)
    gifts += [(21, 0, 501), (21, 0, 9_000)]  # takes a slot, and is capped in it
    assert heat_of(gifts, 0, user_caps={"gift_value": CAP}) == pytest.approx(16 * 500 + 1_200 + 1_000)


@pytest.mark.parametrize(("metric", "kind"), [("likes", "like"), ("comments", "comment"), ("shares", "share")])
def test_any_metric_may_be_capped(metric: str, kind: str) -> None:
    host = Host(Heat(weights={metric: 1.0}, user_caps={metric: 3.0}))
    host.feed(*(made(kind, T0, event_id=f"e{k}") for k in range(9)), made(kind, T0, user_id="v"))
    assert host.show(T0)["heat"]["score"] == pytest.approx(4)
    assert host.show(T0)["windows"][metric]["10s"] == 10, "windows are raw"
