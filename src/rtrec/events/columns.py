"""A chunk of events for one partition, in columns.

Rules
-----
- Events keep their order of arrival; `positions` grow strictly and are the source's offsets, so that a
  consumer can drop what it has seen event by event.
- Ids stand as dictionaries (`anchors`) or hashes; the decoded events stay beside the columns for what has
  no column (titles, attributes, reasons).
- `count` is what the event adds to its own counter: 0 for a follow taken back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtrec.events.ids import NO_ID, hash_id, hash_ids, hash_in
from rtrec.events.schema import (
    FOLLOW,
    GIFT,
    LIKE,
    LIVE_HEARTBEAT,
    LIVE_START,
    TYPES,
    USER_PROFILE,
    VIEW_END,
    VIEW_HEARTBEAT,
    Event,
)

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

    events: Sequence[Event]
    anchors: list[str]
    columns: Columns

    def __len__(self) -> int:
        return len(self.events)


def make_chunk(events: Sequence[Event], positions: Sequence[int]) -> EventChunk:
    """Columns of decoded events.

    >>> from rtrec.events.codec import decode
    >>> e = decode(b'{"event_id":"e","type":"like","ts_ms":1700000000000,"anchor_id":"a","user_id":"u","count":3}')
    >>> make_chunk([e], [0]).columns["count"].tolist()
    [3]
    """
    columns, anchors = columns_of(events, [TYPES[e.type].code for e in events], positions)
    return EventChunk(list(events), anchors, columns)


def columns_of(events: Sequence[Any], codes: ArrayLike, positions: ArrayLike) -> tuple[Columns, list[str]]:
    """(columns, anchors) of events, each an `Event` or a struct of its type (`narrow`). codes: their types'."""
    columns = np.zeros(len(events), COLUMNS)
    columns["type"], columns["position"], columns["count"] = codes, positions, 1
    names = [one.anchor_id for one in events]
    for place in np.flatnonzero(columns["type"] == USER_PROFILE).tolist():
        names[place] = None
    places = {name: place for place, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    columns["anchor"] = [*map({**places, None: -1}.__getitem__, names)]
    columns["ts_ms"] = [one.ts_ms for one in events]
    columns["event"] = columns["key"] = hash_ids([one.event_id for one in events])
    columns["user"] = hash_ids([one.user_id for one in events])
    columns["live"] = _hashes([one.live_id for one in events], partial(hash_in, "live"))
    for code, fill in _DETAILS.items():
        at = np.flatnonzero(columns["type"] == code)
        if len(at):
            fill(columns, at, [events[k] for k in at.tolist()])
    return columns, list(places)


def _hashes(ids: Sequence[str | None], hash_of: Callable[[str], int]) -> NDArray[np.uint64]:
    """The hash of each id, `NO_ID` where there is none; ids that repeat are hashed once."""
    known: dict[str | None, int] = {one: NO_ID if one is None else hash_of(one) for one in set(ids)}
    return np.fromiter(map(known.__getitem__, ids), np.uint64, len(ids))


def _or_absent(values: Iterable[int | None]) -> list[int]:
    return [ABSENT if value is None else value for value in values]


def _gifts(columns: Columns, at: NDArray[np.int64], gifts: list[Any]) -> None:
    columns["amount"][at] = [gift.value or 0 for gift in gifts]
    columns["count"][at] = [1 if gift.count is None else gift.count for gift in gifts]
    for k, gift in zip(at.tolist(), gifts, strict=True):
        if gift.reversal_of is not None:
            columns["link"][k] = hash_id(str(gift.reversal_of))
            columns["link_txn"][k] = hash_in("txn", str(gift.reversal_of))
        elif gift.txn_id is not None:  # of a gift alone: a refund may carry its gift's
            columns["key"][k] = hash_in("txn", str(gift.txn_id))


def _watches(columns: Columns, at: NDArray[np.int64], views: list[Any]) -> None:
    columns["amount"][at] = [view.watch_ms or 0 for view in views]


def _likes(columns: Columns, at: NDArray[np.int64], likes: list[Any]) -> None:
    columns["count"][at] = [1 if like.count is None else like.count for like in likes]


def _follows(columns: Columns, at: NDArray[np.int64], follows: list[Any]) -> None:
    columns["count"][at] = [0 if follow.on is False else 1 for follow in follows]


def _starts(columns: Columns, at: NDArray[np.int64], starts: list[Any]) -> None:
    columns["amount"][at] = _or_absent(start.lease_ms for start in starts)
    columns["link"][at] = _hashes([start.category for start in starts], partial(hash_in, "category"))


def _room_heartbeats(columns: Columns, at: NDArray[np.int64], heartbeats: list[Any]) -> None:
    columns["amount"][at] = _or_absent(heartbeat.viewers for heartbeat in heartbeats)


_DETAILS: Final[dict[int, Callable[[Columns, NDArray[np.int64], list[Any]], None]]] = {
    GIFT: _gifts, VIEW_HEARTBEAT: _watches, VIEW_END: _watches, LIKE: _likes, FOLLOW: _follows, LIVE_START: _starts,
    LIVE_HEARTBEAT: _room_heartbeats,
}  # fmt: skip
"""How the types fill their columns whose event does more than add one."""
