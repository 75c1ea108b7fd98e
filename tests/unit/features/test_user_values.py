import random
from math import log1p

import numpy as np
import pytest

from rtrec.events import schema
from rtrec.features.table import PAIR_VALUES, USER_VALUES, Feature
from rtrec.features.user import UserRecord
from rtrec.features.user_values import pair_values, user_values
from tests.unit.features.user_streams import T0, active_user, recorded, user_event


def viewer() -> UserRecord:
    return recorded(
        user_event(schema.VIEW_START, T0, "a1", category="dance"),
        user_event(schema.VIEW_END, T0 + 60_000, "a1", category="dance", watch_ms=60_000),
        user_event(schema.VIEW_START, T0 + 60_000, "a2", category="music"),
        user_event(schema.GIFT, T0 + 60_000, "a1", category="dance", value=99),
        user_event(schema.FOLLOW, T0 + 60_000, "a9", category=None),
        *(user_event(schema.IMPRESSION, T0 + 60_000, "a2", category="music") for _ in range(12)),
    )


def named(features: tuple[Feature, ...], values: list[float]) -> dict[str, float]:
    return {feature.name: value for feature, value in zip(features, values, strict=True)}


def test_a_users_values_stand_in_the_tables_order() -> None:
    values = user_values(viewer(), T0 + 60_000)
    assert values.dtype == np.float32
    assert named(USER_VALUES, values.tolist()) == pytest.approx(
        {
            "user_known": 1.0,
            "user_views_log": log1p(2),
            "user_watch_avg_log": log1p(30),
            "user_gift_1h_log": log1p(99),
            "user_gift_24h_log": log1p(99),
            "user_follows_log": log1p(1),
            "user_categories_log": log1p(2),
        }
    )


def test_spend_leaves_the_hour_but_not_the_day() -> None:
    values = named(USER_VALUES, user_values(viewer(), T0 + 3 * 3_600_000).tolist())
    assert (values["user_gift_1h_log"], values["user_gift_24h_log"]) == pytest.approx((0.0, log1p(99)))


def test_pairs_stand_in_the_tables_order() -> None:
    values = pair_values(viewer(), ["a1", "a2", "a9", "new"], ["dance", "music", None, "music"], T0 + 120_000)
    assert values.dtype == np.float32
    assert values.shape == (4, len(PAIR_VALUES))
    met, shown, followed, new = (named(PAIR_VALUES, row) for row in values.tolist())
    assert met == pytest.approx(
        {
            "familiarity": 1,
            "pair_watch_log": log1p(60),
            "pair_gift_log": log1p(99),
            "pair_seen_age_log": log1p(1),
            "pair_exposures": 0,
            "pair_follows": 0,
            "taste_share": 5 / 6,
            "user_exposures_log": log1p(12),
        },
        rel=1e-3,
    )
    assert shown["pair_exposures"] == 10
    assert (followed["pair_follows"], followed["taste_share"]) == (1, 0)
    assert {name for name, value in new.items() if value} == {"taste_share", "user_exposures_log"}


def test_a_guest_or_unknown_user_is_all_zeros() -> None:
    assert not user_values(None, T0).any()
    assert user_values(None, T0).shape == (len(USER_VALUES),)
    assert not pair_values(None, ["a1", "a2"], [None, "dance"], T0).any()
    assert pair_values(None, ["a1", "a2"], [None, "dance"], T0).shape == (2, len(PAIR_VALUES))
    assert pair_values(UserRecord(), [], [], T0).shape == (0, len(PAIR_VALUES))


def test_a_time_before_the_last_contact_is_no_negative_age() -> None:
    assert pair_values(viewer(), ["a1"], ["dance"], T0 - 999)[0, 3] == 0


def test_values_are_finite_for_full_records() -> None:
    record = recorded(*active_user(random.Random(1), 30))
    anchors = [f"anchor{place}" for place in range(200)]
    assert np.isfinite(pair_values(record, anchors, ["category1"] * 200, record.last_ts_ms)).all()
    assert np.isfinite(user_values(record, record.last_ts_ms)).all()
