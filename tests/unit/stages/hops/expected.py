"""What each hop must have sent and stored: the embedded stages over what its topic holds, each position once.

Rules
-----
- Copies are told by a set of what was seen, not by a highest position: a hole, a copy that was taken, or an order that
  a source did not have would all show.
- Copies of one position are the same, byte for byte: what a hop sends is a pure function of the log.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rtrec.events import anchor_chunk, user_chunk
from rtrec.events.anchor_chunk import PLACE_BITS
from rtrec.events.columns import make_chunk
from rtrec.events.ids import partition_of
from rtrec.events.lines import Lines
from rtrec.events.user_chunk import UserChunk
from rtrec.events.user_events import UserEvent
from rtrec.features.heat_rules import heat_rules
from rtrec.ports import Owner
from rtrec.settings import Settings
from rtrec.stages import heat, heat_events, label, learn, profile
from rtrec.stages.hops.heat import USER_EVENTS
from rtrec.stages.hops.ingest import ANCHOR_EVENTS
from rtrec.stages.hops.profile import PROFILED
from rtrec.stages.ingest import ingest
from rtrec.stages.shadow import shadow_row
from tests.unit.stages.hops.chain import EVENTS, Chain, Store
from tests.unit.stages.hops.embedded import joined_examples, parts_of, parts_of_store, taken_examples


class Met(NamedTuple):
    """An event as a consumer meets it. own: its position in the consumer's partition."""

    source: str
    position: int
    own: int
    what: Any


def once(found: Iterator[Met]) -> list[Met]:
    """Each position of each source once, in order; its copies are equal."""
    first: dict[tuple[str, int], Met] = {}
    for met in found:
        kept = first.setdefault((met.source, met.position), met)
        assert kept.what == met.what
    return list(first.values())


def of_source(met: Sequence[Met], source: str) -> list[tuple[int, Any]]:
    return [(one.position, one.what) for one in met if one.source == source]


def check_ingest(chain: Chain, sources: int) -> None:
    """Each accepted event stands once in its anchor's partition, or its user's, in the order of its source."""
    partitions, seen = chain.settings.cluster.partitions, 0
    met = [once(anchor_events(chain, partition)) for partition in range(partitions)]
    for source in range(sources):
        taken = ingest(chain.topics[EVENTS, source], chain.settings.events)
        expected: list[list[tuple[int, bytes]]] = [[] for _ in met]
        for record, event in zip(taken.records, taken.chunk.events, strict=True):
            key = event.user_id if event.type == "user_profile" else event.anchor_id
            expected[partition_of(str(key), partitions)].append((record.offset, record.value))
            seen += 1
        assert [of_source(one, f"{EVENTS}:{source}") for one in met] == expected
    assert sum(map(len, met)) == seen


def check_heat(chain: Chain) -> list[Store]:
    """Each accepted event of a user stands once in its partition; what partitions of anchors must have stored."""
    partitions, stores = chain.settings.cluster.partitions, list[Store]()
    met = [once(user_events(chain, USER_EVENTS, partition)) for partition in range(partitions)]
    for partition in range(partitions):
        store, handed = heat_of(chain.settings, once(anchor_events(chain, partition)))
        expected: list[list[tuple[int, UserEvent]]] = [[] for _ in met]
        for user, position, event in zip(
            handed.columns["user"], handed.columns["position"].tolist(), handed.user_events(), strict=True
        ):
            expected[int(user % np.uint64(partitions))].append((position, event))
        assert [of_source(one, f"{ANCHOR_EVENTS}:{partition}") for one in met] == expected
        stores.append(store)
    return stores


def check_users(chain: Chain, partition: int, store: Store) -> None:
    """A partition's rows and examples are those of its events, each taken once; `store` gets what it must hold."""
    settings, owners = chain.settings, (Owner("profile", 0), Owner("label", 0))
    events = [one.what for one in once(user_events(chain, USER_EVENTS, partition))]
    state = profile.ProfileState(settings.users)
    needs = profile.profile_needs(state, events)
    state.admit(needs, [None] * len(needs))
    effects, passed = profile.profile(state, events, lambda record, event: shadow_row(settings.features, record, event))
    store.write(owners[0], effects.writes)
    found = [one.what for one in once(user_events(chain, PROFILED, partition))]
    assert [(event.event, event.anchor_values) for event in found] == [(one.event.event, one.row) for one in passed]
    labels = label.LabelState(settings.labels)
    effects, examples = label.label(labels, passed)
    store.write(owners[1], effects.writes)
    assert joined_examples(taken_examples(chain, partition)) == joined_examples([learn.encode_examples(examples)])


def check_learned(chain: Chain, learned: learn.LearnState) -> None:
    """The weights are those of one pass over all examples, each once, in the order of the topic."""
    whole = learn.LearnState(chain.settings.labels.heads, chain.settings.learner)
    for message in taken_examples(chain):
        learn.learn(whole, message)
    assert list(learn.canonical(learned)) == list(learn.canonical(whole))
    assert learned.examples == whole.examples


def check_all(chain: Chain, sources: int, learned: learn.LearnState) -> None:
    """Every hop, of a chain that had nothing but events."""
    check_ingest(chain, sources)
    for partition, store in enumerate(check_heat(chain)):
        check_users(chain, partition, store)
        check_state(chain, partition, store)
    check_learned(chain, learned)


def check_state(chain: Chain, partition: int, store: Store, *parts: str) -> None:
    """A partition's canonical state, or some parts of it, are those of a store."""
    ours, theirs = parts_of(chain, partition), parts_of_store(chain.settings, store)
    for part in parts or theirs:
        assert ours.get(part) == theirs.get(part), part


def anchor_events(chain: Chain, partition: int) -> Iterator[Met]:
    """All that `anchor_events` holds, copies too, with the events' own bytes."""
    for record in chain.topics[ANCHOR_EVENTS, partition]:
        chunk = anchor_chunk.decode(record.value)
        for place, position in enumerate(chunk.columns["position"].tolist()):
            yield Met(chunk.source, position, (record.offset << PLACE_BITS) + place, chunk.lines.raw(place))


def user_events(chain: Chain, topic: str, partition: int) -> Iterator[Met]:
    """The same of `user_events` and `profiled`, as PROFILE and LABEL read them."""
    for record in chain.topics[topic, partition]:
        source, chunk = user_chunk.decode(record.value)
        for place, event in enumerate(chunk.user_events()):
            yield Met(source, int(chunk.columns["position"][place]), (record.offset << PLACE_BITS) + place, event)


def heat_of(settings: Settings, met: Sequence[Met]) -> tuple[Store, UserChunk]:
    """HEAT over decoded events in one turn: what it stores, what it hands on."""
    policy = settings.events
    chunk = make_chunk(list(Lines.of([one.what for one in met])), [one.own for one in met])
    rules = heat_rules(settings.heat, policy, settings.features)
    state = heat.HeatState(rules, seen_ids=policy.seen_ids, ledger_gifts=policy.ledger_gifts)
    needs = heat.heat_needs(state, chunk)
    state.admit(needs, [None] * len(needs))
    result, store = heat.heat(state, chunk), Store()
    store.write(Owner("heat", 0), result.effects.writes)
    return store, heat_events.user_chunk(state, chunk, result)
