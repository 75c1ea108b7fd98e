"""What an event is: one table of types, one table of fields, and the struct they make.

Rules
-----
- `Event` bounds each field and `TYPES` says which fields a type must and may have; the fast decoder and the
  explaining one (`codec`) both read them, so that they cannot disagree. `FIELDS` words a field's bound.
- A field that a type does not list is kept out of state and is never an error.
- The code of a type (its place in `TYPES`) is stored in columns: the table is append-only.
"""

from enum import Enum
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

MAX_EVENT_BYTES = 65_536
MAX_ID_CHARS = 128
MAX_INT = 10**12
MIN_TS_MS = 10**11
MAX_TS_MS = 10**13
MAX_WATCH_MS = 86_400_000
MAX_TEXT_CHARS = 1_024
MAX_TAGS = 64
MAX_ATTRIBUTES = 64
MAX_FOLLOWS = 2_000


class Kind(Enum):
    """How a field is read and bounded."""

    ID = "a string of 1 to 128 characters or an integer"
    TEXT = "a string of at most 1024 characters"
    TIME = "milliseconds since 1970 from 10^11 to 10^13"
    INT = "an integer ≥ 0"
    WATCH = "an integer from 0 to 86400000"
    SHARE = "a number from 0 to 1"
    BOOL = "a boolean"
    TAGS = "a list of at most 64 strings"
    IDS = "a list of at most 2000 ids"
    ATTRIBUTES = "an object of at most 64 names, each a string, number, boolean or list of strings"
    NEGATIVE = "one of not_interested, block, report"


class EventType(NamedTuple):
    """A type's place in columns and the fields it must and may have, beside the envelope's."""

    code: int
    needs: tuple[str, ...]
    may: tuple[str, ...]


FIELDS: dict[str, Kind] = {
    "event_id": Kind.ID,
    "type": Kind.TEXT,
    "ts_ms": Kind.TIME,
    "anchor_id": Kind.ID,
    "user_id": Kind.ID,
    "live_id": Kind.ID,
    "request_id": Kind.ID,
    "surface": Kind.TEXT,
    "schema_version": Kind.INT,
    "category": Kind.TEXT,
    "title": Kind.TEXT,
    "tags": Kind.TAGS,
    "region": Kind.TEXT,
    "language": Kind.TEXT,
    "lease_ms": Kind.INT,
    "viewers": Kind.INT,
    "reason": Kind.TEXT,
    "position": Kind.INT,
    "propensity": Kind.SHARE,
    "view_id": Kind.ID,
    "watch_ms": Kind.WATCH,
    "total_ms": Kind.INT,
    "exit_reason": Kind.TEXT,
    "value": Kind.INT,
    "count": Kind.INT,
    "gift_id": Kind.ID,
    "combo_id": Kind.ID,
    "txn_id": Kind.ID,
    "reversal_of": Kind.ID,
    "length": Kind.INT,
    "on": Kind.BOOL,
    "channel": Kind.TEXT,
    "kind": Kind.NEGATIVE,
    "set": Kind.ATTRIBUTES,
    "follows": Kind.IDS,
}

ENVELOPE = ("event_id", "type", "ts_ms")
ENVELOPE_MAY = ("anchor_id", "user_id", "live_id", "request_id", "surface", "schema_version")
_ACTION = ("anchor_id", "user_id")
_ROOM = ("category", "title", "tags", "region", "language", "lease_ms")

TYPES: dict[str, EventType] = {
    name: EventType(code, needs, may)
    for code, (name, needs, may) in enumerate(
        [
            ("live_start", ("anchor_id",), _ROOM),
            ("live_heartbeat", ("anchor_id",), ("viewers",)),
            ("live_end", ("anchor_id",), ("reason",)),
            ("impression", _ACTION, ("position", "propensity")),
            ("click", _ACTION, ("position",)),
            ("view_start", _ACTION, ("view_id",)),
            ("view_heartbeat", (*_ACTION, "watch_ms"), ("view_id",)),
            ("view_end", (*_ACTION, "watch_ms"), ("total_ms", "exit_reason", "view_id")),
            ("gift", (*_ACTION, "value"), ("count", "gift_id", "combo_id", "txn_id", "reversal_of")),
            ("comment", _ACTION, ("length",)),
            ("like", _ACTION, ("count",)),
            ("follow", _ACTION, ("on",)),
            ("share", _ACTION, ("channel",)),
            ("negative", (*_ACTION, "kind"), ()),
            ("user_profile", ("user_id",), ("set", "follows")),
            ("anchor_profile", ("anchor_id",), ("set",)),
        ]
    )
}
"""Event types in the order of their codes. `gift.value` is not needed where `reversal_of` is given."""

TYPE_NAMES = tuple(TYPES)
CURRENT_MAJOR = 1
ACCEPTED_MAJORS = frozenset({CURRENT_MAJOR, CURRENT_MAJOR - 1})
"""`schema_version` majors that are read; absent means the current one."""

(
    LIVE_START,
    LIVE_HEARTBEAT,
    LIVE_END,
    IMPRESSION,
    CLICK,
    VIEW_START,
    VIEW_HEARTBEAT,
    VIEW_END,
    GIFT,
    COMMENT,
    LIKE,
    FOLLOW,
    SHARE,
    NEGATIVE,
    USER_PROFILE,
    ANCHOR_PROFILE,
) = range(16)

IdIn = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)] | int
Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
Int = Annotated[int, Meta(ge=0, le=MAX_INT)]
Time = Annotated[int, Meta(ge=MIN_TS_MS, le=MAX_TS_MS)]
Watch = Annotated[int, Meta(ge=0, le=MAX_WATCH_MS)]
Share = Annotated[float, Meta(ge=0, le=1)]
Tags = Annotated[list[Text], Meta(max_length=MAX_TAGS)]
IdsIn = Annotated[list[IdIn], Meta(max_length=MAX_FOLLOWS)]
Attribute = Text | float | bool | Tags
Attributes = Annotated[dict[Text, Attribute], Meta(max_length=MAX_ATTRIBUTES)]


class Event(msgspec.Struct, gc=False):
    """One event as a producer sent it, checked. Fields that its type does not list are None.

    Ids are strings once `codec` has handed the event out (an integer becomes its decimal string).
    """

    event_id: IdIn
    type: Text
    ts_ms: Time
    anchor_id: IdIn | None = None
    user_id: IdIn | None = None
    live_id: IdIn | None = None
    request_id: IdIn | None = None
    surface: Text | None = None
    schema_version: Int | None = None
    category: Text | None = None
    title: Text | None = None
    tags: Tags | None = None
    region: Text | None = None
    language: Text | None = None
    lease_ms: Int | None = None
    viewers: Int | None = None
    reason: Text | None = None
    position: Int | None = None
    propensity: Share | None = None
    view_id: IdIn | None = None
    watch_ms: Watch | None = None
    total_ms: Int | None = None
    exit_reason: Text | None = None
    value: Int | None = None
    count: Int | None = None
    gift_id: IdIn | None = None
    combo_id: IdIn | None = None
    txn_id: IdIn | None = None
    reversal_of: IdIn | None = None
    length: Int | None = None
    on: bool | None = None
    channel: Text | None = None
    kind: Text | None = None
    set: Attributes | None = None
    follows: IdsIn | None = None
