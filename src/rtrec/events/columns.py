"""A chunk of events for one partition, in columns.

Rules
-----
- Events keep their order of arrival; `positions` grow strictly and are the source's offsets, so that a
  consumer can drop what it has seen event by event.
- Ids stand as dictionaries (`anchors`) or hashes; the decoded events stay beside the columns for what has
  no column (titles, attributes, reasons).
- `count` is what the event adds to its own counter: 0 for a follow taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtrec.events.ids import NO_ID, hash_id, hash_in
from rtrec.events.schema import FOLLOW, GIFT, LIKE, LIVE_HEARTBEAT, LIVE_START, TYPES, USER_PROFILE, Event

ABSENT = -1
"""In `amount`: the event does not say (viewers, lease)."""


COLUMNS: Final = np.dtype(
    [
        ("anchor", "i8"),  # place in `EventChunk.anchors`, -1 for an event of a user alone
        ("type", "i8"),  # code, `schema.TYPES`
        ("ts_ms", "i8"),
        ("key", "u8"),  # hash that a duplicate shares: event_id's, or a gift's (not a reversal's) txn_id's
        ("event", "u8"),  # hash of event_id
        ("user", "u8"),
        ("live", "u8"),
        ("amount", "i8"),  # gift value, watch_ms, viewers or lease_ms by type; ABSENT where not said
        ("count", "i8"),
        ("link", "u8"),  # a gift's `reversal_of` as an event id, a live_start's category
        ("link_txn", "u8"),  # `reversal_of` as a txn_id
        ("position", "i8"),  # the source's offset
    ]
)
Columns = NDArray[Any]
"""A structured array of `COLUMNS` rows, one an event: what kernels read. Absent hashes are 0."""


@dataclass(frozen=True, slots=True)
class EventChunk:
    """Events of one partition with their columns and the dictionary of their anchors."""

    events: list[Event]
    anchors: list[str]
    columns: Columns

    def __len__(self) -> int:
        return len(self.events)


def _amount(event: Event, code: int) -> int:
    if code == GIFT:
        return event.value or 0
    if code == LIVE_HEARTBEAT:
        return ABSENT if event.viewers is None else event.viewers
    if code == LIVE_START:
        return ABSENT if event.lease_ms is None else event.lease_ms
    return event.watch_ms or 0


def _count(event: Event, code: int) -> int:
    if code in {GIFT, LIKE}:
        return 1 if event.count is None else event.count
    return 0 if code == FOLLOW and event.on is False else 1


def make_chunk(events: Sequence[Event], positions: Sequence[int]) -> EventChunk:
    """Columns of decoded events.

    >>> from rtrec.events.codec import decode
    >>> e = decode(b'{"event_id":"e","type":"like","ts_ms":1700000000000,"anchor_id":"a","user_id":"u","count":3}')
    >>> make_chunk([e], [0]).columns["count"].tolist()
    [3]
    """
    n = len(events)
    codes = [TYPES[e.type].code for e in events]
    places: dict[str, int] = {}
    columns = np.zeros(n, COLUMNS)
    columns["anchor"] = [
        -1 if code == USER_PROFILE else places.setdefault(e.anchor_id, len(places))  # type: ignore[arg-type]
        for e, code in zip(events, codes, strict=True)
    ]
    columns["type"], columns["position"], columns["count"] = codes, positions, 1
    columns["ts_ms"] = [e.ts_ms for e in events]
    columns["event"] = columns["key"] = [hash_id(e.event_id) for e in events]  # type: ignore[arg-type]
    columns["user"] = [NO_ID if e.user_id is None else hash_id(e.user_id) for e in events]  # type: ignore[arg-type]
    columns["live"] = [NO_ID if e.live_id is None else hash_in("live", e.live_id) for e in events]  # type: ignore[arg-type]
    for k, (e, code) in enumerate(zip(events, codes, strict=True)):
        if code not in _PLAIN:
            _fill_details(columns[k], e, code)
    return EventChunk(list(events), list(places), columns)


def _fill_details(row: Any, event: Event, code: int) -> None:
    row["amount"], row["count"] = _amount(event, code), _count(event, code)
    if code == GIFT:
        if event.txn_id is not None and event.reversal_of is None:  # a refund may carry its gift's
            row["key"] = hash_in("txn", str(event.txn_id))
        if event.reversal_of is not None:
            row["link"], row["link_txn"] = hash_id(str(event.reversal_of)), hash_in("txn", str(event.reversal_of))
    elif code == LIVE_START and event.category is not None:
        row["link"] = hash_in("category", event.category)


_PLAIN = frozenset(
    TYPES[name].code
    for name in (
        "live_end",
        "impression",
        "click",
        "view_start",
        "comment",
        "share",
        "negative",
        "user_profile",
        "anchor_profile",
    )
)
"""Types whose event adds one and carries no amount."""
