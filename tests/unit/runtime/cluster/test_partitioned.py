"""A store of several partitions reads as one."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.events.ids import partition_of
from rtrec.ports import Owner
from rtrec.ranking import hot
from rtrec.runtime import partitioned
from rtrec.runtime.partitioned import Partitioned
from rtrec.stages.effects import Writes

WHOLE = Owner("whole", 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    database = Database.open(tmp_path / "rtrec.db")
    yield SqliteStore(database)
    database.close()


def write(store: SqliteStore, owner: Owner, ranks: dict[str, float], puts: dict[str, bytes] | None = None) -> None:
    writes = Writes(puts=dict(puts or {}), ranks=dict(ranks))
    store.commit(owner, store.acquire(owner).epoch, {}, writes)


@pytest.mark.parametrize("partitions", [1, 2, 8])
@pytest.mark.parametrize("anchors", [0, 1, 60, 700])
def test_rankings_of_several_owners_are_merged_as_if_they_were_one(
    store: SqliteStore, partitions: int, anchors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal scores stand by name, also across partitions; pages end where pages of one ranking end."""
    monkeypatch.setattr(partitioned, "PAGE", 50)
    rng = random.Random(anchors * partitions)
    scores = {f"a{number}": rng.choice([rng.uniform(-50, 50), 7.25, float("-inf")]) for number in range(anchors)}
    write(store, WHOLE, scores)
    for partition in range(partitions):
        mine = {name: score for name, score in scores.items() if partition_of(name, partitions) == partition}
        write(store, Owner("heat", partition), mine)
    pages = list(Partitioned(store, partitions).ranked("heat"))
    assert [one for page in pages for one in page] == store.top(WHOLE, 10_000)
    assert all(len(page) == 50 for page in pages[:-1])


def test_only_as_much_is_read_as_is_asked_for(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ten hottest of very many cost a page of each partition."""
    asked: list[int] = []
    for partition in range(4):
        write(store, Owner("heat", partition), {f"a{partition}.{n}": float(n) for n in range(3 * hot.PAGE)})
    top = store.top

    def counted(owner: Owner, limit: int, skip: int = 0) -> list[tuple[str, float]]:
        asked.append(skip)
        return top(owner, limit, skip)

    monkeypatch.setattr(store, "top", counted)
    first = next(Partitioned(store, 4).ranked("heat"))
    assert len(first) == hot.PAGE
    assert set(asked) == {0}


def test_records_are_got_from_the_partitions_that_hold_them(store: SqliteStore) -> None:
    names = [f"a{number}" for number in range(40)]
    known = Partitioned(store, 4)
    for owner in known.owners("heat"):
        mine = [name for name in names if known.owner("heat", name) == owner]
        write(store, owner, {}, {f"{kind}/{name}": f"{kind} {name}".encode() for name in mine for kind in "am"})
    found = known.get("heat", [*names, "nobody", names[0]], "am")
    assert [partition for partition, _ in found] == [0, 1, 2, 3]
    for partition, records in found:
        for key, value in records:
            kind, name = key.split("/")
            assert partition_of(name, 4) == partition
            assert value == (None if name == "nobody" else f"{kind} {name}".encode())
    keys = [key for _, records in found for key, _ in records]
    assert sorted(keys) == sorted(f"{kind}/{name}" for name in [*names, "nobody"] for kind in "am"), "each once"
    assert known.get("heat", [], "am") == []


def test_a_name_is_where_the_stages_put_it(store: SqliteStore) -> None:
    """One partitioner for all: an anchor's records are at the partition of `anchor_events` that its events go to."""
    known = Partitioned(store, 8)
    assert known.owner("heat", "a1") == Owner("heat", partition_of("a1", 8))
    assert [str(owner) for owner in known.owners("profile")] == [f"profile:{n}" for n in range(8)]
