"""Promises of LABEL as a hop, beside those of the chain: its outbox, and when a tick is due."""

import msgspec

from rtrec.ports import Owner
from rtrec.stages.hops.hop import Batch, HopTurn, Message
from rtrec.stages.hops.label import EXAMPLES, TICKS, LabelHop, Number
from rtrec.stages.hops.profile import PROFILED
from rtrec.stages.messages import Record
from rtrec.stages.outbox import NEXT
from rtrec.stages.positions import KEY
from tests.unit.events.event_cases import escaped, valid
from tests.unit.stages.heat_host import T0
from tests.unit.stages.hops.chain import EVENTS, Calm, Chain, Store
from tests.unit.stages.hops.scripts import settings

ME = Owner("label", 0)
WAIT_MS = settings(1).labels.click_wait_ms


def profiled(*at_ms: int) -> list[Record]:
    """Impressions of one user, a message each."""
    chain = Chain(settings(1))
    calm = Calm(chain, (1,))
    for at in at_ms:
        shown = valid("impression", event_id=f"e{at}", ts_ms=T0 + at, anchor_id="a", user_id="u")
        chain.send(EVENTS, [escaped(shown)])
        calm.drain()
    return chain.topics[PROFILED, 0]


def turned(hop: LabelHop, batch: Batch, store: Store) -> HopTurn:
    assert hop.prepare(batch) == []
    turn = hop.turn([], [])
    store.write(ME, turn.writes)
    return turn


def taken_over(store: Store) -> LabelHop:
    hop = LabelHop(settings(1), 0)
    hop.load(dict(store.scan(ME)))
    return hop


def tick(at_ms: int) -> Record:
    return Record(0, T0, None, str(T0 + at_ms).encode(), None)


def numbers(messages: list[Message]) -> list[Number]:
    return [msgspec.msgpack.decode(message.headers or b"", type=Number) for message in messages]


def test_what_was_decided_waits_until_it_is_known_to_be_published() -> None:
    """For this worker and the next: the same bytes under the same number, then nothing, in the store neither."""
    hop, store = LabelHop(settings(1), 0), Store()
    turned(hop, {PROFILED: profiled(0, WAIT_MS)}, store)
    (message,) = hop.outbox()
    assert (message.topic, message.partition, numbers([message])) == (EXAMPLES, 0, [Number(0, 0)])
    for one in (hop, taken_over(store), taken_over(store)):
        assert one.outbox() == [message]
    hop.published()
    assert hop.outbox() == []
    assert taken_over(store).outbox() == [message], "not yet committed that it was published"
    turned(hop, {PROFILED: (), TICKS: [tick(WAIT_MS)]}, store)
    assert taken_over(store).outbox() == []
    assert not any(key.startswith("out/") for key in store.records[ME])


def test_what_was_decided_once_is_never_decided_again() -> None:
    """A worker that takes over after the commit meets the same input again, and sends what was committed."""
    store, records = Store(), profiled(0, WAIT_MS, 3 * WAIT_MS)
    turned(LabelHop(settings(1), 0), {PROFILED: records[:2]}, store)
    hop = taken_over(store)
    turned(hop, {PROFILED: records}, store)
    assert [number.number for number in numbers(hop.outbox())] == [0, 1]
    assert hop.outbox()[:1] == taken_over(store).outbox()[:1]
    counts = hop.state.counts
    assert counts["click/negative"] == 2


def test_partitions_number_their_own() -> None:
    hop = LabelHop(settings(8), 5)
    turned(hop, {PROFILED: profiled(0, WAIT_MS)}, Store())
    assert numbers(hop.outbox()) == [Number(5, 0)]


def test_a_turn_without_examples_puts_nothing_into_the_outbox() -> None:
    hop, store = LabelHop(settings(1), 0), Store()
    turned(hop, {PROFILED: profiled(0)}, store)
    assert hop.outbox() == []
    assert NEXT not in store.records[ME]
    assert KEY in store.records[ME]


def test_it_says_when_a_tick_would_decide_something() -> None:
    """A quiet partition's host appends one then; the newest of several counts."""
    hop, store = LabelHop(settings(1), 0), Store()
    assert hop.due_ms() > T0 + 10**10
    turned(hop, {PROFILED: profiled(0)}, store)
    assert hop.due_ms() == T0 + WAIT_MS == taken_over(store).due_ms()
    turned(hop, {PROFILED: (), TICKS: [tick(WAIT_MS - 2), tick(WAIT_MS - 1)]}, store)
    assert hop.outbox() == []
    turned(hop, {PROFILED: (), TICKS: [tick(1), tick(WAIT_MS)]}, store)
    assert len(hop.outbox()) == 1
