"""HEAT as a hop: chunks of `anchor_events` advance anchors; accepted events of users go to the users' partitions.

Rules
-----
- An event's position here is its message's offset and its place in it: the partition's own order, by which cap slots
  and reversals are judged. The source's position only tells what was met before.
- What it sends is a pure function of its partition of the log.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtrec.events import anchor_chunk, user_chunk
from rtrec.events.columns import EventChunk
from rtrec.events.lines import Lines
from rtrec.features.heat_rules import heat_rules
from rtrec.settings import Settings
from rtrec.stages import dead_letters, heat, heat_events
from rtrec.stages.heat_kernel import ACCEPTED, DUPLICATE
from rtrec.stages.hops.hop import Batch, HopTurn, Message
from rtrec.stages.hops.ingest import ANCHOR_EVENTS, dead_letter_message
from rtrec.stages.messages import Record
from rtrec.stages.positions import KEY, Positions

USER_EVENTS: Final = "user_events"


class HeatHop:
    """One partition of anchors."""

    prefixes: tuple[str, ...] = ("ledger/", "meta", "people/", "seen/", KEY)

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings, self._partition = settings, partition
        rules, events = heat_rules(settings.heat, settings.events, settings.features), settings.events
        self.state = heat.HeatState(rules, seen_ids=events.seen_ids, ledger_gifts=events.ledger_gifts)
        self._positions = Positions()
        self._chunk: EventChunk = anchor_chunk.merged([])
        self._origins: list[tuple[str, NDArray[np.int64]]] = []

    def load(self, items: Mapping[str, bytes]) -> None:
        """Take seen ids, ledger, people, the partition's time and the positions met."""
        self.state.load(items.items())
        self._positions.load(items.get(KEY))

    def change(self, settings: Settings) -> None:
        """Take settings that may change live."""
        self._settings = settings
        self.state.rules = heat_rules(settings.heat, settings.events, settings.features)

    def prepare(self, batch: Batch) -> list[str]:
        """Read the chunks, without what was met before; the anchors they name."""
        parts = []
        self._origins = []
        for record in batch[ANCHOR_EVENTS]:
            chunk = anchor_chunk.decode(record.value)
            offsets = chunk.columns["position"]
            places = self._positions.fresh(chunk.source, offsets)
            if len(places):
                parts.append((chunk, places, anchor_chunk.position_of(record.offset, places)))
                self._origins.append((chunk.source, offsets[places]))
        self._chunk = anchor_chunk.merged(parts)
        return heat.heat_needs(self.state, self._chunk)

    def turn(self, keys: Sequence[str], values: Sequence[bytes | None]) -> HopTurn:
        """Advance the anchors; what was refused, and what goes on."""
        self.state.admit(keys, values)
        turn = HopTurn(events=len(self._chunk))
        if len(self._chunk):
            result = heat.heat(self.state, self._chunk)
            turn.add(result.effects)
            letters = self._dead_letters(result)
            turn.messages = [*self._hand_on(result), *map(dead_letter_message, letters)]
            turn.refused = [letter.reason for letter in letters]
        self._positions.write(turn.writes)
        return turn

    def outbox(self) -> list[Message]:
        """Its output is a pure function of the log."""
        return []

    def published(self) -> None:
        """There is no outbox."""

    def _hand_on(self, result: heat.HeatResult) -> list[Message]:
        handed = heat_events.user_chunk(self.state, self._chunk, result)
        target = (handed.columns["user"] % np.uint64(self._settings.cluster.partitions)).astype(np.int64)
        source = f"{ANCHOR_EVENTS}:{self._partition}"
        return [
            Message(USER_EVENTS, partition, user_chunk.encode(source, some))
            for partition, some in handed.parted(target)
        ]

    def _dead_letters(self, result: heat.HeatResult) -> list[dead_letters.DeadLetter]:
        status, lines = result.outcomes["status"], self._chunk.events
        refused = np.flatnonzero((status != ACCEPTED) & (status != DUPLICATE)).tolist()
        if not refused or not isinstance(lines, Lines):
            return []
        sources = [source for source, offsets in self._origins for _ in range(len(offsets))]
        offsets = np.concatenate([offsets for _, offsets in self._origins])
        letters = []
        for place in refused:
            topic, partition = sources[place].rsplit(":", 1)
            record = Record(int(offsets[place]), 0, None, lines.raw(place), None)
            letters.append(dead_letters.refuse(record, topic, int(partition), heat.REASONS[int(status[place])]))
        return letters
