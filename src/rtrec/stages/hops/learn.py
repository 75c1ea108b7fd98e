"""LEARN as a hop: messages of `examples`, each once and in the order of the topic, become weights.

Rules
-----
- State is durable as a snapshot and in no other way: the offset in the store is that of the newest durable one.
  Between two, weights are ahead of the store, and a learner that starts there comes to the same bits.
- Of an outbox's messages the next number is taken and no other (`stages/outbox.py`).
- A learner that begins where the log's beginning is gone takes each owner's first number as it finds it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from rtrec.learning.river_scorer import ModelUpdate
from rtrec.learning.snapshot import Snapshot
from rtrec.learning.weights import WeightsUpdate
from rtrec.settings import Settings
from rtrec.stages import learn
from rtrec.stages.hops.hop import HopTurn
from rtrec.stages.hops.label import Number
from rtrec.stages.messages import Record
from rtrec.stages.outbox import Sequences

WEIGHTS: Final = "weights"


class LearnHop:
    """The one learner. adopt: take each owner's first number as it comes."""

    def __init__(self, settings: Settings, *, adopt: bool = False) -> None:
        self._settings, self._adopt = settings, adopt
        self.state = learn.LearnState(settings.labels.heads, settings.learner)
        self.sequences = Sequences()
        self.next_offset = 0

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot; ValueError when the learner is configured otherwise."""
        self.state.restore(snapshot.policy, snapshot.image, snapshot.progress, snapshot.examples)
        self.sequences, self.next_offset = Sequences(snapshot.following), snapshot.next_offset

    def take(self, records: Sequence[Record]) -> HopTurn:
        """Learn messages in order."""
        turn = HopTurn()
        for record in records:
            number = msgspec.msgpack.decode(record.headers or b"", type=Number)
            owner = str(number.owner)
            if self._adopt and owner not in self.sequences.following:
                self.sequences.following[owner] = number.number
            if self.sequences.take(owner, number.number):
                effects = learn.learn(self.state, record.value)
                turn.add(effects)
                turn.events += 1
            else:
                turn.counts["repeated"] += 1
            self.next_offset = record.offset + 1
        return turn

    def go_back(self, snapshot: Snapshot | None) -> None:
        """Take the weights of a snapshot (None: none) and go on from here: what was learned since is left out."""
        before, self.state = self.state, learn.LearnState(self._settings.labels.heads, self._settings.learner)
        if snapshot is not None:
            self.state.restore(snapshot.policy, snapshot.image, snapshot.progress, snapshot.examples)
        self.state.examples = before.examples

    def snapshot(self, epoch: int, weights_offset: int, *, held: bool = False) -> Snapshot:
        """Everything, as it stands."""
        policy, image, progress = self.state.stored()
        return Snapshot(
            epoch, self.next_offset, self.state.examples, policy, dict(self.sequences.following), weights_offset,
            image, progress, held,
        )  # fmt: skip

    def publish(self, epoch: int) -> WeightsUpdate | None:
        """What moved since the last publication, or None; TypeError for a model that has no weights."""
        return sendable(self.state.publish(epoch))


def sendable(update: learn.Update | None) -> WeightsUpdate | None:
    """What is to be published, as it can be sent; TypeError for a model that has no weights."""
    if isinstance(update, ModelUpdate):
        raise TypeError("learner.model: no weights to publish; `rtrec config check` says which models have some")
    return update
