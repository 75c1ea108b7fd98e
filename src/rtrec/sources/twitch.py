"""Format `twitch`: the Twitch Science Team's scrubbed log of views and chats, merged by time (UTC).

Rules
-----
- At equal times: views, then chats, in file order. Before an anchor's first event stands its `live_start`,
  before a user's first event that names a country or a player a `user_profile`.
- The files know no rooms: one is opened for a day, and not renewed.
- Ids are by row of each file, so one file alone and the folder give a row the same id.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from rtrec.sources.source import SourceError
from rtrec.sources.tables import EventOut, MergedTables, encode_event, parse_column, read_rows

VIEWS_NAME: Final = "views_before_noon.csv"
CHATS_NAME: Final = "chats_before_noon.csv"
ROOM_LEASE_MS: Final = 86_400_000
_COLUMNS: Final = ("time", "device_id", "channel", "country", "player", "game")


class _Action(NamedTuple):
    """One row of either file."""

    ts_ms: int
    event_id: str
    type: str
    user: str
    anchor: str
    country: str
    player: str
    game: str


class TwitchSource(MergedTables):
    """The folder that holds both files, or one of them."""

    format = "twitch"

    def __init__(self, path: str) -> None:
        is_folder = os.path.isdir(path)
        files = [os.path.join(path, name) for name in (VIEWS_NAME, CHATS_NAME)] if is_folder else [path]
        self._files = [file for file in files if os.path.isfile(file)]
        if not self._files or os.path.basename(self._files[0]) not in (VIEWS_NAME, CHATS_NAME):
            raise SourceError(f"{path}: format twitch reads {VIEWS_NAME} and {CHATS_NAME}, or the folder of both")
        super().__init__(path, self._files[0])

    def events(self) -> Iterator[bytes]:
        """Every event as a line of JSON, in time order."""
        seen_anchors: set[str] = set()
        seen_users: set[str] = set()
        for action in sorted((one for file in self._files for one in _actions(file)), key=lambda one: one.ts_ms):
            if action.anchor not in seen_anchors:
                seen_anchors.add(action.anchor)
                yield encode_event(_live_start(action))
            if (action.country or action.player) and action.user not in seen_users:
                seen_users.add(action.user)
                yield encode_event(_user_profile(action))
            yield encode_event(_as_event(action))


def _actions(path: str) -> list[_Action]:
    rows = read_rows(path, _COLUMNS)
    times = parse_column(path, "time", _utc_ms, (row[0] for row in rows))
    prefix, kind = ("v", "view_start") if os.path.basename(path) == VIEWS_NAME else ("c", "comment")
    return [
        _Action(ts_ms, f"twitch-{prefix}{row}", kind, *rest)
        for row, (ts_ms, (_, *rest)) in enumerate(zip(times, rows, strict=True))
    ]


def _utc_ms(text: str) -> int:
    """`2015-01-01 00:00:06` in UTC as milliseconds since 1970.

    >>> _utc_ms("2015-01-01 00:00:06")
    1420070406000
    """
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


def _live_id(action: _Action) -> str:
    return f"twitch-{action.anchor}"


def _as_event(action: _Action) -> EventOut:
    return EventOut(action.event_id, action.type, action.ts_ms, action.anchor, action.user, _live_id(action))


def _live_start(action: _Action) -> EventOut:
    return EventOut(
        event_id=f"twitch-s-{action.anchor}",
        type="live_start",
        ts_ms=action.ts_ms,
        anchor_id=action.anchor,
        live_id=_live_id(action),
        category=action.game or None,
        lease_ms=ROOM_LEASE_MS,
    )


def _user_profile(action: _Action) -> EventOut:
    known = {"country": action.country, "player": action.player}
    return EventOut(
        event_id=f"twitch-u-{action.user}",
        type="user_profile",
        ts_ms=action.ts_ms,
        user_id=action.user,
        set={name: text for name, text in known.items() if text},
    )
