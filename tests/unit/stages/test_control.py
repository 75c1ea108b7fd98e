from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.ranking.anchor_state import DEFAULT, AnchorState
from rtrec.stages.control import ControlState, anchor_state_message, changed, erase_message

NOW = 1_712_345_678_901
FIELDS: dict[str, list[Any]] = {
    "banned": [True, False],
    "regions_allow": [["CN"], []],
    "regions_deny": [["US", "DE"]],
    "min_age": [0, 18],
    "mode": ["solo", "pk", "multi"],
    "until_ms": [NOW + 10, NOW + 1_000],
    "reason": ["because"],
}


class Operator:
    """Messages to a control state, and the store it leaves."""

    def __init__(self) -> None:
        self.state, self.store = ControlState(), dict[str, bytes]()

    def put(self, at_ms: int = NOW, /, **change: Any) -> AnchorState:
        """What the API does: the state in force, changed, as a message."""
        state = changed(self.state.anchor("a", at_ms), change)
        effects, _ = self.state.apply(anchor_state_message("a", state, at_ms)[1])
        for key, stored in effects.writes.puts.items():
            assert stored is not None
            self.store[key] = stored
        return self.state.anchor("a", at_ms)

    def reloaded(self) -> ControlState:
        fresh = ControlState()
        fresh.load(self.store.items())
        return fresh


def test_a_message_changes_only_what_it_names() -> None:
    operator = Operator()
    operator.put(banned=True, reason="spam")
    assert operator.put(mode="pk") == AnchorState(banned=True, reason="spam", mode="pk")
    assert operator.put(banned=False) == AnchorState(reason="spam", mode="pk")


@pytest.mark.parametrize("name", FIELDS)
def test_null_takes_a_field_back_to_its_default(name: str) -> None:
    operator = Operator()
    operator.put(**{name: FIELDS[name][-1]})
    assert operator.put(**{name: None}) == DEFAULT


@given(
    st.lists(
        st.fixed_dictionaries({}, optional={n: st.sampled_from([*v, None]) for n, v in FIELDS.items()}), max_size=8
    )
)
def test_any_changes_are_a_plain_merge_and_survive_a_restart(changes: list[dict[str, Any]]) -> None:
    operator, expected = Operator(), dict[str, Any]()
    for change in changes:
        expected |= change
        state = operator.put(**change)
        assert state == AnchorState(**{name: value for name, value in expected.items() if value is not None})
    assert operator.reloaded().anchors == operator.state.anchors


def test_a_state_holds_until_its_time_and_lapses_whole() -> None:
    operator = Operator()
    operator.put(banned=True, mode="pk", until_ms=NOW + 100)
    assert operator.state.anchor("a", NOW + 99) == AnchorState(banned=True, mode="pk", until_ms=NOW + 100)
    assert operator.state.anchor("a", NOW + 100) == DEFAULT
    assert operator.reloaded().anchor("a", NOW + 100) == DEFAULT


def test_a_message_after_a_lapse_begins_anew() -> None:
    """It is in force at once, and what lapsed does not come back with it."""
    operator = Operator()
    operator.put(NOW, banned=True, until_ms=NOW + 100)
    assert operator.put(NOW + 200, mode="pk") == AnchorState(mode="pk")
    operator.put(NOW + 300, banned=True, until_ms=NOW + 400)
    assert operator.put(NOW + 500, until_ms=NOW + 900) == AnchorState(until_ms=NOW + 900)


def test_an_anchor_nobody_spoke_of_has_the_default() -> None:
    assert ControlState().anchor("x", NOW) == DEFAULT


@pytest.mark.parametrize(
    ("times", "stands", "writes"),
    [([0], 0, 1), ([0, 5], 5, 2), ([5, 2], 5, 1), ([5, 5], 5, 1), ([0, 5, 2, 5, 9], 9, 3)],
)
def test_an_erasure_only_moves_on(times: list[int], stands: int, writes: int) -> None:
    """The newest time stands, whatever the order of arrival; one that changes nothing writes nothing."""
    operator, written = Operator(), 0
    for passed in times:
        effects, message = operator.state.apply(erase_message("u", NOW + passed)[1])
        assert (message.kind, message.user_id, message.at_ms) == ("user_erase", "u", NOW + passed)
        written += len(effects.writes.puts)
        operator.store.update({key: value for key, value in effects.writes.puts.items() if value is not None})
    assert operator.state.erased == operator.reloaded().erased == {"u": NOW + stands}
    assert written == writes


def test_keys_name_what_a_message_is_about() -> None:
    """So that a compacted topic keeps anchors and users apart."""
    assert anchor_state_message("x", DEFAULT, NOW)[0] != erase_message("x", NOW)[0]
    assert anchor_state_message("x", DEFAULT, NOW)[0] != anchor_state_message("y", DEFAULT, NOW)[0]


def test_the_newest_message_stands_for_all_before() -> None:
    """A reader of the compacted topic, who meets only the newest of each key, ends where one of all does."""
    log, live = dict[bytes, bytes](), ControlState()
    for change in ({"banned": True}, {"mode": "pk"}, {"banned": None, "min_age": 18}):
        key, value = anchor_state_message("a", changed(live.anchor("a", NOW), change), NOW)
        live.apply(value)
        log[key] = value
    late = ControlState()
    for value in log.values():
        late.apply(value)
    assert late.anchors == live.anchors == {"a": AnchorState(mode="pk", min_age=18)}
