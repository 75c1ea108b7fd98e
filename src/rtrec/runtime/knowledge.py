"""What a scoring process knows: anchors, users, control, weights, settings. Reads only.

Rules
-----
- Anchors are followed in memory (`follow`), or read on demand where nothing follows (a command on a folder).
- A user's record is one read of the store; an erasure counts from the moment its message is known, expiry by
  the users' own newest event time.
- When the store is away, what is known serves, and `degraded` says so: `stale` when following has not succeeded for
  `STALE_S`, judged when asked, for a call that hangs says nothing. While it is stale no request asks the store: they
  share one event loop, and each would hold it up for a timeout.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from rtrec.events.ids import hash_id
from rtrec.features import user_codec
from rtrec.features.heat_rules import heat_rules
from rtrec.features.user import UserRecord
from rtrec.learning.river_scorer import ModelUpdate, scorer_of
from rtrec.learning.weights import WeightsUpdate
from rtrec.ports import StateStore, StoreAway
from rtrec.ranking.eligibility import Room, matches
from rtrec.ranking.hot import hottest
from rtrec.ranking.recall import PER_SOURCE, newest_rooms
from rtrec.ranking.requests import Filter
from rtrec.runtime.anchor_view import AnchorView
from rtrec.runtime.folder import EVENTS
from rtrec.runtime.journey import CONTROL, HEAT, INGEST, PROFILE
from rtrec.runtime.pages import pages
from rtrec.runtime.partitioned import Partitioned
from rtrec.settings import Settings
from rtrec.stages import profile
from rtrec.stages.control import ControlState
from rtrec.stages.heat import newest_of
from rtrec.stages.heat_ranking import rank_scores

FOLLOWED_AT_ONCE: Final = 1_000
STALE_S: Final = 2.0
_END: Final = object()


def version_of(settings: Settings) -> str:
    """The configuration's version: what logged features name.

    >>> version_of(Settings()) == version_of(Settings()), len(version_of(Settings()))
    (True, 16)
    """
    return f"{hash_id(msgspec.json.encode(settings, order='sorted').decode()):016x}"


class Knowledge:
    """Committed state as requests need it. Safe for the event loop's thread and the host's."""

    def __init__(self, settings: Settings, store: StateStore, now_ms: Callable[[], int], partitions: int = 1) -> None:
        self.settings, self.config, self.now_ms = settings, version_of(settings), now_ms
        self._store, self._parts = store, Partitioned(store, partitions)
        self.view = AnchorView(heat_rules(settings.heat, settings.events, settings.features), partitions)
        self.weights = scorer_of(len(settings.labels.heads), settings.learner)
        self.weights_ms: int | None = None
        self.control = ControlState()
        self.control.load(store.scan(CONTROL))
        self.users_ms = [0] * partitions
        self.events_offset = 0
        self.followed = False
        self.followed_s: float | None = None
        """When the store was last known to be followed, by the monotonic clock; None where it need not be."""
        self.refresh_times()

    @property
    def stale(self) -> bool:
        """Whether what is known may be old."""
        return self.followed_s is not None and time.monotonic() - self.followed_s > STALE_S

    def _require_store(self) -> None:
        if self.stale:
            raise StoreAway("the store is away")

    def refresh_times(self) -> None:
        """Read the partitions' newest event times."""
        heat, users = self._parts.owners(HEAT.stage), self._parts.owners(PROFILE.stage)
        found = self._parts.get_many([(owner, ["meta"]) for owner in (*heat, *users)])
        for owner, (meta,) in zip((*heat, *users), found, strict=True):
            if meta is not None and owner.stage == HEAT.stage:
                self.view.apply({}, newest_of(meta), owner.partition)
            elif meta is not None:
                self.users_ms[owner.partition] = profile.decode_time(meta)

    def follow(self) -> None:
        """Take every anchor that is not idle into memory; from here on `view.apply` keeps them."""
        self.events_offset = self._store.offsets(INGEST).get(EVENTS, 0)
        for owner in self._parts.owners(HEAT.stage):
            for page in pages(self._store.scan(owner, "a/"), FOLLOWED_AT_ONCE):
                self.view.apply(page, 0, owner.partition)
                self.view.drop_idle()
            self.view.apply(self._store.scan(owner, "m/"), 0, owner.partition)
        self.followed = True

    def control_changed(self, messages: Sequence[bytes]) -> None:
        """Take control messages, in the order of their topic."""
        with self.view.lock:
            for message in messages:
                self.control.apply(message)

    def publish(self, update: WeightsUpdate | ModelUpdate) -> None:
        """Take new weights, or models, unless they are older than those held; requests are let in between slices."""
        steps, taken = self.weights.steps(update), True  # type: ignore[arg-type]  # the learner's kind is the scorer's
        while taken:
            with self.view.lock:
                taken = next(steps, _END) is not _END
                if taken:
                    self.weights_ms = self.now_ms()

    def change(self, settings: Settings) -> None:
        """Take settings that may change live."""
        with self.view.lock:
            self.settings, self.config = settings, version_of(settings)
            self.view.rules = heat_rules(settings.heat, settings.events, settings.features)

    def ensure(self, anchors: Sequence[str]) -> None:
        """Have these anchors' newest records at hand: followed already, or read now (idle ones, or all).

        Where anchors are followed and the store is away, what is known has to do.
        """
        asked = [one for one in anchors if not self.followed or one not in self.view.table.slots]
        try:
            if asked:
                self._require_store()
            for partition, records in self._parts.get(HEAT.stage, asked, "am"):
                self.view.apply(records, 0, partition)
        except OSError:
            if not self.followed:
                raise

    def record(self, user_id: str) -> UserRecord | None:
        """A user's record; None for one unknown, erased or expired."""
        self._require_store()
        owner = self._parts.owner(PROFILE.stage, user_id)
        stored = self._store.get(owner, [profile.user_key(user_id)])[0]
        if stored is None:
            return None
        record = user_codec.decode(stored)
        erased, newest_ms = self.control.erased.get(user_id, 0) > record.erased_ms, self.users_ms[owner.partition]
        return None if erased or user_codec.is_expired(record, newest_ms, self.settings.users) else record

    def rooms(self, anchors: Sequence[str], now_ms: int) -> list[Room]:
        """What eligibility needs of anchors."""
        view, control = self.view, self.control
        with view.lock:
            _, live = view.heats(view.places(anchors), now_ms)
            return [
                Room(anchor, one, view.words(anchor), control.anchor(anchor, now_ms))
                for anchor, one in zip(anchors, live.tolist(), strict=True)
            ]

    def newly_live(self, now_ms: int) -> list[str]:
        """Anchors whose room began lately and is live, newest first."""
        view = self.view
        with view.lock:
            fresh = newest_rooms(view.rows(), now_ms)
            _, live = view.heats(fresh, now_ms)
            return [view.table.names[place] for place in fresh[live].tolist()][:PER_SOURCE]

    def hottest(self, n: int, wanted: Filter, now_ms: int) -> list[tuple[str, float]]:
        """(anchor, heat) of the n hottest live, matching anchors that are not banned."""
        view, control = self.view, self.control

        def look(anchors: Sequence[str]) -> list[float | None]:
            self.ensure(anchors)
            with view.lock:
                heats, live = view.heats(view.places(anchors), now_ms)
                return [
                    heat
                    if alive and not control.anchor(anchor, now_ms).banned and matches(view.words(anchor), wanted)
                    else None
                    for anchor, heat, alive in zip(anchors, heats.tolist(), live.tolist(), strict=True)
                ]

        try:
            self._require_store()
            return hottest(self._parts.ranked(HEAT.stage), look, n)
        except OSError:
            if not self.followed:
                raise
            return hottest(iter([self._known()]), look, n)

    def _known(self) -> list[tuple[str, float]]:
        """Every anchor followed with its ranking score, in the ranking's order: for while the store is away."""
        with self.view.lock:
            scores = rank_scores(self.view.table.rows, np.arange(len(self.view.table)), self.view.rules).tolist()
            return sorted(zip(self.view.table.names, scores, strict=True), key=lambda one: (-one[1], one[0]))
