"""Events of users in columns: what HEAT hands on to PROFILE, and PROFILE to LABEL. In memory, and as a message.

Rules
-----
- In memory one chunk is a turn's; on a cluster a message holds its events for one partition of users
  (topics `user_events`, `profiled`), picked by `parted` without decoding them. Positions grow strictly.
- `facts` are a fixed number of bytes an impression: the anchor's values as of just before it when HEAT hands on,
  the whole feature row when PROFILE does.
- Texts that repeat stand once: anchors, categories, words (an anchor's described attributes), givers.
- A version stands first. What a newer release wrote is refused, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.events.lines import Lines
from rtrec.events.parted import Parts, by_target, one_part, renumber
from rtrec.events.rows import concatenated
from rtrec.events.schema import Attribute, Event
from rtrec.events.user_events import UserEvent

VERSION: Final = 1
ABSENT: Final = -1

USER_COLUMNS: Final = np.dtype(
    [
        ("position", "<i8"),
        ("ts_ms", "<i8"),
        ("user", "<u8"),  # hash
        ("value", "<i8"),  # of a gift; a reversal's: the original's
        ("count", "<i8"),
        ("anchor", "<i4"),  # places in the chunk's lists, ABSENT where there is none
        ("category", "<i4"),
        ("giver", "<i4"),  # of a reversal: the original's user
        ("words", "<i4"),
        ("facts", "<i4"),
        ("type", "u1"),
    ]
)
UserColumns = NDArray[Any]
"""A structured array of `USER_COLUMNS` rows."""


@dataclass(frozen=True, slots=True)
class UserChunk:
    """Accepted events of users, in order. facts: uint8 [impressions, width]."""

    columns: UserColumns
    events: Sequence[Event]
    facts: NDArray[np.uint8]
    anchors: list[str]
    categories: list[str]
    givers: list[str]
    words: list[dict[str, Attribute]]

    def __len__(self) -> int:
        return len(self.columns)

    def user_events(self) -> list[UserEvent]:
        """The events as PROFILE and LABEL meet them, impressions with the facts that HEAT knew."""
        columns = self.columns
        names = ("type", "ts_ms", "anchor", "category", "giver", "words", "facts", "value", "count")
        rows = zip(*(columns[name].tolist() for name in names), self.events, strict=True)
        anchors, categories = [*self.anchors, ""], [*self.categories, None]  # ABSENT finds the last
        facts, described = [one.tobytes() for one in self.facts], [*self.words, {}]
        found: list[UserEvent] = []
        for code, ts_ms, anchor, category, giver, words, fact, value, count, event in rows:
            reversal = giver != ABSENT
            user_id = self.givers[giver] if reversal else event.user_id
            met = UserEvent(code, ts_ms, user_id, anchors[anchor], categories[category], event, value, count, reversal)
            if fact != ABSENT:
                met.anchor_values = facts[fact]
                met.anchor_attributes = described[words]
            found.append(met)
        return found

    def profiled(self) -> list[tuple[UserEvent, bytes | None]]:
        """The events with the rows of impressions, where `facts` are rows."""
        events = self.user_events()
        return [(event, event.anchor_values) for event in events]

    def with_rows(self, rows: Sequence[bytes]) -> "UserChunk":
        """The same events with other facts: a row for each impression, in order."""
        columns = self.columns.copy()
        impressions = np.flatnonzero(columns["facts"] != ABSENT)
        columns["facts"][impressions] = np.arange(len(impressions))
        columns["words"] = ABSENT
        width = len(rows[0]) if rows else 0
        facts = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), width)
        return UserChunk(columns, self.events, facts, self.anchors, self.categories, self.givers, [])

    def placed(self, positions: NDArray[np.int64]) -> "UserChunk":
        """The same events at other positions."""
        columns = self.columns.copy()
        columns["position"] = positions
        return replace(self, columns=columns)

    @classmethod
    def joined(cls, parts: Sequence["UserChunk"]) -> "UserChunk":
        """Several chunks of lines, one after another; at least one."""
        if len(parts) == 1:
            return parts[0]
        columns = [part.columns.copy() for part in parts]
        lists: dict[str, list[Any]] = {name: [] for name in _LISTS}
        facts = 0
        for part, column in zip(parts, columns, strict=True):
            for name, field in _LISTS.items():
                _shift(column, name, len(lists[name]))
                lists[name] += getattr(part, field)
            _shift(column, "facts", facts)
            facts += len(part.facts)
        lines = Lines.joined([part.events for part in parts if isinstance(part.events, Lines)])
        known = [part.facts for part in parts if len(part.facts)]
        return cls(concatenated(columns), lines, np.concatenate(known) if known else _NO_FACTS, *lists.values())

    def take(self, places: NDArray[np.int64]) -> "UserChunk":
        """Some events, in that order, with just the texts that they name."""
        return self._parted(one_part(places))[0]

    def parted(self, target: NDArray[np.int64]) -> list[tuple[int, "UserChunk"]]:
        """The events of each target that has any, in order."""
        found = by_target(target)
        return list(zip(found.targets, self._parted(found), strict=True))

    def _parted(self, found: Parts) -> list["UserChunk"]:
        columns, slices = self.columns.take(found.order), found.slices()
        lists: list[list[list[Any]]] = []
        for name, field in _LISTS.items():
            columns[name], named = renumber(columns[name], found.borders, getattr(self, field))
            lists.append(named)
        picked = columns["facts"] != ABSENT
        facts, before = self.facts[columns["facts"][picked]], np.concatenate(([0], np.cumsum(picked)))
        begins = before[found.borders]
        columns["facts"][picked] = (before[:-1] - np.repeat(begins[:-1], np.diff(found.borders)))[picked]
        if isinstance(self.events, Lines):
            events: list[Any] = self.events.parted(found)
        else:
            events = [[self.events[place] for place in found.order[rows].tolist()] for rows in slices]
        return [
            UserChunk(columns[rows], events[k], facts[begins[k] : begins[k + 1]], *(named[k] for named in lists))
            for k, rows in enumerate(slices)
        ]


_LISTS: Final = {"anchor": "anchors", "category": "categories", "giver": "givers", "words": "words"}
"""Columns that hold places, and the chunk's lists they are places in, in the order of its fields."""


