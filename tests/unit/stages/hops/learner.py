"""LEARN beside the chain: takes `examples`, publishes weights, and keeps snapshots in a registry.

Rules
-----
- Everything learned is published before its snapshot is durable, and the snapshot before its offset is in the store: a
  learner that starts there would not publish again what was published before.
- A learner starts from the snapshot that the store's offset names, never from a newer one: that may be a zombie's, of
  whose updates scorers took none.
"""

from collections.abc import Iterator

from rtrec.learning import snapshot, weights_wire
from rtrec.learning.weights import ScorerWeights
from rtrec.learning.weights_wire import Arriving
from rtrec.ports import Owner, Verdict
from rtrec.stages.effects import Writes
from rtrec.stages.hops.hop import Message
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.hops.learn import WEIGHTS, LearnHop
from tests.unit.stages.hops.chain import Chain, Fenced

LEARN = Owner("learn", 0)
Registry = dict[tuple[int, int], bytes]
"""Snapshots by (offset, epoch)."""


class Learner:
    """The one learner, from its take-over on."""

    def __init__(self, chain: Chain, registry: Registry) -> None:
        self._chain, self._registry = chain, registry
        lease = chain.store.acquire(LEARN)
        self._epoch, self._stored = lease.epoch, lease.offsets.get(EXAMPLES, 0)
        self.hop = LearnHop(chain.settings)
        self.learned: list[int] = []
        found = [key for key in registry if key[0] == self._stored]
        if found:
            self.hop.restore(snapshot.decode(registry[max(found)]))

    def begin(self) -> Iterator[None]:
        """There is no outbox."""
        return iter(())

    def turn(self, limit: int) -> Iterator[None]:
        """One micro-batch, published; then a snapshot, where the limit is even."""
        records = self._chain.topics[EXAMPLES, 0][self.hop.next_offset :][:limit]
        if not records and self._stored == self.hop.next_offset:
            return
        self.hop.take(records)
        update = self.hop.publish(self._epoch)
        for value in weights_wire.encode(update) if update is not None else []:
            self._chain.append(Message(WEIGHTS, 0, value))
            yield
        if limit % 2 == 0:
            yield from self._keep()

    def _keep(self) -> Iterator[None]:
        offset, end = self.hop.next_offset, len(self._chain.topics[WEIGHTS, 0])
        self._registry[offset, self._epoch] = snapshot.encode(self.hop.snapshot(self._epoch, end))
        yield
        moved = {EXAMPLES: (self._stored, offset)}
        if self._chain.store.commit(LEARN, self._epoch, moved, Writes()) is not Verdict.OK:
            raise Fenced
        self._stored = offset
        yield


def scorer_of(chain: Chain) -> ScorerWeights:
    """A scorer that read all weights from the beginning."""
    held, arriving = ScorerWeights(len(chain.settings.labels.heads), chain.settings.learner.slots_log2), Arriving()
    for record in chain.topics[WEIGHTS, 0]:
        if (update := arriving.add(record.value)) is not None:
            held.apply(update)
    return held
