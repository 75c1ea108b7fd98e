"""INGEST as a hop: raw messages of one source partition go, checked and in columns, to the partitions of their anchors.

Rules
-----
- One partitioner for all, whoever produced: an anchor's events meet in one partition of `anchor_events`, and what
  concerns a user alone goes by the user.
- A source topic may hold foreign messages: its mapping makes events of them. A dead letter keeps what came.
- A dead letter's key says where the original stood, so that one published twice is known.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from rtrec.events import anchor_chunk
from rtrec.events.codec import Refusal
from rtrec.events.ids import partition_of
from rtrec.events.lines import Lines
from rtrec.settings import Settings
from rtrec.stages import dead_letters
from rtrec.stages.hops.hop import Batch, HopTurn, Message
from rtrec.stages.ingest import Ingested, ingest_lines
from rtrec.stages.messages import Record

ANCHOR_EVENTS: Final = "anchor_events"
DEAD_LETTERS: Final = "dead_letters"

Mapper = Callable[[bytes], bytes | Refusal | None]
"""A foreign message to an event's JSON, a refusal, or nothing (a type that is ignored)."""


class IngestHop:
    """One partition of one source topic."""

    prefixes: tuple[str, ...] = ()

    def __init__(self, settings: Settings, topic: str, partition: int, mapper: Mapper | None = None) -> None:
        self._settings, self._topic, self._partition, self._map = settings, topic, partition, mapper
        self._records: Sequence[Record] = ()

    def load(self, items: Mapping[str, bytes]) -> None:
        """There is no state but the offset."""

    def prepare(self, batch: Batch) -> list[str]:
        """Nothing has to be loaded."""
        self._records = batch[self._topic]
        return []

    def turn(self, keys: Sequence[str], values: Sequence[bytes | None]) -> HopTurn:
        """Check, put in columns, and send each partition its own."""
        del keys, values
        turn = HopTurn(events=len(self._records))
        records, refused = self._mapped(turn)
        taken = ingest_lines(records, self._settings.events)
        originals = {record.offset: record for record in self._records} if self._map and taken.refused else {}
        refused += [(originals.get(record.offset, record), reason) for record, reason in taken.refused]
        letters = [dead_letters.refuse(record, self._topic, self._partition, reason) for record, reason in refused]
        turn.messages = [*self._chunks(taken), *map(dead_letter_message, letters)]
        turn.counts["accepted"] += len(taken.records)
        turn.counts["rejected"] += len(refused)
        turn.refused = [letter.reason for letter in letters]
        return turn

    def outbox(self) -> list[Message]:
        """Its output is a pure function of the log."""
        return []

    def published(self) -> None:
        """There is no outbox."""

    def _mapped(self, turn: HopTurn) -> tuple[Sequence[Record], list[tuple[Record, str]]]:
        if self._map is None:
            return self._records, []
        events: list[Record] = []
        refused: list[tuple[Record, str]] = []
        for record in self._records:
            made = self._map(record.value)
            if isinstance(made, Refusal):
                refused.append((record, made.reason))
            elif made is None:
                turn.counts["ignored"] += 1
            else:
                events.append(record._replace(value=made))
        return events, refused

    def _chunks(self, taken: Ingested) -> list[Message]:
        chunk, partitions = taken.chunk, self._settings.cluster.partitions
        if not len(chunk) or not isinstance(chunk.events, Lines):
            return []
        by_anchor = np.array([*(partition_of(anchor, partitions) for anchor in chunk.anchors), 0], np.int64)
        by_user = (chunk.columns["user"] % np.uint64(partitions)).astype(np.int64)
        place = chunk.columns["anchor"]
        source = f"{self._topic}:{self._partition}"
        target = np.where(place >= 0, by_anchor[place], by_user)
        values = anchor_chunk.encode_parted(source, chunk.anchors, chunk.columns, chunk.events, target)
        return [Message(ANCHOR_EVENTS, partition, value) for partition, value in values]


def dead_letter_message(letter: dead_letters.DeadLetter) -> Message:
    """The message of a dead letter."""
    key = f"{letter.topic}:{letter.partition}:{letter.offset}".encode()
    return Message(DEAD_LETTERS, 0, dead_letters.encode(letter), key=key)
