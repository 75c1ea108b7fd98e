"""The metric catalogue: every figure that rtrec exposes, what it tells, and what to do when it moves.

Rules
-----
- A metric that is not here does not exist: `adapters/prometheus` builds its collectors from `CATALOGUE`.
- Names carry their unit last (`_total` for counters); labels are few and bounded: never an id, never free text.
- `docs/metrics.md` is generated from here (`python -m rtrec.docs`), and a test fails when it is not.
"""

from typing import Literal, NamedTuple

MS_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 35.0, 50.0, 100.0, 250.0, 1_000.0, 5_000.0)
"""Bounds for durations, ms; dense around the promises (3 and 8 ms to score, 50 ms from event to feature)."""

EVENT_BUCKETS = (1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 20_000.0)
"""Bounds for the size of micro-batches, events."""


class Metric(NamedTuple):
    """One figure.

    name: as exposed, unit last. tells: what it means. advice: what an operator does about it.
    buckets: upper bounds of a histogram, in its unit; none for other kinds.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    tells: str
    advice: str
    buckets: tuple[float, ...] = ()


CATALOGUE: tuple[Metric, ...] = (
    Metric(
        "rtrec_events_total", "counter", "events", ("stage", "outcome"),
        "events a stage is done with; outcome is accepted, rejected (ingest), duplicate, too_late, "
        "unknown_reversal, seen_overflow, ledger_overflow (heat), erased, expired or erasures (profile)",
        "no growth while producers send: look at rtrec_lag_events, then at the stage's log",
    ),
    Metric(
        "rtrec_dead_letters_total", "counter", "events", ("reason",),
        "events refused, by class of reason (missing, mistyped, bounds, encoding, size, time, unknown_reversal)",
        "`rtrec deadletters list` names field, fault and producer; `requeue` after the producer is mended",
    ),
    Metric(
        "rtrec_dead_letter_alarm", "gauge", "0 or 1", (),
        "1 while the share of refused events is above `dead_letters.cap_share`",
        "one producer is likely to be broken: `rtrec deadletters list`; the stream goes on meanwhile",
    ),
    Metric(
        "rtrec_labels_total", "counter", "labels", ("head", "outcome"),
        "what became of labels; by head, outcome is positive, negative, fake_negative, masked, no_features, overflow, "
        "erased, sampled_out or expired; head all: joined, orphaned, late_positive, reversed, no_features, "
        "overflow_user, overflow_total, forgotten, scored_overflow, scored_expired, erased (docs/labels.md)",
        "many late positives: `labels.click_wait_ms` or `labels.lapse_ms` is too short for this platform; overflow: "
        "raise `labels.pending_total` or `labels.pending_per_user`; no_features: rows are neither logged nor made",
    ),
    Metric(
        "rtrec_examples_total", "counter", "examples", ("head",),
        "examples the learner has taken",
        "no growth while impressions arrive: labels do not join; compare with rtrec_labels_total",
    ),
    Metric(
        "rtrec_model_logloss_nats", "gauge", "nats", ("head", "model"),
        "progressive logloss over the newest examples, each predicted before it was learned from",
        "above the base rate's entropy: the model is worse than a constant; look for a change in features",
    ),
    Metric(
        "rtrec_model_auc_ratio", "gauge", "0 … 1", ("head", "model"),
        "progressive AUC over the newest examples; model is online or heat_only",
        "online below heat_only for long: raise `variants.heat_only` and look at the labels",
    ),
    Metric(
        "rtrec_model_calibration_ratio", "gauge", "predicted / seen", ("head", "model"),
        "mean prediction over mean label of the newest examples; 1 is calibrated",
        "far from 1: a label or traffic has changed faster than the learner follows",
    ),
    Metric(
        "rtrec_model_ne_ratio", "gauge", "logloss / entropy", ("head", "model"),
        "normalized entropy of the newest examples: progressive logloss over the entropy of their base rate",
        "above 1 for long: the model is worse than the base rate; look for a change in features or labels",
    ),
    Metric(
        "rtrec_model_gauc_ratio", "gauge", "0 … 1", ("head", "model"),
        "progressive AUC within each user, averaged, over the newest examples: what ranking for one viewer is worth",
        "falls while rtrec_model_auc_ratio stands: users' own features are missing or stale",
    ),
    Metric(
        "rtrec_model_drifts_total", "counter", "drifts", ("head",),
        "changes that ADWIN found in the progressive loss since the learner started",
        "one now and then is a platform that lives; many an hour: a producer or a feature changes back and forth",
    ),
    Metric(
        "rtrec_model_drift_examples", "gauge", "examples", ("head",),
        "the number of the head's examples when the last drift was found",
        "compare with the figures of GET /v1/models around it, and with what was released then",
    ),
    Metric(
        "rtrec_breaker_open", "gauge", "0 or 1", ("rule",),
        "1 while this rule keeps weights from being published; the last good ones serve",
        "the log's ALARM says what to look at; `rtrec model rearm` accepts the present (docs/breaker.md)",
    ),
    Metric(
        "rtrec_model_slots", "gauge", "slots", ("state",),
        "slots of the model; known: met by examples and not forgotten, waiting: of those, met less than "
        "`learner.admit_examples` times",
        "known near 2^`learner.slots_log2`: features collide; raise it, or `learner.admit_examples`",
    ),
    Metric(
        "rtrec_model_slots_expired_total", "counter", "slots", (),
        "slots that were forgotten because no example met them for `learner.expire_days`",
        "many at once: time has jumped, by a replay or a producer's clock; else none",
    ),
    Metric(
        "rtrec_weights_age_ms", "gauge", "ms", (),
        "time since the weights that score were published",
        "above three times `learner.publish_ms` while examples arrive: the learner has stopped",
    ),
    Metric(
        "rtrec_lag_events", "gauge", "events", ("stage",),
        "events in a stage's input that it has not committed",
        "growing for minutes: producers are faster than this machine; see rtrec_commit_duration_ms",
    ),
    Metric(
        "rtrec_commit_duration_ms", "histogram", "ms", (),
        "time a micro-batch's one commit took in the store",
        "p99 above 100 ms: the disk is slow or full", MS_BUCKETS,
    ),
    Metric(
        "rtrec_batch_events", "histogram", "events", (),
        "events in a micro-batch",
        "always at `log.batch_events`: the stage is behind and catches up in full batches", EVENT_BUCKETS,
    ),
    Metric(
        "rtrec_store_bytes", "gauge", "bytes", (),
        "size of the store on disk",
        "grows without end: retention (`log.keep_records`, `log.keep_ms`) is held up by a stage that lags",
    ),
    Metric(
        "rtrec_api_requests_total", "counter", "requests", ("route", "status"),
        "requests answered, by route template and status",
        "5xx: the log has the traceback; 422 and 413: a client sends what the contract refuses",
    ),
    Metric(
        "rtrec_api_request_duration_ms", "histogram", "ms", ("route",),
        "time from a request's arrival to its answer",
        "p99 of /v1/score above 8 ms: fewer candidates a request, or another process", MS_BUCKETS,
    ),
    Metric(
        "rtrec_scored_rows_total", "counter", "rows", ("outcome",),
        "feature rows of scored candidates; outcome is logged or dropped",
        "dropped grows: the log does not keep up; labels fall back to features at the impression",
    ),
)  # fmt: skip
