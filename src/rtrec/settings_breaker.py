"""Settings of the learner's circuit breaker: what each rule allows, and how much it must have seen; see `settings`."""

from typing import Annotated

from msgspec import Meta, Struct

Ms = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Number = Annotated[float, Meta(ge=0)]


class Breaker(Struct, frozen=True, forbid_unknown_fields=True):
    """When the learner stops publishing: a head's last 2,000 examples against 20,000 before them."""

    settle_ms: Annotated[
        Ms,
        Meta(
            description="milliseconds from a learner's first example on in which `loss_jump`, `label_rate` and `calibration` are silent, and nothing enters a reference; positives are decided at once and negatives after `labels.click_wait_ms` or `labels.lapse_ms`, so the first minutes are no measure"
        ),
    ] = 180_000
    reference_examples: Annotated[
        Positive,
        Meta(description="examples that a reference must have before a window is judged by it; as many as the window"),
    ] = 2_000
    loss_ratio: Annotated[
        float,
        Meta(
            gt=1, description="logloss over the reference's that trips `loss_jump`; noise of 2,000 examples stays below"
        ),
    ] = 1.5
    loss_margin_nats: Annotated[
        Number,
        Meta(description="nats it must be above the reference besides; a rare head's loss of 0.01 doubles by chance"),
    ] = 0.05
    loss_examples: Annotated[
        int,
        Meta(ge=2_100, description="examples of a head before `loss_jump` may trip; the first ones are learned from"),
    ] = 10_000
    label_ratio: Annotated[
        float,
        Meta(
            gt=1,
            description="rate of positives over the reference's, or under it, that trips `label_rate`; an evening doubles it, a broken producer ends it",
        ),
    ] = 4.0
    label_examples: Annotated[
        int,
        Meta(
            ge=2_100,
            description="examples of a head before `label_rate` may trip; the reference must be more than a moment",
        ),
    ] = 10_000
    calibration_ratio: Annotated[
        float, Meta(gt=1, description="predicted over seen positives, or seen over predicted, that trips `calibration`")
    ] = 4.0
    calibration_examples: Annotated[
        int,
        Meta(ge=2_000, description="examples of a head before `calibration` may trip; a young model is off by itself"),
    ] = 20_000
    positives: Annotated[
        Positive,
        Meta(
            description="positives seen or expected in 2,000 examples below which `label_rate` and `calibration` are silent; 50 have an error of 14 %"
        ),
    ] = 50
    dry_ms: Annotated[
        Ms,
        Meta(
            description="milliseconds without an example, while events come, that trip `dry_stream`; labels take a minute or two"
        ),
    ] = 600_000
    dry_events: Annotated[
        Positive,
        Meta(
            description="events since the last example before `dry_stream` may trip (on a cluster: messages of events); a quiet night is not dry"
        ),
    ] = 1_000
    dry_examples: Annotated[
        Positive,
        Meta(description="examples learned before `dry_stream` may trip; a platform without impressions has none"),
    ] = 1_000
    rearm_ms: Annotated[
        Ms,
        Meta(
            description="milliseconds without any fault before publishing goes on by itself; a minute is longer than a flicker"
        ),
    ] = 60_000
