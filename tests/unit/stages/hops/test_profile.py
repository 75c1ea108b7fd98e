"""Promises of PROFILE as a hop, beside those of the chain: erasures, and what is passed on."""

from collections.abc import Sequence

from rtrec.events import user_chunk
from rtrec.events.user_events import UserEvent
from rtrec.ports import Owner
from rtrec.ranking.anchor_state import AnchorState
from rtrec.stages.control import anchor_state_message, erase_message
from rtrec.stages.hops.heat import USER_EVENTS
from rtrec.stages.hops.hop import Batch, HopTurn
from rtrec.stages.hops.profile import CONTROL, PROFILED, ProfileHop
from rtrec.stages.messages import Record
from rtrec.stages.positions import KEY
from tests.unit.events.event_cases import escaped, valid
from tests.unit.stages.heat_host import T0
from tests.unit.stages.hops.chain import EVENTS, Calm, Chain, Store
from tests.unit.stages.hops.scripts import settings

ME = Owner("profile", 0)
USERS = ("u", "v")


def shown(user_id: str, at_ms: int) -> bytes:
    named = f"{user_id}{at_ms}"
    return escaped(valid("impression", event_id=named, ts_ms=T0 + at_ms, anchor_id="a", user_id=user_id))


def handed(lines: Sequence[bytes]) -> list[Record]:
    """What HEAT hands on, an event a message."""
    chain = Chain(settings(1))
    chain.send(EVENTS, lines)
    calm = Calm(chain, (1,))
    for _ in lines:
        calm.turn(Owner("ingest", 0))
        calm.turn(Owner("heat", 0))
    return chain.topics[USER_EVENTS, 0]


def turned(hop: ProfileHop, batch: Batch, store: Store) -> HopTurn:
    keys = hop.prepare(batch)
    turn = hop.turn(keys, store.get(ME, keys))
    store.write(ME, turn.writes)
    return turn


def passed(turn: HopTurn) -> list[tuple[UserEvent, bytes | None]]:
    assert {(message.topic, message.partition) for message in turn.messages} <= {(PROFILED, 0)}
    return [one for message in turn.messages for one in user_chunk.decode(message.value)[1].profiled()]


def erasure(user_id: str, at_ms: int = 0) -> list[Record]:
    return [Record(0, T0, *erase_message(user_id, T0 + at_ms), None)]


def test_an_erasure_is_met_before_the_events_it_came_with() -> None:
    """What it takes is not passed on, in this turn or later, by this worker or the next; others' events are."""
    hop, store = ProfileHop(settings(1), 0), Store()
    records = handed([shown(user_id, at_ms) for at_ms in (0, 60_000, 60_001) for user_id in USERS])
    turn = turned(hop, {USER_EVENTS: records[:2], CONTROL: erasure("u")}, store)
    assert [event.user_id for event, _ in passed(turn)] == ["v"]
    assert set(store.records[ME]) == {"u/v", "erased/u", "meta", KEY}
    again = ProfileHop(settings(1), 0)
    again.load(dict(store.scan(ME)))
    turn = turned(again, {USER_EVENTS: records[2:]}, store)
    assert [(event.user_id, event.ts_ms - T0) for event, _ in passed(turn)] == [
        ("v", 60_000), ("u", 60_001), ("v", 60_001),
    ]  # fmt: skip
    assert turn.counts["erased"] == 1


def test_where_nothing_is_passed_on_nothing_is_sent_and_positions_move_on() -> None:
    hop, store, records = ProfileHop(settings(1), 0), Store(), handed([shown("u", 0)])
    turn = turned(hop, {USER_EVENTS: records, CONTROL: erasure("u")}, store)
    assert (turn.events, turn.messages) == (1, [])
    assert hop.prepare({USER_EVENTS: records}) == []
    assert hop.turn([], []).counts["erased"] == 0


def test_an_erasure_alone_is_a_turn() -> None:
    """With a quiet partition too, the record is gone at once; a ban is nobody's erasure."""
    hop, store = ProfileHop(settings(1), 0), Store()
    turned(hop, {USER_EVENTS: handed([shown("u", 0)])}, store)
    assert "u/u" in store.records[ME]
    ban = Record(0, T0, *anchor_state_message("a", AnchorState(banned=True), T0), None)
    turned(hop, {USER_EVENTS: (), CONTROL: [ban]}, store)
    assert "u/u" in store.records[ME]
    assert turned(hop, {USER_EVENTS: (), CONTROL: erasure("u")}, store).messages == []
    assert set(store.records[ME]) == {"erased/u", "meta", KEY}


def test_the_same_events_are_passed_on_once_with_the_same_rows() -> None:
    """Whichever way they were cut; a message that came twice leaves nothing the second time."""
    records = handed([shown(user_id, at_ms) for at_ms in range(5) for user_id in USERS])
    whole = passed(turned(ProfileHop(settings(1), 0), {USER_EVENTS: records}, Store()))
    assert len(whole) == 10
    assert all(row for _, row in whole)
    hop, store, found = ProfileHop(settings(1), 0), Store(), list[tuple[UserEvent, bytes | None]]()
    for first in range(0, 10, 3):
        found += passed(turned(hop, {USER_EVENTS: records[max(0, first - 2) : first + 3]}, store))
    assert found == whole
