"""Scoring: a request's candidates become features, heads and one score, in one pass over columns."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtrec.features.table import DENSE_INDEX
from rtrec.features.user import UserRecord
from rtrec.features.user_values import pair_values, user_values
from rtrec.features.vector import ATTRIBUTE, attribute_terms, attribute_tokens, bucket_words, make_rows, vectors
from rtrec.labels.scored import encode
from rtrec.learning.river_scorer import RiverScorer
from rtrec.ranking.eligibility import Viewer
from rtrec.ranking.errors import RequestError
from rtrec.ranking.explain import explain
from rtrec.ranking.fuse import HEAT_ONLY, VARIANTS, fuse, sigmoid, variant_of
from rtrec.runtime.knowledge import Knowledge

_HEAT: Final = DENSE_INDEX["heat_log"]


@dataclass(slots=True)
class Asker:
    """Who asks: the record as stored, what the request says over it, and what was missing.

    attributes: stored ones, the request's over them.
    """

    user_id: str | None
    record: UserRecord | None
    attributes: dict[str, Any]
    context: Mapping[str, Any]
    variant: str
    now_ms: int
    degraded: list[str] = field(default_factory=lambda: ["batch_model"])

    @property
    def viewer(self) -> Viewer:
        """For eligibility."""
        return Viewer(self.attributes, self.record.blocked if self.record is not None else ())


@dataclass(frozen=True, slots=True)
class Scored:
    """What candidates came to.

    score [N]; p [N, heads]; rows: features as used; last_ms [N]: newest event, 0 if none. given: as the request has it.
    """

    anchors: list[str]
    score: NDArray[np.float64]
    p: NDArray[np.float64]
    rows: NDArray[Any]
    last_ms: NDArray[np.int64]
    given: Mapping[str, dict[str, Any]]


def new_request_id() -> str:
    """An id for a request that brought none."""
    return secrets.token_hex(12)


def ask(
    known: Knowledge, user_id: str | None, user: Mapping[str, Any], context: Mapping[str, Any], variant: str | None
) -> Asker:
    """Read who asks. RequestError for a variant that is not configured."""
    if variant is not None and variant not in VARIANTS:
        raise RequestError(f"expected one of {', '.join(VARIANTS)}, got {variant!r}", "/variant")
    record, missing = None, ["batch_model", *(["stale_features"] if known.stale else [])]
    if user_id is not None:
        try:
            record = known.record(user_id)
        except OSError:
            missing.append("store")
        if record is None:
            missing.append("user_record")
    attributes = {**(record.attributes if record is not None else {}), **user}
    chosen = variant or variant_of(user_id, known.settings.variants)
    return Asker(user_id, record, attributes, context, chosen, known.now_ms(), missing)


def score(known: Knowledge, asker: Asker, anchors: Sequence[str], given: Mapping[str, dict[str, Any]]) -> Scored:
    """Score candidates. given: anchor → attribute values of the request that win over stored ones."""
    settings, view = known.settings, known.view
    with view.lock:
        places = view.places(anchors)
        anchor_part = view.values(places, asker.now_ms)
        words = [view.words(anchor) for anchor in anchors]
        last_ms = np.where(places >= 0, view.table.rows["last_ms"][places], 0)
    categories = [one.category for one in words]
    viewer = user_values(asker.record, asker.now_ms)
    user_part = np.broadcast_to(viewer, (len(anchors), len(viewer)))
    dense = np.concatenate(
        [anchor_part, user_part, pair_values(asker.record, anchors, categories, asker.now_ms)], axis=1
    )
    declared = settings.features.attributes
    tokens = [
        attribute_tokens(
            declared,
            {"user": asker.attributes, "anchor": one.described() | given.get(anchor, {}), "context": asker.context},
            one.category,
        )
        if declared else []
        for anchor, one in zip(anchors, words, strict=True)
    ]  # fmt: skip
    surface = asker.context.get("surface")
    rows = make_rows(settings.features, asker.now_ms, asker.user_id, anchors, categories, surface, dense, tokens)
    index, value = vectors(rows, None, settings.learner.slots_log2)
    with view.lock:
        p = sigmoid(known.weights.logits(index, value))
    fused = fuse(p, settings.labels.heads, settings.ranking.exponents)
    chosen = dense[:, _HEAT].astype(np.float64) if asker.variant == HEAT_ONLY else fused
    return Scored(list(anchors), chosen, p, rows, last_ms, given)


def heads_json(known: Knowledge, p: NDArray[np.float64]) -> dict[str, Any]:
    """One candidate's heads. p: [heads]."""
    return {
        head: {"p": float(one), "online": float(one), "batch": None}
        for head, one in zip(known.settings.labels.heads, p.tolist(), strict=True)
    }


