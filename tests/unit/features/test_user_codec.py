import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events import schema
from rtrec.events.user_events import UserEvent
from rtrec.features.user import UserRecord, advance
from rtrec.features.user_codec import (
    FORMAT,
    PACKED_FROM_BYTES,
    PLAIN,
    ZSTD,
    as_json,
    canonical_bytes,
    decode,
    encode,
    is_expired,
)
from rtrec.settings import Users
from tests.unit.features.user_streams import DAY_MS, T0, active_user, recorded, user_event, user_events


@given(st.lists(user_events(), max_size=40), st.lists(user_events(), max_size=10))
def test_a_stored_record_goes_on_as_if_it_had_never_been_stored(
    before: list[UserEvent], after: list[UserEvent]
) -> None:
    """Dict orders are state: they come back, and the bytes are equal."""
    kept = recorded(*before)
    loaded = decode(encode(kept))
    assert loaded == kept
    for event in after:
        advance(kept, event, Users())
        advance(loaded, event, Users())
    assert canonical_bytes(loaded) == canonical_bytes(kept)
    assert encode(loaded) == encode(kept)


def test_a_record_of_a_newer_release_is_refused_by_name() -> None:
    stored = encode(UserRecord())
    with pytest.raises(ValueError, match=f"user record: format {FORMAT + 1}, this release reads up to {FORMAT}"):
        decode(bytes([FORMAT + 1]) + stored[1:])
    with pytest.raises(ValueError, match="format none"):
        decode(b"")


@pytest.mark.parametrize(("attribute_chars", "packing"), [(0, PLAIN), (PACKED_FROM_BYTES, ZSTD)])
def test_small_records_are_stored_as_they_are_and_large_ones_packed(attribute_chars: int, packing: int) -> None:
    """Packing is a matter of size alone; it leaves no trace in the record or in what digests hash."""
    record = UserRecord(last_ts_ms=T0, attributes={"name": "x" * attribute_chars})
    stored = encode(record)
    assert (stored[0], stored[1]) == (FORMAT, packing)
    assert (stored[2:] == canonical_bytes(record)) == (packing == PLAIN)
    assert decode(stored) == record


def test_a_record_is_packed_from_512_bytes_on() -> None:
    empty = len(canonical_bytes(UserRecord(attributes={"name": "x" * 300})))
    below, at = (
        UserRecord(attributes={"name": "x" * (300 + size - empty)})
        for size in (PACKED_FROM_BYTES - 1, PACKED_FROM_BYTES)
    )
    assert [encode(one)[1] for one in (below, at)] == [PLAIN, ZSTD]
    assert [decode(encode(one)) for one in (below, at)] == [below, at]


def test_active_users_take_at_most_2_kb_in_the_mean_and_so_does_one_with_full_tables() -> None:
    rng = random.Random(3)
    several = [len(encode(recorded(*active_user(rng, sessions)))) for sessions in (1, 3, 5, 8, 12, 20, 30)]
    full = recorded(*active_user(rng, 60))
    assert mean(several) <= 2_048
    assert (len(full.familiarity), len(full.views)) == (100, 50)
    assert len(encode(full)) <= 2_048


def test_a_record_expires_when_silent_for_longer_than_the_policy_keeps_it() -> None:
    record, policy = recorded(user_event(schema.CLICK, T0)), Users(ttl_days=30)
    assert not is_expired(record, T0 + 30 * DAY_MS, policy)
    assert is_expired(record, T0 + 30 * DAY_MS + 1, policy)


def test_json_has_the_contracts_shape_newest_first_and_tastes_by_share() -> None:
    record = recorded(
        user_event(schema.USER_PROFILE, T0 - 9, set={"city": "Kyiv"}),
        user_event(schema.VIEW_START, T0, "a1", category="music"),
        user_event(schema.IMPRESSION, T0 + 1, "a2"),
        user_event(schema.VIEW_START, T0 + 2, "a2", category="dance"),
        user_event(schema.VIEW_HEARTBEAT, T0 + 60_002, "a2", category="dance", watch_ms=60_000),
        user_event(schema.GIFT, T0 + 60_003, "a2", category="dance", value=30),
        user_event(schema.FOLLOW, T0 + 60_004, "a2"),
        user_event(schema.NEGATIVE, T0 + 60_005, "a3", category=None, kind="block"),
    )
    answer = as_json(record, "u1", T0)
    shares = [taste.pop("share") for taste in answer["tastes"]]
    assert answer == {
        "user_id": "u1",
        "as_of_ms": T0 + 60_005,
        "attributes": {"city": "Kyiv"},
        "recent_views": [
            {"anchor_id": "a2", "category": "dance", "watch_ms": 60_000, "ts_ms": T0 + 2},
            {"anchor_id": "a1", "category": "music", "watch_ms": 0, "ts_ms": T0},
        ],
        "familiarity": [
            {"anchor_id": anchor_id, "views": views, "watch_ms": watch_ms, "gift_value": gift_value,
             "last_ts_ms": last_ts_ms, "exposures_since_click": 0}
            for anchor_id, views, watch_ms, gift_value, last_ts_ms in [
                ("a3", 0, 0, 0, T0 + 60_005), ("a2", 1, 60_000, 30, T0 + 60_004), ("a1", 1, 0, 0, T0),
            ]
        ],
        "tastes": [{"category": "dance"}, {"category": "music"}],
        "gift_value": {"10m": 30, "1h": 30, "24h": 30},
        "follows": ["a2"],
        "blocked": ["a3"],
    }  # fmt: skip
    assert shares == pytest.approx([5 / 6, 1 / 6], rel=1e-3)


def test_json_as_of_later_shows_windows_that_have_moved_on() -> None:
    record = recorded(user_event(schema.GIFT, T0, value=30))
    assert as_json(record, "u1", T0 + 2 * 3_600_000)["gift_value"] == {"10m": 0, "1h": 0, "24h": 30}
