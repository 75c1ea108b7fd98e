"""Positions reached in sources."""

from pathlib import Path

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_sources import SourcePosition, SourcePositions


def test_a_position_is_kept_by_format_and_path_and_replaced(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "rtrec.db")
    sources = SourcePositions(database)
    assert sources.get("events", "/a") is None
    sources.put("events", "/a", SourcePosition(10, "aa", 1))
    sources.put("gdq", "/a", SourcePosition(20, "bb", 2))
    sources.put("events", "/a", SourcePosition(65_536, "cc", 2**40))
    database.close()
    database = Database.open(tmp_path / "rtrec.db")
    sources = SourcePositions(database)
    assert sources.get("events", "/a") == SourcePosition(65_536, "cc", 2**40)
    assert sources.get("gdq", "/a") == SourcePosition(20, "bb", 2)
    assert sources.get("gdq", "/b") is None
    database.close()
