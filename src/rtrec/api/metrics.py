"""`GET /metrics`: the metric catalogue's figures in Prometheus' text format."""

from collections.abc import Iterable

import anyio.to_thread
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest

from rtrec.adapters.prometheus import Collector
from rtrec.api.deps import Metrics, Running
from rtrec.api.serving import Host

router = APIRouter(tags=["operation"])
PAGE = {"description": "every metric of docs/metrics.md", "content": {"text/plain": {"schema": {"type": "string"}}}}


class _Catalogue:
    """The collectors as the registry that `generate_latest` reads.

    The times that series began are left out: they are in no catalogue, and double the page.
    """

    def __init__(self, metrics: dict[str, Collector]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        for collector in self._metrics.values():
            for metric in collector.collect():
                metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
                yield metric


@router.get("/metrics", summary="Figures for Prometheus", responses={200: PAGE})
async def get_metrics(host: Running, metrics: Metrics) -> Response:
    """Bring the figures up to date and write them all."""
    return Response(await anyio.to_thread.run_sync(_page, host, metrics), media_type=CONTENT_TYPE_LATEST)


def _page(host: Host, metrics: dict[str, Collector]) -> bytes:
    host.collect(metrics)
    return generate_latest(_Catalogue(metrics))
