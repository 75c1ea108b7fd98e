import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.schema import Event
from rtrec.features.anchor_values import N_ANCHOR_VALUES, many_anchor_values
from rtrec.features.table import ANCHOR_VALUES
from rtrec.settings import Features
from tests.unit.stages.heat_host import HOUR_MS, T0, Host, any_event, fed, made

LATE_MS = 25 * HOUR_MS
PRIOR, WORTH = Features().ctr_prior, Features().ctr_prior_impressions


def recomputed(shown: dict[str, Any]) -> dict[str, float]:
    """The table's features from what `GET /v1/anchors/{id}` shows."""
    w = shown["windows"]
    logs = {
        f"{metric}_{window}_log": math.log1p(w[metric][window])
        for metric, window in [
            ("watchers", "5m"), ("views", "1m"), ("views", "5m"), ("views", "1h"), ("impressions", "1h"),
            ("gift_value", "5m"), ("gift_value", "1h"), ("gifts", "24h"), ("comments", "5m"), ("likes", "5m"),
            ("follows", "1h"), ("shares", "1h"),
        ]
    }  # fmt: skip
    rates = {
        f"ctr_{window}": min((w["clicks"][window] + PRIOR * WORTH) / (w["impressions"][window] + WORTH), 1.0)
        for window in ("5m", "1h", "24h")
    }
    minutes = max(shown["as_of_ms"] - (shown["live_since_ms"] or 0), 0) / 60_000
    return {
        **logs,
        **rates,
        "heat_log": math.log1p(shown["heat"]["score"]),
        "viewers_log": math.log1p(shown["viewers"]),
        "watch_per_view_1h_log": math.log1p(w["watch_ms"]["1h"] / 1_000 / max(w["views"]["1h"], 1)),
        "gifts_per_view_1h": min(w["gifts"]["1h"] / (w["views"]["1h"] + 10), 10.0),
        "views_slope": math.log((1 + 5 * w["views"]["1m"]) / (1 + w["views"]["5m"])),
        "live_age_log": math.log1p(minutes) if shown["live"] else 0.0,
        "is_live": float(shown["live"]),
    }


def values_at(host: Host, anchor: str, at_ms: int) -> dict[str, float]:
    out = np.zeros((1, N_ANCHOR_VALUES), np.float32)
    rows = host.row(anchor)
    many_anchor_values(rows, np.zeros(1, np.int64), host.rules, at_ms, np.array([host.state.newest_ms - LATE_MS]), out)
    return dict(zip((one.name for one in ANCHOR_VALUES), out[0].tolist(), strict=True))


@given(st.lists(any_event(), min_size=1, max_size=60), st.integers(0, 90_000) | st.integers(-HOUR_MS, 26 * HOUR_MS))
def test_features_are_what_the_anchor_shows(events: list[Event], passed_ms: int) -> None:
    """Every feature, recomputed in plain Python from the shown windows, heat and lifecycle, at any time."""
    host = fed(events, [7])
    for key in [key for key in host.store if key.startswith("a/")]:
        at_ms = host.state.newest_ms + passed_ms
        expected = recomputed(host.show(at_ms, key[2:]))
        assert values_at(host, key[2:], at_ms) == {
            name: pytest.approx(value, rel=1e-6, abs=1e-6) for name, value in expected.items()
        }


def test_a_live_rooms_age_is_since_it_began() -> None:
    """Not since its last activity, and 0 once it is not live."""
    host = fed([made("live_start", T0, live_id="l"), made("comment", T0 + 60_000)], [1])
    assert values_at(host, "a", T0 + 120_000)["live_age_log"] == pytest.approx(math.log1p(2))
    assert values_at(host, "a", T0 + 150_000)["live_age_log"] == 0.0


def test_an_anchor_never_seen_has_a_new_ones_zeros_and_priors() -> None:
    """Equal to those of an empty row, so that cold anchors look alike however they are met."""
    host, out = Host(), np.ones((2, N_ANCHOR_VALUES), np.float32)
    rows = host.state.table.rows
    many_anchor_values(rows, np.array([-1, 0], np.int64), host.rules, 1_700_000_000_000, np.zeros(2, np.int64), out)
    assert out[0].tolist() == out[1].tolist()
    named = dict(zip((one.name for one in ANCHOR_VALUES), out[0].tolist(), strict=True))
    assert {name: value for name, value in named.items() if value} == {
        name: pytest.approx(PRIOR) for name in ("ctr_5m", "ctr_1h", "ctr_24h")
    }
