"""LABEL's turns: what is written, what is forgotten, what survives a reload."""

import pytest

from rtrec.events.schema import CLICK, GIFT
from rtrec.labels.exposure import ScoredRow
from rtrec.settings import Labels
from rtrec.stages.label import LabelState, canonical, erase, label, scored, tick
from tests.unit.labels.label_streams import T0, action, impression

S = 1_000
POLICY = Labels(heads=("click",))


def reloaded(items: dict[str, bytes | None]) -> LabelState:
    state = LabelState(POLICY)
    state.load((key, value) for key, value in items.items() if value is not None)
    return state


def test_only_what_changed_is_written_and_what_is_empty_is_deleted() -> None:
    """A user's record is put while something is pending, deleted when nothing is, and otherwise left alone."""
    state = LabelState(POLICY)
    first, _ = label(state, [impression(), impression(user_id="v")])
    assert set(first.writes.puts) == {"meta", "p/u", "p/v"}
    second, _ = label(state, [action(CLICK, S)])
    assert set(second.writes.puts) == {"meta", "p/u"}
    last, _ = tick(state, T0 + 3_600 * S)
    assert (last.writes.puts["p/u"], last.writes.puts["p/v"]) == (None, None)


def test_what_comes_and_goes_within_a_turn_is_never_written() -> None:
    """Gifts without impressions pass through: all but the last five minutes leave no write."""
    gifts = [action(GIFT, at * 10 * S, user_id=f"u{at}", value=1) for at in range(1_000)]
    effects, examples = label(LabelState(Labels()), gifts)
    assert examples == []
    assert effects.counts["orphaned"] == 969
    assert len(effects.writes.puts) == 31 + 1


def test_counts_are_the_turns_and_meta_keeps_their_sum() -> None:
    """Each effect has what its turn counted; the stored sum survives a reload."""
    state = LabelState(POLICY)
    items = dict(label(state, [impression(), action(CLICK, 1)])[0].writes.puts)
    assert label(state, [impression(5), action(CLICK, 6)])[0].counts["click/positive"] == 1
    again = reloaded(items)
    assert again.counts["click/positive"] == 1


def test_a_logged_row_survives_a_reload() -> None:
    """The impression may come after a restart."""
    effects, _ = scored(LabelState(POLICY), [ScoredRow("u", "r", "a", T0, b"logged")])
    _, examples = label(reloaded(effects.writes.puts), [impression(1, request_id="r"), action(CLICK, 2)])
    assert [one.row for one in examples] == [b"logged"]


def test_an_erased_user_stays_erased() -> None:
    """Pending labels go; later events and rows up to E + 60 s are dropped, after a reload too; newer ones count."""
    state = LabelState(POLICY)
    items = dict(label(state, [impression()])[0].writes.puts)
    effects, examples = erase(state, "u", T0)
    items.update(effects.writes.puts)
    assert (items["p/u"], examples, effects.counts["erased"]) == (None, [], 1)
    again = reloaded(items)
    dropped, examples = label(again, [impression(60 * S), action(CLICK, 60 * S)])
    assert (examples, dropped.counts["erased"]) == ([], 2)
    assert scored(again, [ScoredRow("u", "r", "a", T0 + 60 * S, b"x")])[0].counts["erased"] == 1
    assert len(label(again, [impression(60 * S + 1), action(CLICK, 61 * S)])[1]) == 1


def test_a_quiet_partition_goes_on_by_ticks() -> None:
    """A tick decides what silence decides, and never turns time back."""
    state = LabelState(POLICY)
    label(state, [impression()])
    assert tick(state, T0 + 60 * S - 1)[1] == []
    assert [one.label for one in tick(state, T0 + 60 * S)[1]] == [0]
    tick(state, T0)
    assert state.join.watermark_ms == T0 + 60 * S


def test_another_versions_state_is_refused() -> None:
    """Bytes of a version not known are an error, never a guess."""
    with pytest.raises(ValueError, match="expected version 1"):
        LabelState(POLICY).load([("meta", b"\x02")])


def test_canonical_bytes_depend_on_content_alone() -> None:
    """The order in which a store lists its records does not matter; keys and values cannot run together."""
    items = [("p/a", b"1"), ("meta", b"2")]
    assert list(canonical(items)) == list(canonical(items[::-1]))
    assert list(canonical([("p/a", b"1")])) != list(canonical([("p/a1", b"")]))
