"""Promises of HEAT as a hop, beside those of the chain: what it refuses, what it passes over, what it is told live."""

from collections.abc import Mapping

from msgspec.structs import replace

from rtrec.events import user_chunk
from rtrec.ports import Owner
from rtrec.settings import Heat
from rtrec.stages import dead_letters
from rtrec.stages.hops.heat import USER_EVENTS, HeatHop
from rtrec.stages.hops.hop import HopTurn
from rtrec.stages.hops.ingest import ANCHOR_EVENTS, DEAD_LETTERS
from rtrec.stages.messages import Record
from rtrec.stages.positions import KEY
from tests.unit.events.event_cases import escaped, valid
from tests.unit.stages.heat_host import HOUR_MS, T0
from tests.unit.stages.hops.chain import EVENTS, Calm, Chain, Store
from tests.unit.stages.hops.scripts import settings

ME = Owner("heat", 0)


def chunks_of(events: Mapping[int, list[bytes]]) -> list[Record]:
    """What INGEST makes of lines by source partition: two messages each."""
    chain = Chain(settings(1), len(events))
    for source, lines in events.items():
        chain.send(EVENTS, lines, source)
        calm = Calm(chain, (-(-len(lines) // 2),))
        calm.turn(Owner("ingest", source))
        calm.turn(Owner("ingest", source))
    return chain.topics[ANCHOR_EVENTS, 0]


def turned(hop: HeatHop, records: list[Record], store: Store) -> HopTurn:
    keys = hop.prepare({ANCHOR_EVENTS: records})
    turn = hop.turn(keys, store.get(ME, keys))
    store.write(ME, turn.writes)
    return turn


def gift(name: str, at_ms: int = T0, value: int = 100) -> bytes:
    return escaped(valid("gift", event_id=name, ts_ms=at_ms, anchor_id="a", user_id="u", value=value))


def test_a_dead_letter_says_where_the_event_stood_in_its_source() -> None:
    """Also where several sources' messages are judged in one turn."""
    late, unknown = gift("late", T0 - 26 * HOUR_MS), gift("r")[:-1] + b', "reversal_of": "nobody"}'
    records = chunks_of({0: [gift("g0"), gift("g1"), late, gift("g2")], 1: [gift("h0"), unknown, late, gift("h0")]})
    turn = turned(HeatHop(settings(1), 0), records, Store())
    letters = [(m.key, dead_letters.decode(m.value)) for m in turn.messages if m.topic == DEAD_LETTERS]
    assert [(key, letter.original) for key, letter in letters] == [
        (b"events:0:2", late),
        (b"events:1:1", unknown),
        (b"events:1:2", late),
    ]
    assert [letter.reason for _, letter in letters] == turn.refused
    counts = [turn.counts[name] for name in ("accepted", "duplicate", "too_late", "unknown_reversal")]
    assert (turn.events, counts) == (8, [4, 1, 2, 1])


def test_messages_that_were_met_leave_nothing() -> None:
    """No event is counted, nothing goes on, and no anchor has to be read."""
    hop, store, records = HeatHop(settings(1), 0), Store(), chunks_of({0: [gift("g0"), gift("g1"), gift("g2")]})
    turned(hop, records, store)
    again = HeatHop(settings(1), 0)
    again.load(dict(store.scan(ME)))
    for one in (hop, again):
        assert one.prepare({ANCHOR_EVENTS: [record._replace(offset=record.offset + 9) for record in records]}) == []
        turn = one.turn([], [])
        assert (turn.events, turn.messages, set(turn.writes.puts), turn.writes.ranks) == (0, [], {KEY}, {})


def test_users_partitions_get_their_own_events_and_reversals_the_givers() -> None:
    """A refund is a fact about who gave, whoever asked for it."""
    events = [valid("gift", event_id="g", ts_ms=T0, anchor_id="a", user_id="giver", value=7)]
    events.append(valid("gift", event_id="r", ts_ms=T0 + 1, anchor_id="a", user_id="desk", reversal_of="g"))
    turn = turned(HeatHop(settings(64), 0), chunks_of({0: [escaped(event) for event in events]}), Store())
    ((partition, value),) = [(m.partition, m.value) for m in turn.messages if m.topic == USER_EVENTS]
    source, chunk = user_chunk.decode(value)
    assert source == "anchor_events:0"
    assert set((chunk.columns["user"] % 64).tolist()) == {partition}
    given, reversed_ = chunk.user_events()
    assert (reversed_.reversal, reversed_.user_id, reversed_.value) == (True, given.user_id, given.value)
    assert reversed_.ts_ms == given.ts_ms == T0


def test_new_weights_hold_for_what_comes_after_them() -> None:
    """Told between two turns; ranks follow, records of anchors do not depend on weights."""
    policy, records = settings(1), chunks_of({0: [gift("g0"), gift("g1", T0 + 1)]})
    heavy = replace(policy, heat=Heat(weights={"gift_value": 1_000.0}))
    stores = Store(), Store()
    ranks = []
    for store, changed in zip(stores, (policy, heavy), strict=True):
        hop = HeatHop(policy, 0)
        turned(hop, records[:1], store)
        hop.change(changed)
        ranks.append(turned(hop, records[1:], store).writes.ranks["a"])
    assert stores[0].records == stores[1].records
    assert ranks[0] is not None
    assert ranks[1] is not None
    assert ranks[1] > ranks[0]
