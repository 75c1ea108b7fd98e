"""The answers' shapes, for documentation: routes send what the host gives, a test compares the two."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from rtrec.events.schema import Attribute

Figures = dict[str, dict[str, float]]


class Health(Struct, frozen=True):
    """`GET /healthz`."""

    status: str


class Ready(Struct, frozen=True):
    """`GET /readyz`. `alarms`, if there are any: what is wrong though requests are answered."""

    status: str
    alarms: list[str] | UnsetType = UNSET


class Rejected(Struct, frozen=True):
    """A refused event: its place in the request, its id if it has one, field and fault."""

    index: int
    event_id: str | None
    reason: str


class EventsAnswer(Struct, frozen=True):
    """`POST /v1/events`: how many are stored, and which were refused."""

    accepted: int
    rejected: list[Rejected]


class Model(Struct, frozen=True):
    """The versions that scored; null without one. `online_age_ms` is the age of the weights."""

    online: str | None
    online_age_ms: int | None
    batch: str | None
    blend: str | None


class HeadScore(Struct, frozen=True):
    """`p` is the calibrated P(label | impression); `online` and `batch` are the two models' own."""

    p: float
    online: float | None
    batch: float | None


class Contribution(Struct, frozen=True):
    """One feature's share of a head's logit."""

    feature: str
    contribution: float


class Scored(Struct, frozen=True):
    """One candidate. `feature_age_ms` is null for an anchor without a record; `explanation` comes if asked for."""

    anchor_id: str
    score: float
    heads: dict[str, HeadScore]
    live: bool
    eligible: bool
    feature_age_ms: int | None
    explanation: list[Contribution] | UnsetType = UNSET


class ScoreAnswer(Struct, frozen=True):
    """`POST /v1/score`, in the order asked. `degraded` names what was missing."""

    request_id: str
    as_of_ms: int
    variant: str
    feature_set: int
    model: Model
    scores: list[Scored]
    degraded: list[str]


class Item(Struct, frozen=True):
    """One recommended room; `source` says which recall found it."""

    anchor_id: str
    live_id: str | None
    score: float
    heads: dict[str, HeadScore]
    source: str
    rules: list[str]
    propensity: float | UnsetType = UNSET


class RecommendAnswer(Struct, frozen=True):
    """`POST /v1/recommend`. `next_cursor` is null on the last page."""

    request_id: str
    as_of_ms: int
    variant: str
    model: Model
    items: list[Item]
    next_cursor: str | None
    degraded: list[str]


class HotAnchor(Struct, frozen=True):
    """One row of the heat board."""

    anchor_id: str
    live_id: str | None
    category: str | None
    heat: float
    viewers: int


class HotAnswer(Struct, frozen=True):
    """`GET /v1/hot`."""

    as_of_ms: int
    anchors: list[HotAnchor]


class HeatTerm(Struct, frozen=True):
    """One term of a heat: contribution = weight · value, the value decayed and capped, `raw` without caps."""

    metric: str
    half_life: str
    weight: float
    raw: float
    value: float
    contribution: float


class Heat(Struct, frozen=True):
    """An anchor's heat, its place among all live ones, and what it is made of."""

    score: float
    rank: int | None
    terms: list[HeatTerm]


class AnchorAnswer(Struct, frozen=True):
    """`GET /v1/anchors/{id}`: raw windows and decayed counters of all metrics, as of `as_of_ms`."""

    anchor_id: str
    as_of_ms: int
    live: bool
    live_id: str | None
    live_since_ms: int | None
    category: str | None
    title: str | None
    region: str | None
    language: str | None
    tags: list[str] | None
    viewers: int
    last_event_ms: int | None
    attributes: dict[str, Attribute]
    state: dict[str, Any]
    windows: dict[str, dict[str, int]]
    decayed: Figures
    heat: Heat


class RecentView(Struct, frozen=True):
    """One view."""

    anchor_id: str
    category: str | None
    watch_ms: int
    ts_ms: int


class Familiar(Struct, frozen=True):
    """What a user has had to do with one anchor."""

    anchor_id: str
    views: int
    watch_ms: int
    gift_value: int
    last_ts_ms: int
    exposures_since_click: int


class Taste(Struct, frozen=True):
    """A category's share of what a user watches, decayed."""

    category: str
    share: float


class UserAnswer(Struct, frozen=True):
    """`GET /v1/users/{id}`."""

    user_id: str
    as_of_ms: int
    attributes: dict[str, Attribute]
    recent_views: list[RecentView]
    familiarity: list[Familiar]
    tastes: list[Taste]
    gift_value: dict[str, int]
    follows: list[str]
    blocked: list[str]


class Online(Struct, frozen=True):
    """The online model's weights: their version, and how long ago they were published."""

    version: str | None
    age_ms: int | None


class Progress(Struct, frozen=True):
    """Progressive validation per head: examples, base rate, each model (null without one) and `heat_only`.

    `recent` and `slices` are over the newest examples, `drift` since the learner started.
    """

    heads: dict[str, Any]


class Tripped(Struct, frozen=True):
    """A rule that keeps weights from being published: the figure that was seen, and the bound it passed."""

    rule: str
    head: str | None
    figure: float
    bound: float


class Breaker(Struct, frozen=True):
    """The learner's circuit breaker; open, the last good weights serve. `passed_ms`: since when all is well."""

    open: bool
    since_ms: int | None
    passed_ms: int | None
    tripped: list[Tripped]


class ModelsAnswer(Struct, frozen=True):
    """`GET /v1/models`: versions, progress, label outcomes, what the stages have taken and have before them."""

    online: Online
    batch: Any
    breaker: Breaker
    progress: Progress
    outcomes: dict[str, Any]
    totals: dict[str, int]
    lag_events: int
    slots: dict[str, int]
