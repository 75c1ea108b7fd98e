"""Settings: frozen policy values, one section per concept, each with its unit, meaning and reason.

Rules
-----
- A default exists once, here. Each setting's `Meta` says what it is, its unit, what absence means and why
  this value; `docs/settings.md` is generated from it and a test fails when it is not.
- Nothing is read at import time: `settings_io` reads files and the environment, and hands out one `Settings`.
- What may change while running (`LIVE_SECTIONS`) is replaced whole by a reload; the rest needs a restart.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from rtrec.settings_breaker import Breaker
from rtrec.settings_cluster import Archive, Cluster, Kafka, Redis, Registry

Ms = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Number = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]

METRICS = (
    "views", "watch_ms", "impressions", "clicks", "gifts", "gift_value", "comments", "likes", "follows", "shares",
    "watchers", "gifters", "interactors",
)  # fmt: skip
"""The thirteen additive metrics of an anchor in stored order; the last three count people."""

HEADS = ("click", "long_view", "gift", "comment", "follow", "share")
"""Targets a label can have; `labels.heads` chooses among them. Append-only: examples store the place."""

LIVE_SECTIONS = ("heat", "ranking", "variants")
"""Sections that a reload may change on a running system."""


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the API listens."""

    host: Annotated[str, Meta(description="address to listen on; loopback, because there are no keys yet")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes a free one")] = 8000
    open: Annotated[
        bool,
        Meta(
            description="whether `rtrec serve` listens beyond loopback though there are no keys yet: for a network of its own, where whoever reaches it may write events and ban anchors"
        ),
    ] = False


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """The embedded event log, and how much of it is kept."""

    batch_events: Annotated[
        int,
        Meta(
            ge=1, le=100_000, description="most events in a micro-batch; a commit costs about 1 ms, 5,000 amortize it"
        ),
    ] = 5_000
    keep_records: Annotated[
        int,
        Meta(
            ge=1_000,
            description="records kept of `events` and `examples` once every stage has read them; 10 million are about 3 GB",
        ),
    ] = 10_000_000
    keep_dead_letters: Annotated[
        int, Meta(ge=100, description="dead letters kept, oldest dropped first; at 64 KiB each at worst 1.3 GB")
    ] = 20_000
    keep_ms: Annotated[
        Ms, Meta(description="milliseconds a read record is kept at most, by append time; 7 days cover a long weekend")
    ] = 604_800_000


class Events(Struct, frozen=True, forbid_unknown_fields=True):
    """How time and duplicates are judged."""

    future_ms: Annotated[
        Ms, Meta(description="milliseconds an event may lie after its append time; 60 s cover clocks that are off")
    ] = 60_000
    late_ms: Annotated[
        Ms,
        Meta(
            description="milliseconds an event may lie before its partition's newest; the widest window is 24 h, plus its hop"
        ),
    ] = 90_000_000
    duplicate_ms: Annotated[
        Ms, Meta(description="milliseconds of event time a seen id is remembered; producers retry for minutes")
    ] = 600_000
    duplicate_gift_ms: Annotated[
        Ms, Meta(description="the same for gifts and the ledger behind reversals; a payment may be retried for a day")
    ] = 86_400_000
    seen_ids: Annotated[
        int,
        Meta(ge=1_000, description="ids remembered per partition at most (16 bytes each), oldest dropped and counted"),
    ] = 4_000_000
    ledger_gifts: Annotated[
        int, Meta(ge=1_000, description="gifts kept for reversal per partition at most, oldest dropped and counted")
    ] = 1_000_000


class DeadLetters(Struct, frozen=True, forbid_unknown_fields=True):
    """When bad input becomes an alarm."""

    cap_share: Annotated[
        float, Meta(gt=0, le=1, description="share of refused events in the last `cap_window` that raises the alarm")
    ] = 0.5
    cap_window: Annotated[int, Meta(ge=10, description="events the share is taken over")] = 1_000
    on_cap: Annotated[
        Literal["alarm", "stop"],
        Meta(description="what the alarm does; a live stream should not stop for one bad producer"),
    ] = "alarm"


class Heat(Struct, frozen=True, forbid_unknown_fields=True):
    """What makes an anchor hot: Σ weight · decayed, capped metric, one half-life for all terms."""

    half_life: Annotated[
        Literal["1m", "10m", "1h"],
        Meta(
            description="half-life of every term; 10 minutes forget a raid but not a show. A change needs a new data folder"
        ),
    ] = "10m"
    weights: Annotated[
        dict[str, Number],
        Meta(description="weight per metric; absent metrics weigh 0. People first, money damped, as Huajiao does"),
    ] = field(default_factory=lambda: {"watchers": 1.0, "gifters": 5.0, "interactors": 2.0, "gift_value": 0.01})
    event_caps: Annotated[
        dict[str, Number], Meta(description="most that one event adds to a metric's heat; absent means no cap")
    ] = field(default_factory=dict)
    user_caps: Annotated[
        dict[str, Number],
        Meta(
            description="most decayed value one user can have in an anchor's heat, per metric; absent means no cap. 10,000 keeps one whale from buying a page"
        ),
    ] = field(default_factory=lambda: {"gift_value": 10_000.0})
    lease_ms: Annotated[
        Ms,
        Meta(
            description="milliseconds a room stays live after its last activity unless live_start says otherwise; three heartbeats of 30 s"
        ),
    ] = 90_000


class Users(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a viewer is kept, and for how long."""

    ttl_days: Annotated[
        int, Meta(ge=1, description="days of event time after which a silent user's record is gone")
    ] = 30
    taste_half_life_ms: Annotated[
        int, Meta(ge=60_000, description="half-life of a taste by category; a day lets an evening's mood pass")
    ] = 86_400_000


class Attribute(Struct, frozen=True, forbid_unknown_fields=True):
    """A declared attribute that becomes a sparse feature."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="the attribute's name")]
    of: Annotated[Literal["user", "anchor", "context"], Meta(description="whose attribute it is")]
    type: Annotated[
        Literal["category", "number"], Meta(description="a category is hashed as it is, a number by log2 bucket")
    ] = "category"
    crosses: Annotated[
        tuple[str, ...], Meta(description="other declared attributes, or `category`, to cross it with")
    ] = ()


class Features(Struct, frozen=True, forbid_unknown_fields=True):
    """What a model's input is made of, beside the fixed table."""

    zone: Annotated[
        str, Meta(description="IANA time zone of hour and weekday features; UTC unless the platform has one")
    ] = "UTC"
    ctr_prior: Annotated[float, Meta(gt=0, lt=1, description="click rate that smoothing pulls to")] = 0.05
    ctr_prior_impressions: Annotated[float, Meta(gt=0, description="impressions the prior is worth")] = 20.0
    attributes: Annotated[
        tuple[Attribute, ...], Meta(max_length=16, description="declared attributes; none means ids and counters alone")
    ] = ()


class Labels(Struct, frozen=True, forbid_unknown_fields=True):
    """When an impression becomes an example."""

    policy: Annotated[
        Literal["exit_first", "seed", "fixed_window", "fast_slow"],
        Meta(
            description="the rule of decision (docs/labels.md): a view's end decides, soon for most; the seed's, biased; a fixed window; early negatives and late positives, unbiased, which keeps every impression for the horizon"
        ),
    ] = "exit_first"
    heads: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="targets to learn, the first is the main one; others are masked"),
    ] = ("click", "long_view", "gift")
    click_wait_ms: Annotated[
        Ms,
        Meta(description="milliseconds an impression waits for its click; a feed is scrolled past in less than 60 s"),
    ] = 60_000
    long_view_ms: Annotated[Ms, Meta(description="milliseconds watched that make a long view")] = 30_000
    short_view_ms: Annotated[
        Ms, Meta(description="`seed`: milliseconds watched up to which a view is a negative; longer, it is masked")
    ] = 2_000
    lapse_ms: Annotated[
        Ms, Meta(description="milliseconds without a view event after which a view has ended; three heartbeats")
    ] = 90_000
    horizon_ms: Annotated[Ms, Meta(description="milliseconds an action may follow its impression, or its entry")] = (
        1_800_000
    )
    window_ms: Annotated[
        Ms,
        Meta(
            description="`fixed_window`: milliseconds after an impression in which everything counts; 10 minutes see a long view and most gifts, and every negative is as old"
        ),
    ] = 600_000
    fast_ms: Annotated[
        Ms,
        Meta(
            description="`fast_slow`: milliseconds after an impression at which its fake negatives are told; 10 s are early, and leave logged rows time to arrive"
        ),
    ] = 10_000
    negative_share: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="share of negatives that is learned from, each weighing 1 / share; below 1 where the learner is too slow or storage too dear, at the price of noise",
        ),
    ] = 1.0
    auto_surfaces: Annotated[
        tuple[str, ...], Meta(description="surfaces that enter by themselves: click is masked there")
    ] = ()
    pending_per_user: Annotated[
        int, Meta(ge=1, description="open exposures kept per user, oldest dropped and counted")
    ] = 256
    pending_total: Annotated[
        int, Meta(ge=1, description="open exposures kept in all, oldest dropped and counted; about 400 bytes each")
    ] = 500_000


