"""Format `obp`: a log of the Open Bandit Dataset (Saito et al. 2021), rows of the Open Bandit Pipeline's CSV files.

Rules
-----
- A row is an `impression` of an item (the anchor), with the position and the propensity that the logging policy had;
  its request is the row's number in the file. A click is told `CLICK_AFTER_MS` later: the log has no time of its own
  for it, and a label that is known at once would be learned earlier than any live system could.
- Events are in time order (UTC), at equal times in the file's; ids are by file name and row, so that logs of two
  policies may be replayed into one folder.
- The log knows no user ids: a user is the hash of the four user features, so a busy one is many people.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from rtrec.events.ids import hash_id
from rtrec.sources.source import SourceError
from rtrec.sources.tables import EventOut, MergedTables, encode_event, parse_column, read_rows

CLICK_AFTER_MS: Final = 3_000
_USER_FEATURES: Final = tuple(f"user_feature_{k}" for k in range(4))
_COLUMNS: Final = ("timestamp", "item_id", "position", "click", "propensity_score", *_USER_FEATURES)


class ObpSource(MergedTables):
    """One log: a CSV file, plain, `.gz` or `.zst`."""

    format = "obp"

    def __init__(self, path: str) -> None:
        super().__init__(path, path)
        if not os.path.isfile(path):
            raise SourceError(f"{path}: no such file; format obp reads one log, such as random_men.csv.gz")

    def events(self) -> Iterator[bytes]:
        """Every event as a line of JSON, in time order."""
        timed = [event for row in self._rows() for event in row]
        timed.sort(key=lambda event: event.ts_ms)
        return map(encode_event, timed)

    def _rows(self) -> Iterator[tuple[EventOut, ...]]:
        """The impression of each row, with its click."""
        path = self.path
        rows = read_rows(path, _COLUMNS)
        times = parse_column(path, "timestamp", _utc_ms, (row[0] for row in rows))
        positions = parse_column(path, "position", int, (row[2] for row in rows))
        clicks = parse_column(path, "click", int, (row[3] for row in rows))
        propensities = parse_column(path, "propensity_score", float, (row[4] for row in rows))
        log = os.path.basename(path).split(".")[0]
        for number, (_, item, _, _, _, *features) in enumerate(rows):
            who = item, user_of(features), None, str(number)
            shown_ms = times[number]
            impression = EventOut(
                f"obp-{log}-i{number}", "impression", shown_ms, *who,
                position=positions[number], propensity=propensities[number],
            )  # fmt: skip
            if not clicks[number]:
                yield (impression,)
                continue
            yield impression, EventOut(f"obp-{log}-c{number}", "click", shown_ms + CLICK_AFTER_MS, *who)


def user_of(features: list[str]) -> str:
    """A user's id: the hash of the user features.

    >>> user_of(["a", "b", "c", "d"]) == user_of(["a", "b", "c", "e"])
    False
    """
    return f"{hash_id('|'.join(features)):016x}"


def _utc_ms(text: str) -> int:
    """`2019-11-24 00:03:13.442536+00:00` as milliseconds since 1970; without a zone it is UTC.

    >>> _utc_ms("2019-11-24 00:03:13.442536+00:00"), _utc_ms("2019-11-24 00:03:13.442536")
    (1574553793442, 1574553793442)
    """
    told = datetime.fromisoformat(text)
    aware = told if told.tzinfo is not None else datetime.fromisoformat(f"{text}+00:00")
    return int(aware.timestamp() * 1_000)
