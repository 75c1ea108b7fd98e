"""Serving: the routes' answers, and what apps may change.

Rules
-----
- Nothing here waits for a stage: bans and erasures hold from the moment their message is durable.
- A missing part degrades the answer and is named in `degraded`; it never fails it.
- Features as used are queued for the topic `scored` as (user, message), bounded and counted when dropped; the host
  appends them.
- The same request_id answers alike and logs once, while it is among the newest `REMEMBERED_REQUESTS`.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from rtrec.features import user_codec
from rtrec.features.anchor_json import anchor_json
from rtrec.features.table import FEATURE_SET
from rtrec.learning.breaker import Tripped
from rtrec.ranking import cursor, eligibility, recall
from rtrec.ranking.errors import RequestError
from rtrec.ranking.requests import Answer, Candidate, Filter, RecommendRequest, ScoreRequest
from rtrec.runtime import scoring
from rtrec.runtime.group_commit import GroupCommit
from rtrec.runtime.knowledge import Knowledge
from rtrec.runtime.naming import named
from rtrec.runtime.scoring import Asker, Scored
from rtrec.stages import control
from rtrec.stages.publishing import shown


class Report(Protocol):
    """Progressive figures of now, computed when they are asked for."""

    def __call__(self, *, slices: bool) -> Answer:
        """In the shape of `rtrec evaluate`; with those of every slice, or without."""


MAX_QUEUED: Final = 2_000
REMEMBERED_REQUESTS: Final = 1_000
"""Answers kept for a retry that brings the same request_id, as JSON: 40 MB at 200 candidates each."""
ALL: Final = 1_000_000
NO_FILTER: Final = Filter()


class Serving:
    """Answers for one process.

    append: (topic, key, value) to the log, durable when it returns; events: raw events likewise.
    """

    def __init__(
        self, known: Knowledge, append: Callable[[str, bytes, bytes], object], events: Callable[[list[bytes]], object]
    ) -> None:
        self.known = known
        self.counts: Counter[str] = Counter()
        self.queue: deque[tuple[str, bytes]] = deque()
        self._append, self._events = append, GroupCommit(events)
        self._answers: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self.figures: Answer = {}
        self.progress: Report = lambda *, slices: {"heads": {}}  # noqa: ARG005 - nothing is sliced
        self.breaker: Answer = shown(None)
        self.reasons: list[str] = ["starting"]

    # Reads

    def anchor(self, anchor_id: str, at_ms: int | None = None) -> Answer | None:
        """`GET /v1/anchors/{id}`; None for an unknown one."""
        known = self.known
        known.ensure([anchor_id])
        with known.view.lock:
            place = known.view.table.slots.get(anchor_id)
            if place is None:
                return None
            row = known.view.table.rows[place : place + 1].copy()
            words, rules, newest = known.view.words(anchor_id), known.view.rules, known.view.newest_ms(anchor_id)
        answer = anchor_json(anchor_id, row, words, rules, known.now_ms() if at_ms is None else at_ms, newest)
        state = known.control.anchor(anchor_id, answer["as_of_ms"])
        answer["state"] = {"banned": state.banned, "mode": state.mode, **msgspec.to_builtins(state)}
        answer["live"] = answer["live"] and not state.banned
        if answer["live"]:
            order = [anchor for anchor, _ in known.hottest(ALL, NO_FILTER, answer["as_of_ms"])]
            answer["heat"]["rank"] = order.index(anchor_id) + 1 if anchor_id in order else None
        return answer

    def user(self, user_id: str, now_ms: int | None = None) -> Answer | None:
        """`GET /v1/users/{id}`; None for one unknown, erased or expired."""
        record = self.known.record(user_id)
        return None if record is None else user_codec.as_json(record, user_id, now_ms or self.known.now_ms())

    def hot(
        self, n: int, category: str | None = None, region: str | None = None, language: str | None = None,
        at_ms: int | None = None,
    ) -> Answer:  # fmt: skip
        """`GET /v1/hot`: live anchors, highest heat first, ties by anchor_id."""
        known = self.known
        now = known.now_ms() if at_ms is None else at_ms
        found = known.hottest(n, Filter(category, region, language), now)
        with known.view.lock:
            values = known.view.values(known.view.places([anchor for anchor, _ in found]), now)
            words = [known.view.words(anchor) for anchor, _ in found]
        anchors = [
            {
                "anchor_id": anchor,
                "live_id": one.live_id,
                "category": one.category,
                "heat": heat,
                "viewers": round(people),
            }
            for (anchor, heat), one, people in zip(
                found, words, np.expm1(values[:, 1].astype(float)).tolist(), strict=True
            )
        ]
        return {"as_of_ms": now, "anchors": anchors}

    # Ranking

    def score(self, request: ScoreRequest) -> Answer:
        """`POST /v1/score`, in the order asked. RequestError for duplicate candidates, an unknown variant or head."""
        return self._once("score", request.request_id, lambda request_id: self._score(request, request_id))

    def recommend(self, request: RecommendRequest) -> Answer:
        """`POST /v1/recommend`: live and eligible anchors, best first; later pages repeat nothing."""
        return self._once("recommend", request.request_id, lambda request_id: self._recommend(request, request_id))

    def _once(self, route: str, request_id: str | None, make: Callable[[str], Answer]) -> Answer:
        if request_id is None:
            return make(scoring.new_request_id())
        remembered = self._answers.get((route, request_id))
        if remembered is not None:
            return msgspec.json.decode(remembered, type=Answer)
        answer = make(request_id)
        self._answers[route, request_id] = msgspec.json.encode(answer)
        while len(self._answers) > REMEMBERED_REQUESTS:
            self._answers.popitem(last=False)
        return answer

    def _score(self, request: ScoreRequest, request_id: str) -> Answer:
        candidates = [Candidate(one) if isinstance(one, str) else one for one in request.candidates]
        anchors = [one.anchor_id for one in candidates]
        if len(set(anchors)) < len(anchors):
            twice = next(k for k, anchor in enumerate(anchors) if anchor in anchors[:k])
            raise RequestError(f"{anchors[twice]!r} stands twice", f"/candidates/{twice}")
        head = self._explained(request.explain)
        asker = scoring.ask(self.known, request.user_id, request.user, request.context, request.variant)
        given = {one.anchor_id: one.features for one in candidates if one.features}
        scored = scoring.score(self.known, asker, anchors, given)
        self._log(asker, request_id, scored, self.known.settings.ranking.logged_candidates, request.log)
        why = scoring.explanations(self.known, asker, scored, head) if head else None
        refused = self._refusals(anchors, asker)
        scores = [
            {
                "anchor_id": anchor,
                "score": float(scored.score[k]),
                "heads": scoring.heads_json(self.known, scored.p[k]),
                "live": "not_live" not in refused[k] and "banned" not in refused[k],
                "eligible": not refused[k],
                "feature_age_ms": int(asker.now_ms - scored.last_ms[k]) if scored.last_ms[k] else None,
                **({"explanation": why[k]} if why else {}),
            }
            for k, anchor in enumerate(anchors)
        ]
        return self._envelope(asker, request_id) | {"feature_set": FEATURE_SET, "scores": scores}

    def _recommend(self, request: RecommendRequest, request_id: str) -> Answer:
        shown = cursor.decode(request.cursor)
        asker = scoring.ask(self.known, request.user_id, request.user, request.context, request.variant)
        hidden = set(request.exclude)
        sources = {
            anchor: source
            for anchor, source in self._recall(request, asker).items()
            if anchor not in hidden and cursor.short_hash(anchor) not in shown
        }
        anchors = self._eligible(list(sources), asker, request.filter)
        scored = scoring.score(self.known, asker, anchors, {})
        order = np.argsort(-scored.score, kind="stable")[: request.n].tolist()
        page = [anchors[k] for k in order]
        allowed = set(self._eligible(page, asker, request.filter))  # again: a ban may have come meanwhile
        self._log(asker, request_id, scored, request.n, ())
        items = [
            {
                "anchor_id": anchors[k],
                "live_id": self.known.view.words(anchors[k]).live_id,
                "score": float(scored.score[k]),
                "heads": scoring.heads_json(self.known, scored.p[k]),
                "source": sources[anchors[k]],
                "rules": [],
            }
            for k in order
            if anchors[k] in allowed
        ]
        left = len(anchors) > len(order)
        following = cursor.encode(shown | {cursor.short_hash(anchor) for anchor in page}) if left else None
        return self._envelope(asker, request_id) | {"items": items, "next_cursor": following}

    def _recall(self, request: RecommendRequest, asker: Asker) -> dict[str, str]:
        """Candidates under their sources: the app's own, whom the user knows, anchors with heat, rooms that are new."""
        record, known = asker.record, self.known
        new = known.newly_live(asker.now_ms)
        hottest = known.hottest(recall.PER_SOURCE, request.filter, asker.now_ms)
        hot = [anchor for anchor, heat in hottest if heat > 0.0]
        followed = list(record.follows) if record is not None else []
        familiar = list(record.familiarity) if record is not None else []
        return recall.merge([
            ("app", request.candidates), ("followed", followed[-recall.PER_SOURCE :]),
            ("familiar", familiar[-recall.PER_SOURCE :]), ("hot", hot), ("new", new),
        ])  # fmt: skip

    def _eligible(self, anchors: Sequence[str], asker: Asker, wanted: Filter) -> list[str]:
        refused = self._refusals(anchors, asker)
        return [
            anchor
            for anchor, why in zip(anchors, refused, strict=True)
            if not why and eligibility.matches(self.known.view.words(anchor), wanted)
        ]

    def _refusals(self, anchors: Sequence[str], asker: Asker) -> list[list[str]]:
        viewer = asker.viewer
        return [eligibility.refusals(room, viewer) for room in self.known.rooms(anchors, self.known.now_ms())]

    def _explained(self, wanted: bool | str) -> str | None:  # noqa: FBT001 - the contract's own type
        heads = self.known.settings.labels.heads
        if isinstance(wanted, bool):
            return heads[0] if wanted else None
        if wanted not in heads:
            raise RequestError(f"expected one of {', '.join(heads)}, got {wanted!r}", "/explain")
        return wanted

    def _envelope(self, asker: Asker, request_id: str) -> Answer:
        return {
            "request_id": request_id, "as_of_ms": asker.now_ms, "variant": asker.variant,
            "model": scoring.model_json(self.known, asker.now_ms), "degraded": asker.degraded,
        }  # fmt: skip

    def _log(self, asker: Asker, request_id: str, scored: Scored, best: int, named: Sequence[str]) -> None:
        rows, message = scoring.logged(self.known, asker, request_id, scored, best, named)
        full = len(self.queue) >= MAX_QUEUED
        self.counts["dropped" if full else "logged"] += rows
        if message is not None and not full:
            self.queue.append((str(asker.user_id), message))

    # Changes

    def accept(self, events: list[bytes]) -> None:
        """Append valid events' JSON; durable when it returns. Blocks for an fsync shared with other callers."""
        if events:
            self._events.add(events)

    def set_anchor_state(self, anchor_id: str, change: Mapping[str, object]) -> None:
        """Change what operators say of an anchor; only the given fields. Holds here as soon as it is durable."""
        now = self.known.now_ms()
        state = control.changed(self.known.control.anchor(anchor_id, now), change)
        self._control(*control.anchor_state_message(anchor_id, state, now))

    def erase_user(self, user_id: str) -> None:
        """Erase a user as of now; durable when it returns, and not found from then on."""
        self._control(*control.erase_message(user_id, self.known.now_ms()))

    def _control(self, key: bytes, value: bytes) -> None:
        self._append("control", key, value)
        self.known.control_changed([value])

    # State of the process

    def ready(self) -> list[str]:
        """Why requests should go elsewhere; [] when they should come."""
        return list(self.reasons)

    def alarms(self) -> list[str]:
        """What is wrong though requests can be answered."""
        return [
            f"breaker: {msgspec.convert(one, Tripped)}: weights are not published, the last good ones serve"
            for one in self.breaker["tripped"]
        ]

    def models(self) -> Answer:
        """The models that serve, and how they do: `figures` is what the host last published of the learner."""
        model: dict[str, Any] = scoring.model_json(self.known, self.known.now_ms())
        online = {"version": model["online"], "age_ms": model["online_age_ms"]}
        progress = named(self.progress(slices=True), self.known.view.categories())
        return {"online": online, "batch": None, "breaker": self.breaker, "progress": progress, **self.figures}
