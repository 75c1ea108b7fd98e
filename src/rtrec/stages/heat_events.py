"""What HEAT hands on: accepted events of users, with what only HEAT knew of the anchor as of just before."""

import numpy as np

from rtrec.events.columns import EventChunk
from rtrec.events.schema import GIFT, Event
from rtrec.events.user_events import UserEvent
from rtrec.features.anchor_meta import EMPTY, AnchorMeta
from rtrec.stages.heat import HeatResult, HeatState
from rtrec.stages.heat_kernel import ACCEPTED


def user_events(state: HeatState, chunk: EventChunk, result: HeatResult) -> list[UserEvent]:
    """Accepted events of users, in order; a reversal with its original's figures."""
    columns, outcomes = chunk.columns, result.outcomes
    places = np.flatnonzero((outcomes["status"] == ACCEPTED) & (columns["user"] != 0)).tolist()
    codes, times = columns["type"].tolist(), columns["ts_ms"].tolist()
    amounts, counts = columns["amount"].tolist(), columns["count"].tolist()
    category, rows = outcomes["category"].tolist(), outcomes["values"].tolist()
    names, events = state.categories, chunk.events
    found: list[UserEvent] = []
    for k in places:
        event, code = events[k], codes[k]
        if code == GIFT and event.reversal_of is not None:
            found.append(_reversal(state, event, int(outcomes["gift"][k]), names.get(category[k])))
            continue
        met = UserEvent(
            code, times[k], event.user_id, event.anchor_id or "", names.get(category[k]), event,  # type: ignore[arg-type]
            amounts[k] if code == GIFT else 0, counts[k],
        )  # fmt: skip
        if rows[k] >= 0:
            met.anchor_values = result.values[rows[k]].tobytes()
            met.anchor_attributes = _words_at(state, result, met.anchor_id, k).described()
        found.append(met)
    return found


def _reversal(state: HeatState, event: Event, row: int, category: str | None) -> UserEvent:
    gift = state.ledger[row]
    return UserEvent(
        GIFT, int(gift["ts_ms"]), state.ledger_users[row], str(event.anchor_id), category, event,
        int(gift["value"]), int(gift["count"]), True,
    )  # fmt: skip


def _words_at(state: HeatState, result: HeatResult, name: str, place: int) -> AnchorMeta:
    """An anchor's words as of just before the event at `place`."""
    for k, before in result.words.get(name, ()):
        if k >= place:
            return before
    return state.meta.get(name, EMPTY)
