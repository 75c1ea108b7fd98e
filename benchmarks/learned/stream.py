"""A simulated platform through every stage but LEARN, in memory: the examples it leaves, second by second.

Rules
-----
- A turn holds the events of `turn_s` seconds of event time: so it is known by when an example was decided. One second
  is a live host's pace; longer turns give the same examples, in the same order, for less.
- Events are appended when they happen.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.features.vector import ROW, Rows
from rtrec.ports import Owner
from rtrec.runtime.journey import Journey, Turn
from rtrec.settings import Settings
from rtrec.simulator.pace import Fields
from rtrec.stages.learn import ExampleChunk, encode_examples
from rtrec.stages.messages import Record

START_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Examples:
    """Examples in the order they were decided in; equally long columns, `rows` as `features.vector.ROW`.

    decided_s: the second of event time whose end the label was known by. head: place in `settings.HEADS`.
    """

    decided_s: NDArray[np.int64]
    rows: Rows
    head: NDArray[np.uint8]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    fake: NDArray[np.bool_]
    position: NDArray[np.int64]
    ts_ms: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.head)

    def where(self, part: NDArray[np.bool_]) -> "Examples":
        """Some of them, in the same order."""
        return Examples(*(getattr(self, one.name)[part] for one in fields(self)))

    def impressions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(each impression's first example, each example's impression); impressions in order of time."""
        key = np.empty(len(self), [("ts", "i8"), ("user", "u8"), ("anchor", "u8")])
        key["ts"], key["user"], key["anchor"] = self.ts_ms, self.rows["user"], self.rows["anchor"]
        _, first, of = np.unique(key, return_index=True, return_inverse=True)
        return first, of


def examples(events: Iterable[Fields], settings: Settings, turn_s: int = 30) -> Examples:
    """The examples that a platform's events become."""
    seconds, chunks = [], []
    for second, chunk in _chunks(events, settings, turn_s):
        seconds.append(np.full(len(chunk.heads), second, np.int64))
        chunks.append(chunk)
    joined = {
        name: b"".join([getattr(chunk, name) for chunk in chunks])
        for name in ("rows", "heads", "labels", "weights", "positions", "ts_ms")
    }
    return Examples(
        np.concatenate(seconds),
        np.frombuffer(joined["rows"], ROW),
        np.frombuffer(joined["heads"], np.uint8),
        np.frombuffer(joined["labels"], np.uint8).astype(np.float64),
        np.frombuffer(joined["weights"], np.float64),
        np.concatenate([chunk.fake() for chunk in chunks]),
        np.frombuffer(joined["positions"], np.int64),
        np.frombuffer(joined["ts_ms"], np.int64),
    )


def _chunks(events: Iterable[Fields], settings: Settings, turn_s: int) -> Iterator[tuple[int, ExampleChunk]]:
    """(last second of a turn, what was decided in it)."""
    store = _Store()
    journey, offset = Journey(settings, store.scan, store.get), 0
    for place, group in groupby(events, key=lambda event: int(str(event["ts_ms"])) // (1_000 * turn_s)):
        turn, records = Turn(), []
        for event in group:
            records.append(Record(offset, int(str(event["ts_ms"])), None, msgspec.json.encode(event), None))
            offset += 1
        journey.event_turn(records, "events", turn)
        store.keep(turn)
        if turn.examples:
            yield (place + 1) * turn_s - 1, msgspec.msgpack.decode(encode_examples(turn.examples), type=ExampleChunk)


class _Store:
    """What stages have written; they ask for what they have let go of."""

    def __init__(self) -> None:
        self._records: dict[Owner, dict[str, bytes]] = defaultdict(dict)

    def get(self, owner: Owner, keys: Sequence[str]) -> list[bytes | None]:
        return [self._records[owner].get(key) for key in keys]

    def scan(self, owner: Owner, prefix: str) -> Iterable[tuple[str, bytes]]:
        return [item for item in self._records[owner].items() if item[0].startswith(prefix)]

    def keep(self, turn: Turn) -> None:
        for owner, writes in turn.writes.items():
            for key, value in writes.puts.items():
                if value is None:
                    self._records[owner].pop(key, None)
                else:
                    self._records[owner][key] = value
