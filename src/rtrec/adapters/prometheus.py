"""Prometheus collectors, built from the metric catalogue and from nothing else."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rtrec.metrics import CATALOGUE, Metric

Collector = Counter | Gauge | Histogram


def registry(into: CollectorRegistry) -> dict[str, Collector]:
    """Make a collector for every metric of the catalogue, by its catalogue name.

    into: the registry that `generate_latest` reads; one per process or test.

    >>> metrics = registry(CollectorRegistry())
    >>> metrics["rtrec_events_total"].labels(stage="ingest", outcome="accepted").inc(3)
    """
    return {metric.name: _collector(metric, into) for metric in CATALOGUE}


def _collector(metric: Metric, into: CollectorRegistry) -> Collector:
    if metric.kind == "counter":
        return Counter(metric.name, metric.tells, metric.labels, registry=into)
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.tells, metric.labels, registry=into)
    return Histogram(metric.name, metric.tells, metric.labels, buckets=metric.buckets, registry=into)
