"""What only the SQLite adapter promises; the port's promises are in `tests/contract`."""

from pathlib import Path

import pytest

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_store import GET_KEYS, SqliteStore
from rtrec.ports import Owner
from rtrec.stages.effects import Writes

OWNER, OTHER = Owner("profile", 0), Owner("profile", 1)


@pytest.mark.parametrize("asked", [0, 1, GET_KEYS - 1, GET_KEYS, GET_KEYS + 1, 2 * GET_KEYS + 1])
def test_however_many_keys_are_asked_their_values_come_in_their_order(tmp_path: Path, asked: int) -> None:
    """Absent keys, keys of another owner and a key asked twice, in one statement or over several."""
    database = Database.open(tmp_path / "data.db", durable=False)
    store = SqliteStore(database)
    stored = {f"u/{k}": b"%d" % k for k in range(0, 2 * GET_KEYS, 2)}
    store.commit(OWNER, store.acquire(OWNER).epoch, {}, Writes(puts=dict(stored)))
    store.commit(OTHER, store.acquire(OTHER).epoch, {}, Writes(puts={"u/1": b"another's"}))
    keys = [f"u/{k}" for k in reversed(range(asked))] + ["u/0"] * min(asked, 1)
    assert store.get(OWNER, keys) == [stored.get(key) for key in keys]
    database.close()
