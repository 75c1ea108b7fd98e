"""The same input through the embedded `Journey`: what the chain has to end at, byte for byte."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from rtrec.events import anchor_chunk
from rtrec.labels import scored
from rtrec.ports import Owner
from rtrec.runtime.journey import OWNERS, Journey, Turn, canonical
from rtrec.settings import Settings
from rtrec.stages import dead_letters, learn
from rtrec.stages.hops.ingest import ANCHOR_EVENTS, DEAD_LETTERS
from rtrec.stages.hops.label import EXAMPLES, SCORED, TICKS, Number
from rtrec.stages.hops.profile import CONTROL
from rtrec.stages.messages import Record
from rtrec.stages.outbox import NEXT, PREFIX
from rtrec.stages.positions import KEY
from tests.unit.stages.hops.chain import APPENDED_MS, EVENTS, Chain, Store
from tests.unit.stages.hops.scripts import Segment

Parts = dict[str, list[bytes]]
Letters = list[tuple[str, bytes]]
"""Reasons and originals."""


class Embedded:
    """A journey with a store in memory."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store()
        self.journey = Journey(settings, self.store.scan, self.store.get)
        self.letters: Letters = []
        self.examples: list[bytes] = []

    def turn(self, events: Sequence[Record] = (), beside: Sequence[Segment] = ()) -> None:
        """One step, committed: control, rows, events, ticks."""
        turn, sides = Turn(), {segment.topic: segment.values for segment in beside}
        self.journey.control_turn([_record(value) for value in sides.get(CONTROL, [])], turn)
        rows = [row for value in sides.get(SCORED, []) for row in scored.decode(value)]
        self.journey.scored_turn(rows, turn)
        self.journey.event_turn(events, EVENTS, turn)
        if TICKS in sides:
            self.journey.tick_turn(int(sides[TICKS][-1]), turn)
        self.journey.finish(turn)
        for owner in OWNERS:
            self.store.write(owner, turn.writes[owner])
        self.letters += [(letter.reason, letter.original) for letter in turn.dead_letters]
        if turn.example_chunk is not None:
            self.examples.append(turn.example_chunk)

    def parts(self) -> Parts:
        """The canonical state by part."""
        return parts_of_store(self.journey.settings, self.store)


def _record(value: bytes, offset: int = 0) -> Record:
    return Record(offset, APPENDED_MS, None, value, None)


def embedded(chain: Chain, segments: Sequence[Segment], size: int = 1_000) -> Embedded:
    """A chain's input, in micro-batches of its own, at the positions that the chain's events got."""
    run, positions, offset = Embedded(chain.settings), positions_of(chain, 0), 0
    for topic, values in segments:
        if topic != EVENTS:
            run.turn(beside=[Segment(topic, values)])
            continue
        for first in range(0, len(values), size):
            some = values[first : first + size]
            run.turn([_record(value, positions.get(f"events:0:{offset + k}", 0)) for k, value in enumerate(some)])
            offset += len(some)
    return run


def positions_of(chain: Chain, partition: int) -> Mapping[str, int]:
    """Where events stand in a partition of `anchor_events`, by `source:offset`, in order; the first copy counts."""
    found: dict[str, int] = {}
    for record in chain.topics[ANCHOR_EVENTS, partition]:
        chunk = anchor_chunk.decode(record.value)
        for place, offset in enumerate(chunk.columns["position"].tolist()):
            found.setdefault(f"{chunk.source}:{offset}", (record.offset << anchor_chunk.PLACE_BITS) + place)
    return found


def parts_of(chain: Chain, partition: int = 0, learned: learn.LearnState | None = None) -> Parts:
    """The canonical state of a chain's partition; `learned` has the weights, which are in no store."""
    parts = parts_of_store(chain.settings, chain.store, partition)
    return parts | {"weights": list(learn.canonical(learned))} if learned is not None else parts


def parts_of_store(settings: Settings, store: Store, partition: int = 0) -> Parts:
    """The canonical state by part: as an embedded one, without what only hops keep."""

    def scan(owner: Owner, prefix: str) -> Iterator[tuple[str, bytes]]:
        for key, value in store.scan(Owner(owner.stage, partition), prefix):
            if key not in {KEY, NEXT} and not key.startswith(PREFIX):
                yield key, value

    parts: Parts = {}
    for part, value in canonical(settings, scan):
        parts.setdefault(part, []).append(value)
    return parts


def letters_of(chain: Chain) -> Letters:
    """Dead letters, each place of an original once."""
    by_place = {record.key: dead_letters.decode(record.value) for record in chain.topics[DEAD_LETTERS, 0]}
    return sorted((letter.reason, letter.original) for letter in by_place.values())


def taken_examples(chain: Chain, owner: int | None = None) -> list[bytes]:
    """Messages of `examples`, of one owner or of all, each owner's numbers once and in order."""
    taken, following = list[bytes](), dict[int, int]()
    for record in chain.topics[EXAMPLES, 0]:
        number = msgspec.msgpack.decode(record.headers or b"", type=Number)
        if number.number == following.get(number.owner, 0):
            following[number.owner] = number.number + 1
            taken += [record.value] if owner in {None, number.owner} else []
    return taken


def joined_examples(messages: Sequence[bytes]) -> list[bytes]:
    """The columns of all examples, however they were cut into messages."""
    chunks = [msgspec.msgpack.decode(message, type=learn.ExampleChunk) for message in messages]
    columns = ("rows", "heads", "labels", "weights", "positions", "ts_ms")
    return [b"".join(getattr(chunk, name) for chunk in chunks) for name in columns]
