"""The embedded side's publishing: what the learner lets out, and what serves while it lets nothing out.

Rules
-----
- The breaker's state is stored as it changes, with the weights that serve while it is open: the learner's own go on
  with every commit, and a restart must not serve those. (A River model without weights cannot be held over a restart.)
- A command to re-arm is a control message: the step that meets it notes it here, for the thread of the host.
"""

from typing import TYPE_CHECKING, Final

from rtrec.learning import weights_wire
from rtrec.learning.weights import ScorerWeights, WeightsUpdate
from rtrec.learning.weights_wire import Arriving
from rtrec.runtime.journey import LEARN
from rtrec.stages.publishing import KEY, Publishing, shown

if TYPE_CHECKING:
    from rtrec.runtime.host import Host

HELD: Final = "held/"
HELD_MS: Final = "held_ms"
"""Keys of the weights that serve while the breaker is open, in parts, and of when they were published."""


class Releasing:
    """One host's. Called by its thread alone."""

    def __init__(self, host: "Host") -> None:
        self._host, self._store = host, host.folder.store
        (self._stored, held_ms) = self._store.get(LEARN, [KEY, HELD_MS])
        self._publishing = Publishing(host.settings.breaker, self._stored)
        held = self._held() if self._publishing.open else None
        known = host.serving.known
        known.publish(host.journey.learn.image(host.epoch) if held is None else held)
        if held is not None and held_ms is not None:
            known.weights_ms = int(held_ms)
        host.serving.breaker = shown(self._stored)

    def turn(self, now_ms: int) -> None:
        """Publish, or hold back; at the pace of `learner.publish_ms`."""
        host, before = self._host, self._publishing.open
        if host.rearm_ms:
            self._rearm(host.rearm_ms)
            host.rearm_ms = 0
        events = host.counts["heat", "accepted"]
        update = self._publishing.update(host.journey.learn, host.epoch, now_ms, events)
        if update is not None:
            host.serving.known.publish(update)
        stored = self._publishing.encode()
        if stored != self._stored:
            host.note({KEY: stored, **self._kept(before)})
            self._stored = stored
            host.serving.breaker = shown(stored)

    def _rearm(self, at_ms: int) -> None:
        if self._publishing.open and not self._host.journey.learn.sound():
            self._host.forget()  # weights that are no numbers were not stored
        self._publishing.rearm(self._host.journey.learn, at_ms)

    def _kept(self, was_open: bool) -> dict[str, bytes | None]:  # noqa: FBT001 - what it was
        """The weights that serve, when it opens; nothing any more, when it closes."""
        known = self._host.serving.known
        if self._publishing.open == was_open:
            return {}
        if was_open:
            return {HELD_MS: None, **{key: None for key, _ in self._store.scan(LEARN, HELD)}}
        served = None
        if isinstance(known.weights, ScorerWeights):
            served = known.weights.of(self._host.journey.learn.model.slots())
        parts = [] if served is None else weights_wire.encode(served)
        return {HELD_MS: str(known.weights_ms).encode(), **{f"{HELD}{k:04d}": part for k, part in enumerate(parts)}}

    def _held(self) -> WeightsUpdate | None:
        arriving, update = Arriving(), None
        for _, part in self._store.scan(LEARN, HELD):
            update = arriving.add(part)
        return update
