"""What a scoring process knows: anchors, users, control, weights, settings. Reads only.

Rules
-----
- Anchors are followed in memory (`follow`), or read on demand where nothing follows (a command on a folder).
- A user's record is one read of the store; an erasure counts from the moment its message is known, expiry by
  the users' own newest event time.
- When the store is away, what is known serves, and `degraded` says so.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from rtrec.events.ids import hash_id
from rtrec.features import user_codec
from rtrec.features.heat_rules import heat_rules
from rtrec.features.user import UserRecord
from rtrec.learning.weights import ScorerWeights, WeightsUpdate
from rtrec.ports import StateStore
from rtrec.ranking.eligibility import Room, matches
from rtrec.ranking.hot import PAGE, hottest
from rtrec.ranking.recall import PER_SOURCE, newest_rooms
from rtrec.ranking.requests import Filter
from rtrec.runtime.anchor_view import AnchorView
from rtrec.runtime.folder import EVENTS
from rtrec.runtime.journey import CONTROL, HEAT, INGEST, PROFILE
from rtrec.runtime.pages import pages
from rtrec.settings import Settings
from rtrec.stages import profile
from rtrec.stages.control import ControlState
from rtrec.stages.heat import newest_of

FOLLOWED_AT_ONCE: Final = 1_000


def version_of(settings: Settings) -> str:
    """The configuration's version: what logged features name.

    >>> version_of(Settings()) == version_of(Settings()), len(version_of(Settings()))
    (True, 16)
    """
    return f"{hash_id(msgspec.json.encode(settings, order='sorted').decode()):016x}"


class Knowledge:
    """Committed state as requests need it. Safe for the event loop's thread and the host's."""

    def __init__(self, settings: Settings, store: StateStore, now_ms: Callable[[], int]) -> None:
        self.settings, self.config, self.now_ms = settings, version_of(settings), now_ms
        self._store = store
        self.view = AnchorView(heat_rules(settings.heat, settings.events, settings.features))
        self.weights = ScorerWeights(len(settings.labels.heads), settings.learner.slots_log2)
        self.weights_ms: int | None = None
        self.control = ControlState()
        self.control.load(store.scan(CONTROL))
        self.users_ms = self.events_offset = 0
        self.followed = False
        self.refresh_times()

    def refresh_times(self) -> None:
        """Read the partitions' newest event times."""
        heat, users = self._store.get(HEAT, ["meta"])[0], self._store.get(PROFILE, [profile.META_KEY])[0]
        if heat is not None:
            self.view.apply({}, newest_of(heat))
        if users is not None:
            self.users_ms = profile.decode_time(users)

    def follow(self) -> None:
        """Take every anchor that is not idle into memory; from here on `view.apply` keeps them."""
        self.events_offset = self._store.offsets(INGEST).get(EVENTS, 0)
        for page in pages(self._store.scan(HEAT, "a/"), FOLLOWED_AT_ONCE):
            self.view.apply(page, self.view.newest_ms)
            self.view.drop_idle()
        self.view.apply(self._store.scan(HEAT, "m/"), self.view.newest_ms)
        self.followed = True

    def control_changed(self, messages: Sequence[bytes]) -> None:
        """Take control messages, in the order of their topic."""
        with self.view.lock:
            for message in messages:
                self.control.apply(message)

    def publish(self, update: WeightsUpdate) -> None:
        """Take new weights unless they are older than those held."""
        with self.view.lock:
            if self.weights.apply(update):
                self.weights_ms = self.now_ms()

    def change(self, settings: Settings) -> None:
        """Take settings that may change live."""
        with self.view.lock:
            self.settings, self.config = settings, version_of(settings)
            self.view.rules = heat_rules(settings.heat, settings.events, settings.features)

    def ensure(self, anchors: Sequence[str]) -> None:
        """Have these anchors' newest records at hand: followed already, or read now (idle ones, or all)."""
        asked = [one for one in anchors if not self.followed or one not in self.view.table.slots]
        if asked:
            keys = [f"{kind}/{anchor}" for anchor in asked for kind in "am"]
            self.view.apply(zip(keys, self._store.get(HEAT, keys), strict=True), self.view.newest_ms)

    def record(self, user_id: str) -> UserRecord | None:
        """A user's record; None for one unknown, erased or expired."""
        stored = self._store.get(PROFILE, [profile.user_key(user_id)])[0]
        if stored is None:
            return None
        record = user_codec.decode(stored)
        erased = self.control.erased.get(user_id, 0) > record.erased_ms
        return None if erased or user_codec.is_expired(record, self.users_ms, self.settings.users) else record

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

        return hottest(self._pages(), look, n)

    def _pages(self) -> Iterator[list[tuple[str, float]]]:
        skip = 0
        while page := self._store.top(HEAT, PAGE, skip):
            yield page
            skip += len(page)
