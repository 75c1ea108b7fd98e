"""LABEL's worker: when its partition falls quiet, the wall clock goes on as ticks in its input log."""

import time

from rtrec.runtime.cluster.hop_worker import HopWorker
from rtrec.stages.hops.hop import Message
from rtrec.stages.hops.label import TICKS, LabelHop


class LabelWorker(HopWorker):
    """A hop worker that ticks: it appends a tick, and meets it when it is read, so that the log holds what decided."""

    idle_s = 0.5
    _busy_s = 0.0
    _events = -1

    async def idle(self) -> None:
        """Append a tick when no event came for a while and a label is due by the wall clock."""
        await super().idle()
        hop, quiet_ms, now_s = self.hop, self.io.settings.cluster.quiet_ms, time.monotonic()
        if self.counts["events"] != self._events or self.waiting:
            self._events, self._busy_s = self.counts["events"], now_s
        if not quiet_ms or not isinstance(hop, LabelHop) or now_s - self._busy_s < quiet_ms / 1_000:
            return
        now_ms = self.io.now_ms()
        if hop.due_ms() <= now_ms:
            self._busy_s = now_s  # the next one not before another quiet while
            await self.io.publish([Message(TICKS, self.owner.partition, str(now_ms).encode())])