FTRL = "ftrl"
"""`learner.model` that is ours."""


class Learner(Struct, frozen=True, forbid_unknown_fields=True):
    """The online model of each head: FTRL-Proximal, or one of River's."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=400,
            description='"ftrl", ours, or River classifiers and transformers by import path with | between them, such as "river.preprocessing.StandardScaler | river.linear_model.LogisticRegression" (docs/learning.md); alpha to expire_days are of ftrl alone',
        ),
    ] = FTRL
    parameters: Annotated[
        dict[str, dict[str, Any]],
        Meta(
            description='parameters of River\'s steps by class name; an object is a table with its class, { class = "river.optim.Adam", lr = 0.01 }'
        ),
    ] = field(default_factory=dict)
    alpha: Annotated[float, Meta(gt=0, description="learning rate")] = 0.1
    beta: Annotated[float, Meta(ge=0, description="smooths the first steps; 1 as in McMahan et al. 2013")] = 1.0
    l1: Annotated[float, Meta(ge=0, description="L1: weights below stay 0; small, because hashed crosses are rare")] = (
        0.1
    )
    l2: Annotated[float, Meta(ge=0, description="L2")] = 1.0
    slots_log2: Annotated[
        int,
        Meta(
            ge=10,
            le=26,
            description="2^n hash slots shared by all heads; 22 is 16 bytes · heads · 4 million at most, paged in when touched",
        ),
    ] = 22
    admit_examples: Annotated[
        int,
        Meta(
            ge=1,
            le=255,
            description="examples that must have met a slot before it is learned; 1 learns it at once, more keep what is seen once out of the model (McMahan et al. 2013, §4.1)",
        ),
    ] = 1
    expire_days: Annotated[
        int,
        Meta(
            ge=0,
            description="days of event time after which a slot that no example has met is forgotten; 0 never. 60 outlast an anchor's holiday",
        ),
    ] = 60
    publish_ms: Annotated[
        int,
        Meta(ge=10, description="milliseconds between publications to scorers; AUC falls when it grows (design §11)"),
    ] = 1_000


class Ranking(Struct, frozen=True, forbid_unknown_fields=True):
    """How heads become one score: ∏(1 + p_k)^a_k."""

    exponents: Annotated[dict[str, Number], Meta(description="a_k per head; absent heads count 0")] = field(
        default_factory=lambda: {"click": 1.0, "long_view": 1.0, "gift": 1.0}
    )
    logged_candidates: Annotated[
        int,
        Meta(ge=0, le=1_000, description="best candidates of a request whose features are logged; 32 stay under 6 KB"),
    ] = 32


class Variants(Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of users by stable hash; the rest gets `default`."""

    heat_only: Annotated[Share, Meta(description="share of users ranked by heat alone, the yardstick of learning")] = (
        0.05
    )


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Every section; absent ones have their defaults."""

    server: Server = Server()
    log: Log = Log()
    events: Events = Events()
    dead_letters: DeadLetters = DeadLetters()
    heat: Heat = Heat()
    users: Users = Users()
    features: Features = Features()
    labels: Labels = Labels()
    learner: Learner = Learner()
    breaker: Breaker = Breaker()
    ranking: Ranking = Ranking()
    variants: Variants = Variants()
    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    cluster: Cluster = Cluster()
    registry: Registry = Registry()
    archive: Archive = Archive()
