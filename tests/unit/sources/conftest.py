"""Fixtures for sources: the real files where they are, and the promises that every source keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rtrec.events.codec import decode
from rtrec.events.schema import Event
from rtrec.sources.source import Source, SourceLine

SHARED_DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


@pytest.fixture
def real_data() -> Path:
    """The folder of real rows, which is no part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data (../shared/data beside the repository) is absent")
    return SHARED_DATA


@pytest.fixture
def read_all() -> Callable[[Source, int], list[SourceLine]]:
    """All lines of a source from a position on, its batches checked for size."""

    def read(source: Source, position: int = 0) -> list[SourceLine]:
        batches = list(source.read(position))
        assert all(1 <= len(batch) <= 5_000 for batch in batches)
        return [line for batch in batches for line in batch]

    return read


@pytest.fixture
def decode_all() -> Callable[[list[SourceLine]], list[Event]]:
    """Lines as events; none may be refused."""

    def decode_each(lines: list[SourceLine]) -> list[Event]:
        events = [decode(line.value) for line in lines]
        assert [event for event in events if not isinstance(event, Event)] == []
        return events  # type: ignore[return-value]

    return decode_each
