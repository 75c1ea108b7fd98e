"""What a host measures, brought into the catalogue's metrics at a scrape.

Counters are kept as plain totals on the way of an event and turned into increments here, so that the hot
path pays for no metric.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import Counter, Gauge, Histogram

from rtrec.learning.breaker import RULES
from rtrec.learning.figures import MODELS
from rtrec.runtime.serving import Serving

if TYPE_CHECKING:
    from rtrec.runtime.host import Host

Metrics = Mapping[str, Counter | Gauge | Histogram]


_SHOWN: Final = {
    "rtrec_model_logloss_nats": "logloss", "rtrec_model_ne_ratio": "ne", "rtrec_model_auc_ratio": "auc",
    "rtrec_model_gauc_ratio": "gauc", "rtrec_model_calibration_ratio": "calibration",
}  # fmt: skip


class Measured:
    """Totals as of the last scrape."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], float] = {}

    def collect(self, host: "Host", metrics: Metrics) -> None:
        """Bring every metric of the host up to date."""
        for (stage, outcome), total in host.counts.copy().items():
            if stage == "label":
                head, _, what = outcome.rpartition("/")
                self._grow(metrics, "rtrec_labels_total", total, head=head or "all", outcome=what)
            elif stage == "learn":
                self._grow(metrics, "rtrec_examples_total", total, head=outcome)
            else:
                self._grow(metrics, "rtrec_events_total", total, stage=stage, outcome=outcome)
        for reason, total in host.reasons.copy().items():
            self._grow(metrics, "rtrec_dead_letters_total", total, reason=reason)
        while host.timings:
            events, commit_ms = host.timings.popleft()
            metrics["rtrec_batch_events"].observe(events)  # type: ignore[union-attr]
            metrics["rtrec_commit_duration_ms"].observe(commit_ms)  # type: ignore[union-attr]
        self._set(metrics, "rtrec_dead_letter_alarm", host.journey.cap.alarm)
        self._set(metrics, "rtrec_lag_events", host.lag(), stage="ingest")
        self._set(metrics, "rtrec_store_bytes", host.folder.size_bytes())
        self.collect_serving(host.serving, metrics)

    def collect_serving(self, serving: Serving, metrics: Metrics) -> None:
        """Bring the metrics of who answers requests up to date."""
        for outcome, total in serving.counts.copy().items():
            self._grow(metrics, "rtrec_scored_rows_total", total, outcome=outcome)
        age_ms = serving.models()["online"]["age_ms"]
        self._set(metrics, "rtrec_weights_age_ms", float("nan") if age_ms is None else age_ms)
        tripped = {one["rule"] for one in serving.breaker["tripped"]}
        for rule in RULES:
            self._set(metrics, "rtrec_breaker_open", serving.breaker["open"] and rule.name in tripped, rule=rule.name)
        slots = serving.figures.get("slots", {})
        for state in ("known", "waiting"):
            self._set(metrics, "rtrec_model_slots", slots.get(state, 0), state=state)
        self._grow(metrics, "rtrec_model_slots_expired_total", slots.get("expired", 0))
        for head, figures in serving.progress(slices=False)["heads"].items():
            self._figures(metrics, head, figures)

    def _figures(self, metrics: Metrics, head: str, figures: dict[str, Any]) -> None:
        models = {name: figures[name]["recent"] for name in MODELS if figures[name] is not None}
        models["heat_only"] = figures["heat_only"]
        for model, recent in models.items():
            for name, key in _SHOWN.items():
                if recent.get(key) is not None:
                    self._set(metrics, name, recent[key], head=head, model=model)
        drift = figures["drift"]
        self._grow(metrics, "rtrec_model_drifts_total", drift["drifts"], head=head)
        if drift["last_example"] is not None:
            self._set(metrics, "rtrec_model_drift_examples", drift["last_example"], head=head)

    def _grow(self, metrics: Metrics, name: str, total: float, **labels: str) -> None:
        key = (name, *labels.values())
        more = total - self._last.get(key, 0)
        self._last[key] = total
        if more > 0:
            metric = metrics[name]
            (metric.labels(**labels) if labels else metric).inc(more)  # type: ignore[union-attr]

    def _set(self, metrics: Metrics, name: str, value: float, **labels: str) -> None:
        metric = metrics[name]
        (metric.labels(**labels) if labels else metric).set(value)  # type: ignore[union-attr]
