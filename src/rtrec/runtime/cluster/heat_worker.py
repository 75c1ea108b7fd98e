"""HEAT's worker: new heat weights rank every anchor of the partition anew, between two turns."""

import asyncio
from typing import Final

from rtrec.runtime.cluster.hop_worker import HopWorker
from rtrec.runtime.pages import pages
from rtrec.settings import Settings
from rtrec.stages.heat_ranking import rerank
from rtrec.stages.hops.heat import HeatHop

RERANK_ANCHORS: Final = 1_000


class HeatWorker(HopWorker):
    """A hop worker that follows the settings."""

    _reranked: Settings | None = None

    def change(self, settings: Settings) -> None:
        """Take settings that may change live."""
        before, self.io = self.io.settings, self.io._replace(settings=settings)
        if isinstance(self.hop, HeatHop):
            self.hop.change(settings)
        if before.heat.weights != settings.heat.weights:
            self._reranked = settings
            self.wake()

    async def idle(self) -> None:
        """Rank anew if there are new weights."""
        await super().idle()
        settings, hop = self._reranked, self.hop
        if settings is None or not isinstance(hop, HeatHop):
            return
        self._reranked = None
        rules = hop.state.rules
        records = pages(self.io.store.scan(self.owner, "a/"), RERANK_ANCHORS)
        while page := await asyncio.to_thread(next, records, None):
            await self.commit({}, rerank(page, rules).writes)