def model_json(known: Knowledge, now_ms: int) -> dict[str, Any]:
    """Which models answered, and how old the weights are."""
    version = known.weights.version
    age = None if known.weights_ms is None else now_ms - known.weights_ms
    return {
        "online": None if version is None else f"{version[0]}.{version[1]}",
        "online_age_ms": age,
        "batch": None,
        "blend": "online",
    }


def explanations(known: Knowledge, asker: Asker, scored: Scored, head: str) -> list[list[dict[str, Any]]]:
    """Each candidate's contributions to a head's logit. RequestError where the model has none."""
    weights = known.weights
    if isinstance(weights, RiverScorer):
        raise RequestError(
            f"the configured model, {known.settings.learner.model}, has no weights to explain by", "/explain"
        )
    index, value = vectors(scored.rows, None, known.settings.learner.slots_log2)
    place = known.settings.labels.heads.index(head)
    with known.view.lock:
        added, bias = weights.contributions(index, value, place), weights.bias(place)
        words = [known.view.words(anchor) for anchor in scored.anchors]
    return [
        explain(added[k], bias, scored.rows[k]["dense"], _words(known, asker, scored, k, one.category, one.described()))
        for k, one in enumerate(words)
    ]


def _words(
    known: Knowledge, asker: Asker, scored: Scored, k: int, category: str | None, described: Mapping[str, Any]
) -> dict[str, str]:
    """What a candidate's tokens stand for, by column."""
    user, anchor, surface = str(asker.user_id), scored.anchors[k], str(asker.context.get("surface"))
    buckets = bucket_words(scored.rows[k])
    terms = attribute_terms(
        known.settings.features.attributes,
        {"user": asker.attributes, "anchor": {**described, **scored.given.get(anchor, {})}, "context": asker.context},
        category,
    )
    return {
        **buckets, "anchor": anchor, "user": user, "category": str(category), "surface": surface,
        "user×category": f"{user}, {category}", "user×anchor": f"{user}, {anchor}",
        "surface×position": f"{surface}, {buckets['position']}",
        **{f"{ATTRIBUTE}{n}": " × ".join(f"{name}={value}" for name, value in one) for n, (_, one) in enumerate(terms)},
    }  # fmt: skip


def logged(
    known: Knowledge, asker: Asker, request_id: str, scored: Scored, best: int, named: Sequence[str]
) -> tuple[int, bytes | None]:
    """(rows, message for `scored`): features as used of the best candidates and of those the app names.

    A guest's are not logged: nothing could be joined with them.
    """
    if asker.user_id is None:
        return 0, None
    order = np.argsort(-scored.score, kind="stable")[:best].tolist()
    wanted = set(named)
    chosen = list(dict.fromkeys([*order, *(k for k, anchor in enumerate(scored.anchors) if anchor in wanted)]))
    anchors, rows = [scored.anchors[k] for k in chosen], scored.rows[chosen].tobytes()
    if not chosen:
        return 0, None
    return len(chosen), encode(
        request_id, asker.user_id, asker.now_ms, asker.variant, known.config, known.events_offset, anchors, rows
    )
