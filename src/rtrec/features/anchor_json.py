"""An anchor as operators and apps read it: the contract's shape of `GET /v1/anchors/{id}`."""

from typing import Any

import numpy as np

from rtrec.features.anchor_meta import AnchorMeta
from rtrec.features.anchor_table import GIFTS, N_METRICS, REVERSIBLE, WATCHERS, Anchors
from rtrec.features.anchor_values import LEVELS, M5, heat_at, live_at, viewers_at
from rtrec.features.decay import HALF_LIVES, HALF_LIVES_MS, landmark, power
from rtrec.features.heat_rules import HeatRules
from rtrec.features.tiles import WINDOWS, windows_at
from rtrec.settings import METRICS


def anchor_json(
    name: str, rows: Anchors, meta: AnchorMeta, rules: HeatRules, at_ms: int, newest_ms: int
) -> dict[str, Any]:
    """One anchor at `at_ms`, or as of its newest event if that is later.

    rows: one row. newest_ms: the partition's newest event time; an anchor idle for longer than
    `events.late_ms` of it shows zeros.
    """
    row, rule = rows[0], rules[0]
    last = int(row["last_ms"])
    at = max(at_ms, last)
    expired = last == 0 or last < newest_ms - int(rule["late_ms"])
    windows = np.zeros((LEVELS, N_METRICS), np.int64)
    if not expired:
        windows_at(row["tiles"], last, at, windows)
    return {
        "anchor_id": name,
        "as_of_ms": at,
        "live": bool(live_at(row, at)),
        "live_id": meta.live_id,
        "live_since_ms": int(row["room_since_ms"]) if row["room"] else None,
        "category": meta.category,
        "title": meta.title,
        "region": meta.region,
        "language": meta.language,
        "tags": meta.tags,
        "viewers": int(viewers_at(row, at, windows[M5, WATCHERS])),
        "last_event_ms": last or None,
        "attributes": meta.attributes,
        "windows": {
            metric: dict(zip(WINDOWS, windows[:, m].tolist(), strict=True)) for m, metric in enumerate(METRICS)
        },
        "decayed": _decayed(row, at, expired=expired),
        "heat": _heat(row, rules, at, expired=expired),
    }


def _decayed(row: Any, at_ms: int, *, expired: bool) -> dict[str, dict[str, float]]:
    values = np.zeros((len(HALF_LIVES), N_METRICS)) if expired else row["decayed"].copy()
    if not expired:
        values[:, GIFTS : GIFTS + REVERSIBLE] += row["decayed_low"]
        for h, half_life_ms in enumerate(HALF_LIVES_MS):
            values[h] *= power(at_ms, landmark(int(row["last_ms"]), half_life_ms), half_life_ms)
    return {metric: dict(zip(HALF_LIVES, values[:, m].tolist(), strict=True)) for m, metric in enumerate(METRICS)}


def _heat(row: Any, rules: HeatRules, at_ms: int, *, expired: bool) -> dict[str, Any]:
    """Score = Σ contributions, each weight · the capped, decayed value; at most 1e-9 is no heat.

    `raw` is the value without caps, so that a term shows what they took.
    """
    rule = rules[0]
    place = int(rule["half_life"])
    half_life_ms = HALF_LIVES_MS[place]
    total = 0.0 if expired else float(heat_at(row, rule, at_ms))
    values = row["heat"].copy()
    values[GIFTS : GIFTS + REVERSIBLE] += row["heat_low"]
    raw = row["decayed"][place].copy()
    raw[GIFTS : GIFTS + REVERSIBLE] += row["decayed_low"][place]
    factor = power(at_ms, landmark(int(row["last_ms"]), half_life_ms), half_life_ms) if total else 0.0
    terms = [
        {
            "metric": metric,
            "half_life": HALF_LIVES[place],
            "weight": float(rule["weights"][m]),
            "raw": float(raw[m] * factor),
            "value": float(values[m] * factor),
            "contribution": float(rule["weights"][m] * (values[m] * factor)),
        }
        for m, metric in enumerate(METRICS)
        if rule["weights"][m]
    ]
    return {"score": sum(term["contribution"] for term in terms), "rank": None, "terms": terms}
