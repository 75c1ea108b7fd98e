"""PROFILE as a hop: events of users advance their records; with the rows of impressions they go on to LABEL.

Rules
-----
- Control is met before events. What an erasure takes is not passed on; LABEL, which meets the erasure itself, drops
  what came before it.
- So what it sends is a function of the log but around an erasure: a turn that is done again may leave out what was sent
  before. LABEL keeps the first; it can only concern events of more than a minute after the erasure.
- The same users' events go on in the same partition, so LABEL has one source.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from rtrec.events import anchor_chunk, user_chunk
from rtrec.events.user_chunk import UserChunk
from rtrec.events.user_events import UserEvent
from rtrec.features.user import UserRecord
from rtrec.settings import Settings
from rtrec.stages import control, profile
from rtrec.stages.hops.heat import USER_EVENTS
from rtrec.stages.hops.hop import Batch, HopTurn, Message
from rtrec.stages.messages import Record
from rtrec.stages.positions import KEY, Positions
from rtrec.stages.shadow import shadow_row

PROFILED: Final = "profiled"
CONTROL: Final = "control"


class ProfileHop:
    """One partition of users."""

    prefixes: tuple[str, ...] = (profile.ERASED_PREFIX, profile.META_KEY, KEY)

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings, self._partition = settings, partition
        self.state = profile.ProfileState(settings.users)
        self._positions = Positions()
        self._control: Sequence[Record] = ()
        self._chunk: UserChunk | None = None
        self._events: list[UserEvent] = []

    def load(self, items: Mapping[str, bytes]) -> None:
        """Take the partition's time, erasures and the positions met."""
        self.state.load_meta(items.items())
        self._positions.load(items.get(KEY))

    def prepare(self, batch: Batch) -> list[str]:
        """Read the chunks, without what was met before; the users they name."""
        parts = []
        for record in batch.get(USER_EVENTS, ()):
            source, chunk = user_chunk.decode(record.value)
            places = self._positions.fresh(source, chunk.columns["position"])
            if len(places):
                some = chunk if len(places) == len(chunk) else chunk.take(places)
                parts.append(some.placed(anchor_chunk.position_of(record.offset, places)))
        self._control = batch.get(CONTROL, ())
        self._chunk = UserChunk.joined(parts) if parts else None
        self._events = self._chunk.user_events() if self._chunk else []
        return profile.profile_needs(self.state, self._events)

    def turn(self, keys: Sequence[str], values: Sequence[bytes | None]) -> HopTurn:
        """Erase who is to be erased, then advance the users."""
        self.state.admit(keys, values)
        turn = HopTurn(events=len(self._events))
        for user_id, erased_ms in erasures(self._control):
            turn.add(profile.erase(self.state, user_id, erased_ms))
        effects, passed = profile.profile(self.state, self._events, self._row)
        turn.add(effects)
        if self._chunk is not None and passed:
            turn.messages = [self._hand_on(self._chunk, passed)]
        self._positions.write(turn.writes)
        return turn

    def outbox(self) -> list[Message]:
        """Its output is a pure function of the log."""
        return []

    def published(self) -> None:
        """There is no outbox."""

    def _row(self, record: UserRecord | None, event: UserEvent) -> bytes:
        return shadow_row(self._settings.features, record, event)

    def _hand_on(self, chunk: UserChunk, passed: Sequence[profile.Profiled]) -> Message:
        if len(passed) < len(chunk):
            kept = {id(one.event) for one in passed}
            chunk = chunk.take(np.flatnonzero([id(event) in kept for event in self._events]))
        rows = [one.row for one in passed if one.row is not None]
        value = user_chunk.encode(f"{USER_EVENTS}:{self._partition}", chunk.with_rows(rows))
        return Message(PROFILED, self._partition, value)


def erasures(records: Sequence[Record]) -> list[tuple[str, int]]:
    """(user, time) of the erasures among control messages."""
    found = map(control.decode, [record.value for record in records])
    return [(one.user_id, one.at_ms) for one in found if one.kind == "user_erase" and one.user_id is not None]
