"""The features table: every number and token a model sees, with unit, range and source.

Rules
-----
- Append-only: a feature keeps its place for ever; a change of meaning is a new feature and a new
  `FEATURE_SET`. Whatever carries vectors carries that version.
- `docs/features.md` is generated from here (`python -m rtrec.docs`), and a test fails when it is not.
"""

from typing import NamedTuple

FEATURE_SET = 2


class Feature(NamedTuple):
    """One column of the dense part, or one token of the sparse part."""

    name: str
    unit: str
    range: str
    source: str
    since: int = 1


ANCHOR_VALUES: tuple[Feature, ...] = (
    Feature("heat_log", "ln(1 + heat)", "≥ 0", "anchor: heat score"),
    Feature("viewers_log", "ln(1 + people)", "≥ 0", "anchor: viewers"),
    Feature("watchers_5m_log", "ln(1 + people)", "≥ 0", "anchor: window 5m"),
    Feature("views_1m_log", "ln(1 + views)", "≥ 0", "anchor: window 1m"),
    Feature("views_5m_log", "ln(1 + views)", "≥ 0", "anchor: window 5m"),
    Feature("views_1h_log", "ln(1 + views)", "≥ 0", "anchor: window 1h"),
    Feature("impressions_1h_log", "ln(1 + impressions)", "≥ 0", "anchor: window 1h"),
    Feature("gift_value_5m_log", "ln(1 + coins)", "≥ 0", "anchor: window 5m"),
    Feature("gift_value_1h_log", "ln(1 + coins)", "≥ 0", "anchor: window 1h"),
    Feature("gifts_24h_log", "ln(1 + pieces)", "≥ 0", "anchor: window 24h"),
    Feature("comments_5m_log", "ln(1 + comments)", "≥ 0", "anchor: window 5m"),
    Feature("likes_5m_log", "ln(1 + likes)", "≥ 0", "anchor: window 5m"),
    Feature("follows_1h_log", "ln(1 + follows)", "≥ 0", "anchor: window 1h"),
    Feature("shares_1h_log", "ln(1 + shares)", "≥ 0", "anchor: window 1h"),
    Feature("ctr_5m", "clicks per impression, smoothed", "0 … 1", "anchor: window 5m"),
    Feature("ctr_1h", "clicks per impression, smoothed", "0 … 1", "anchor: window 1h"),
    Feature("ctr_24h", "clicks per impression, smoothed", "0 … 1", "anchor: window 24h"),
    Feature("watch_per_view_1h_log", "ln(1 + s)", "≥ 0", "anchor: window 1h"),
    Feature("gifts_per_view_1h", "pieces per view, smoothed, ≤ 10", "0 … 10", "anchor: window 1h"),
    Feature("views_slope", "ln ratio of the last minute to the last five", "−∞ … ln 5", "anchor: windows 1m, 5m"),
    Feature("live_age_log", "ln(1 + min)", "≥ 0", "anchor: room start"),
    Feature("is_live", "1 = live", "0 or 1", "anchor: lifecycle"),
)

USER_VALUES: tuple[Feature, ...] = (
    Feature("user_known", "1 = has a record", "0 or 1", "user"),
    Feature("user_views_log", "ln(1 + views)", "0 … ln 51", "user: recent views"),
    Feature("user_watch_avg_log", "ln(1 + s)", "≥ 0", "user: recent views"),
    Feature("user_gift_1h_log", "ln(1 + coins)", "≥ 0", "user: spend 1h"),
    Feature("user_gift_24h_log", "ln(1 + coins)", "≥ 0", "user: spend 24h"),
    Feature("user_follows_log", "ln(1 + anchors)", "0 … ln 2001", "user: follows"),
    Feature("user_categories_log", "ln(1 + categories)", "≥ 0", "user: recent views"),
)

PAIR_VALUES: tuple[Feature, ...] = (
    Feature("familiarity", "bucket of views: 0, 1, 2-3, 4-7, 8-15, 16+", "0 … 5", "user × anchor: familiarity"),
    Feature("pair_watch_log", "ln(1 + s)", "≥ 0", "user × anchor: familiarity"),
    Feature("pair_gift_log", "ln(1 + coins)", "≥ 0", "user × anchor: familiarity"),
    Feature("pair_seen_age_log", "ln(1 + min) since last seen, 0 if never", "≥ 0", "user × anchor: familiarity"),
    Feature("pair_exposures", "exposures since the last click, ≤ 10", "0 … 10", "user × anchor: familiarity"),
    Feature("pair_follows", "1 = follows", "0 or 1", "user: follows"),
    Feature("taste_share", "share of the user's decayed taste", "0 … 1", "user: tastes × anchor's category"),
    Feature("user_exposures_log", "ln(1 + impressions)", "≥ 0", "user: exposures since clicks, of 100 anchors", 2),
)

DENSE: tuple[Feature, ...] = (*ANCHOR_VALUES, *USER_VALUES, *PAIR_VALUES)
DENSE_INDEX: dict[str, int] = {feature.name: place for place, feature in enumerate(DENSE)}

SPARSE: tuple[Feature, ...] = (
    Feature("anchor", "id", "hashed", "the candidate"),
    Feature("user", "id", "hashed", "the viewer"),
    Feature("category", "name", "hashed", "anchor: current room"),
    Feature("user×category", "pair", "hashed", "viewer and the anchor's category"),
    Feature("user×anchor", "pair", "hashed", "viewer and candidate"),
    Feature("user×anchor familiarity", "bucket", "0 … 5", "user × anchor: familiarity"),
    Feature("hour", "hour of the day in `features.zone`", "0 … 23", "time of scoring"),
    Feature("weekday", "day in `features.zone`, Monday = 0", "0 … 6", "time of scoring"),
    Feature("surface", "name", "hashed", "context"),
    Feature("heat bucket", "half-units of heat_log", "≥ 0", "anchor: heat_log"),
    Feature("ctr bucket", "thirds of a doubling of ctr_1h", "≤ 0", "anchor: ctr_1h"),
    Feature("taste bucket", "tenths of taste_share", "0 … 10", "taste_share"),
    Feature("exposures bucket", "exposures since the last click", "0 … 10", "pair_exposures"),
    Feature("position", "place on the page; served at 0", "0 … 63, absent", "impression, a bias feature"),
    Feature("surface×position", "pair; served at position 0", "hashed", "impression, a bias feature"),
    Feature("taste×views", "tenths of taste_share × doublings of views", "hashed", "taste_share, user_views_log", 2),
    Feature("views×exposures", "doublings of each", "hashed", "user_views_log, user_exposures_log", 2),
)
"""Tokens of the fixed table; declared attributes and their crosses follow them, at most `ATTRIBUTE_TOKENS`."""

ATTRIBUTE_TOKENS = 16
