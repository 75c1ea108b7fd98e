"""LABEL as a hop: profiled events, logged rows and ticks become examples, which go out through an outbox.

Rules
-----
- Several inputs and time decide here, so a turn's examples are committed with it, numbered, and published after.
- Within a turn control is met first, then logged rows, then events, then ticks: as embedded.
- A message of `examples` names its owner's partition and its number in its headers.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from rtrec.events import user_chunk
from rtrec.labels import scored as scored_messages
from rtrec.labels.exposure import Example
from rtrec.settings import Settings
from rtrec.stages import label, learn
from rtrec.stages.effects import Effects
from rtrec.stages.hops.hop import Batch, HopTurn, Message
from rtrec.stages.hops.profile import CONTROL, PROFILED, erasures
from rtrec.stages.outbox import NEXT, PREFIX, Outbox
from rtrec.stages.positions import KEY, Positions

SCORED: Final = "scored"
TICKS: Final = "ticks"
EXAMPLES: Final = "examples"


class Number(msgspec.Struct, frozen=True, array_like=True):
    """Headers of a message of `examples`: whose it is (a partition of LABEL), and which."""

    owner: int
    number: int


class LabelHop:
    """One partition of users' pending labels."""

    prefixes: tuple[str, ...] = ("",)

    def __init__(self, settings: Settings, partition: int) -> None:
        self._partition = partition
        self.state = label.LabelState(settings.labels)
        self._positions, self._outbox = Positions(), Outbox()
        self._batch: Batch = {}

    def load(self, items: Mapping[str, bytes]) -> None:
        """Take everything: pending labels, positions, what waits to be published."""
        own = {KEY, NEXT}
        self.state.load((key, value) for key, value in items.items() if key not in own and not key.startswith(PREFIX))
        self._positions.load(items.get(KEY))
        self._outbox.load(items)

    def due_ms(self) -> int:
        """When the next label is due, by event time."""
        return self.state.due_ms()

    def prepare(self, batch: Batch) -> list[str]:
        """Everything is in memory."""
        self._batch = batch
        return []

    def turn(self, keys: Sequence[str], values: Sequence[bytes | None]) -> HopTurn:
        """Join, decide, and put what was decided into the outbox."""
        del keys, values
        turn, examples, batch = HopTurn(), list[Example](), self._batch

        def add(outcome: tuple[Effects, list[Example]]) -> None:
            turn.add(outcome[0])
            examples.extend(outcome[1])

        for user_id, erased_ms in erasures(batch.get(CONTROL, ())):
            add(label.erase(self.state, user_id, erased_ms))
        if scored := [row for one in batch.get(SCORED, ()) for row in scored_messages.decode(one.value)]:
            add(label.scored(self.state, scored))
        for record in batch.get(PROFILED, ()):
            source, chunk = user_chunk.decode(record.value)
            places = self._positions.fresh(source, chunk.columns["position"])
            if len(places):
                some = chunk if len(places) == len(chunk) else chunk.take(places)
                turn.events += len(some)
                add(label.label(self.state, some.profiled()))
        if ticks := batch.get(TICKS, ()):
            add(label.tick(self.state, int(ticks[-1].value)))
        self._outbox.forget(turn.writes)
        if examples:
            self._outbox.add(learn.encode_examples(examples), turn.writes)
        self._positions.write(turn.writes)
        return turn

    def outbox(self) -> list[Message]:
        """Examples that are committed and not known to be published."""
        return [
            Message(EXAMPLES, 0, value, msgspec.msgpack.encode(Number(self._partition, number)))
            for number, value in self._outbox.waiting.items()
        ]

    def published(self) -> None:
        """They are."""
        self._outbox.published()
