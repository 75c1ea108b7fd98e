"""What the topics between the stages hold, each event once: what its consumer must have made of them.

A repeated event is one that is not above its source's highest position. That this is the same as one that was met
before is checked on the way (`faults`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import msgpack

from rtrec.events import anchor_chunk, user_chunk
from rtrec.events.user_chunk import ABSENT, UserChunk
from rtrec.stages.dead_letters import DeadLetter
from rtrec.stages.dead_letters import decode as decode_letter
from tests.cluster.standing import Rec

PLACES = 1 << 20


class Met(NamedTuple):
    """An event of `anchor_events`. source: `topic:partition`; position: there; at: here; line: its JSON."""

    source: str
    position: int
    at: int
    line: bytes


class Handed(NamedTuple):
    """An event of `user_events` or `profiled`. chunk, place: where its columns are."""

    source: str
    position: int
    at: int
    chunk: UserChunk
    place: int

    @property
    def line(self) -> bytes:
        """Its JSON."""
        line: bytes = self.chunk.events.raw(self.place)  # type: ignore[attr-defined]  # a topic's chunk has lines
        return line

    @property
    def category(self) -> str | None:
        """What it says the anchor streamed."""
        place = int(self.chunk.columns["category"][self.place])
        return None if place == ABSENT else self.chunk.categories[place]


@dataclass
class Once:
    """Drops what was met before, and notes what a consumer would lose by it."""

    topic: str
    highest: dict[str, int] = field(default_factory=dict)
    seen: set[tuple[str, int]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    repeated: int = 0

    def fresh(self, source: str, positions: Sequence[int]) -> list[int]:
        """Places of the positions of a message that were not met before."""
        places, highest = [], self.highest.get(source, -1)
        for place, position in enumerate(positions):
            new = (source, position) not in self.seen
            if new != (position > highest):
                self.faults.append(f"{self.topic}: {source} {position} comes after {highest}, new: {new}")
            if position > highest:
                places.append(place)
            self.seen.add((source, position))
        self.repeated += len(positions) - len(places)
        self.highest[source] = max([highest, *positions])
        return places


def anchor_events(records: Sequence[Rec], faults: list[str]) -> tuple[list[Met], int]:
    """(a partition of `anchor_events`, how many events more there are again)."""
    once, met = Once("anchor_events"), list[Met]()
    for record in records:
        chunk = anchor_chunk.decode(record.value)
        positions = chunk.columns["position"].tolist()
        met += [
            Met(chunk.source, positions[place], record.offset * PLACES + place, chunk.lines.raw(place))
            for place in once.fresh(chunk.source, positions)
        ]
    faults += once.faults
    return met, once.repeated


def handed(topic: str, records: Sequence[Rec], faults: list[str]) -> tuple[list[Handed], int]:
    """(a partition of `user_events` or `profiled`, how many events more there are again)."""
    once, met = Once(topic), list[Handed]()
    for record in records:
        source, chunk = user_chunk.decode(record.value)
        positions = chunk.columns["position"].tolist()
        met += [
            Handed(source, positions[place], record.offset * PLACES + place, chunk, place)
            for place in once.fresh(source, positions)
        ]
    faults += once.faults
    return met, once.repeated


def dead_letters(records: Sequence[Rec], faults: list[str]) -> dict[str, DeadLetter]:
    """Key → dead letter; a repeated one must be the same."""
    letters: dict[str, DeadLetter] = {}
    for record in records:
        key, letter = (record.key or b"").decode(), decode_letter(record.value)
        if letters.setdefault(key, letter) != letter:
            faults.append(f"dead letter {key} was sent again as another: {letter.reason}, not {letters[key].reason}")
    return letters


def examples(records: Sequence[Rec], faults: list[str]) -> dict[int, list[bytes]]:
    """Owner → its messages of `examples` in the order of their numbers, each once."""
    found: dict[int, list[bytes]] = {}
    for record in records:
        owner, number = msgpack.decode(record.header or b"", type=tuple[int, int])
        mine = found.setdefault(owner, [])
        if number == len(mine):
            mine.append(record.value)
        elif number > len(mine):
            faults.append(f"examples: number {number} of label:{owner} comes where {len(mine)} is due")
        elif mine[number] != record.value:
            faults.append(f"examples: number {number} of label:{owner} was sent again as something else")
    return found