def _shift(columns: UserColumns, name: str, by: int) -> None:
    """Move the places of a column on, where there are any."""
    columns[name] = np.where(columns[name] == ABSENT, ABSENT, columns[name] + by)


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    version: int
    source: str
    columns: bytes
    blob: bytes
    ends: bytes
    anchors: list[str]
    categories: list[str]
    givers: list[str]
    words: list[dict[str, Attribute]]
    facts: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Stored).decode


def encode(source: str, chunk: UserChunk) -> bytes:
    """The message of a chunk whose events are `Lines`. source: whose positions they have, `topic:partition`."""
    lines = chunk.events
    if not isinstance(lines, Lines):
        raise TypeError("a chunk of decoded events has no stored form: its events must be lines")
    packed = lines.packed()
    return _encode(
        _Stored(
            VERSION, source, chunk.columns.tobytes(), packed.blob, packed.ends.astype("<u4").tobytes(), chunk.anchors,
            chunk.categories, chunk.givers, chunk.words, chunk.facts.tobytes(),
        )
    )  # fmt: skip


def decode(value: bytes) -> tuple[str, UserChunk]:
    """(source, chunk) of a message; ValueError for a version this code does not read."""
    stored = _decode(value)
    if stored.version != VERSION:
        msg = f"user_events: written in format {stored.version}, this rtrec reads {VERSION}; use a newer rtrec"
        raise ValueError(msg)
    columns = np.frombuffer(stored.columns, USER_COLUMNS)
    lines = Lines.packed_in(stored.blob, np.frombuffer(stored.ends, "<u4").astype(np.int64))
    impressions = int((columns["facts"] != ABSENT).sum())
    facts = np.frombuffer(stored.facts, np.uint8).reshape(impressions, -1) if impressions else _NO_FACTS
    chunk = UserChunk(columns, lines, facts, stored.anchors, stored.categories, stored.givers, stored.words)
    return stored.source, chunk


_NO_FACTS: Final = np.zeros((0, 0), np.uint8)
