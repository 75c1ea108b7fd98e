"""A chunk of events for one partition, in columns.

Rules
-----
- Events keep their order of arrival; `positions` grow strictly and are the source's offsets, so that a
  consumer can drop what it has seen event by event.
- Ids stand as dictionaries (`anchors`) or hashes; the decoded events stay beside the columns for what has
  no column (titles, attributes, reasons).
- `count` is what the event adds to its own counter: 0 for a follow taken back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
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
class Details:
    """The fields that tell more of an event than that it was. without: the amount where the event does not say it.

    key: of the transaction whose hash duplicates share. link: of what the event points to.
    """

    amount: str | None = None
    without: int = 0
    count: str | None = None
    key: str | None = None
    link: str | None = None


DETAILS: Final = {
    GIFT: Details("value", count="count", key="txn_id", link="reversal_of"),
    VIEW_HEARTBEAT: Details("watch_ms"),
    VIEW_END: Details("watch_ms"),
    LIKE: Details(count="count"),
    FOLLOW: Details(count="on"),
    LIVE_START: Details("lease_ms", ABSENT, link="category"),
    LIVE_HEARTBEAT: Details("viewers", ABSENT),
}
"""By type. A `count` that is not said is 1."""


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
    for code, details in DETAILS.items():
        at = np.flatnonzero(columns["type"] == code)
        if len(at):
            some = [events[k] for k in at.tolist()]
            _amounts(columns, at, some, details)
            if code in _HASHES:
                _HASHES[code](columns, at, some)
    return columns, list(places)


def in_order(columns: Columns, anchors: Sequence[str]) -> list[str]:
    """Anchors as `columns_of` gives them, each where it is met first and none without events; their column follows.

    >>> columns = np.zeros(3, COLUMNS)
    >>> columns["anchor"] = [2, -1, 0]
    >>> in_order(columns, ["a", "b", "c"]), columns["anchor"].tolist()
    (['c', 'a'], [0, -1, 1])
    """
    count, numbers = len(columns), columns["anchor"]
    first = np.full(len(anchors) + 1, count)  # -1, an event of a user alone, finds the last place
    first[numbers[::-1]] = np.arange(count)[::-1]  # of rows with the same anchor the last that is written stays
    met = np.argsort(first[:-1], kind="stable")[: np.count_nonzero(first[:-1] < count)]
    places = np.full(len(first), -1, np.int64)
    places[met] = np.arange(len(met))
    columns["anchor"] = places[numbers]
    return [anchors[place] for place in met.tolist()]


def _hashes(ids: Sequence[str | None], hash_of: Callable[[str], int]) -> NDArray[np.uint64]:
    """The hash of each id, `NO_ID` where there is none; ids that repeat are hashed once."""
    known: dict[str | None, int] = {one: NO_ID if one is None else hash_of(one) for one in set(ids)}
    return np.fromiter(map(known.__getitem__, ids), np.uint64, len(ids))


def _amounts(columns: Columns, at: NDArray[np.int64], events: list[Any], details: Details) -> None:
    for column, name, without in (("amount", details.amount, details.without), ("count", details.count, 1)):
        if name is not None:
            values = map(attrgetter(name), events)
            columns[column][at] = [without if value is None else value for value in values]


def _gifts(columns: Columns, at: NDArray[np.int64], gifts: list[Any]) -> None:
    for k, gift in zip(at.tolist(), gifts, strict=True):
        if gift.reversal_of is not None:
            columns["link"][k] = hash_id(str(gift.reversal_of))
            columns["link_txn"][k] = hash_in("txn", str(gift.reversal_of))
        elif gift.txn_id is not None:  # of a gift alone: a refund may carry its gift's
            columns["key"][k] = hash_in("txn", str(gift.txn_id))


def _starts(columns: Columns, at: NDArray[np.int64], starts: list[Any]) -> None:
    columns["link"][at] = _hashes([start.category for start in starts], partial(hash_in, "category"))


_HASHES: Final[dict[int, Callable[[Columns, NDArray[np.int64], list[Any]], None]]] = {
    GIFT: _gifts, LIVE_START: _starts,
}  # fmt: skip
"""How the types fill their `key` and `link`."""
