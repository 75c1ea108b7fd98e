"""What loaders of CSV tables share: rows with named columns, events as lines, positions that count events."""

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from operator import itemgetter
from typing import TypeVar

import msgspec

from rtrec.events.schema import Event
from rtrec.sources.files import head_of, open_bytes, shorter
from rtrec.sources.lines import bounded_line
from rtrec.sources.source import BATCH_LINES, SourceError, SourceLine

N = TypeVar("N", int, float)


class EventOut(Event, omit_defaults=True, gc=False):
    """An event to be written: fields that are None are left out."""


encode_event: Callable[[EventOut], bytes] = msgspec.json.Encoder().encode


def read_rows(path: str, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All rows of a CSV file, in file order, reduced to the named columns."""
    with open_bytes(path) as raw:
        reader = csv.reader(io.TextIOWrapper(raw, "utf-8-sig", newline=""))
        try:
            header = next(reader, [])
            missing = [name for name in columns if name not in header]
            if missing:
                raise SourceError(f"{path}: no column {', '.join(missing)}; is it the file this format reads?")
            return list(map(itemgetter(*map(header.index, columns)), filter(None, reader)))
        except (IndexError, csv.Error, UnicodeDecodeError) as error:
            raise SourceError(f"{path}: line {reader.line_num} is not a row of this table ({error}); mend it") from None


def parse_column(path: str, name: str, parse: Callable[[str], N], texts: Iterable[str]) -> list[N]:
    """One column as numbers (or times); SourceError names the first row that is none."""
    values: list[N] = []
    try:
        values.extend(map(parse, texts))
    except (ValueError, OverflowError) as error:
        raise SourceError(f"{path}: row {len(values)}, column {name}: {error}; mend that row") from None
    return values


class MergedTables(ABC):
    """A source whose events are merged from tables; a position is the number of events read.

    So a grown file goes on where it stopped as long as its new rows are later than those read before.

    path: what the position is kept under. head_path: the table whose beginning tells files apart.
    """

    format: str

    def __init__(self, path: str, head_path: str) -> None:
        self.path = os.path.abspath(path)
        self._head_path = os.path.abspath(head_path)

    @abstractmethod
    def events(self) -> Iterator[bytes]:
        """Every event as a line of JSON, in time order."""

    def head(self) -> tuple[int, str]:
        """How the first table begins now."""
        return head_of(self._head_path)

    def matches(self, head_length: int, head_sha256: str) -> bool:
        """Whether the first table's first `head_length` bytes still have this hash."""
        return head_of(self._head_path, head_length) == (head_length, head_sha256)

    def read(self, position: int) -> Iterator[list[SourceLine]]:
        """Batches of events from the one numbered `position` on."""
        events = self.events()
        skipped = sum(1 for _ in islice(events, position))
        if skipped < position:
            raise shorter(self.path, skipped, position, "events")
        while batch := list(map(bounded_line, islice(events, BATCH_LINES), count(position + 1))):
            position += len(batch)
            yield batch
