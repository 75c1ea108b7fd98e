"""The archive: files of committed examples, each row once, whoever dies or wakes up where."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.features.table import DENSE
from rtrec.features.vector import ROW
from rtrec.ports import StoreAway
from rtrec.runtime.cluster.archive_worker import OWNER, ArchiveWorker, StrangeArchive
from rtrec.runtime.cluster.worker import Fenced
from rtrec.settings import HEADS, Settings
from rtrec.settings_cluster import Archive, Cluster
from rtrec.stages.archive import columns_of
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.learn import ExampleChunk
from rtrec.stages.messages import Record
from tests.unit.runtime.cluster.examples import message, messages
from tests.unit.runtime.cluster.rig import Rig, until

NAMESPACE = "blue-"


@pytest.fixture
def archive(rig: Rig, tmp_path: Path) -> Path:
    """The archive's folder."""
    rig.settings = Settings(
        archive=Archive(url=str(tmp_path / "archive"), flush_ms=3_600_000, flush_messages=1_000),
        cluster=Cluster(namespace=NAMESPACE),
    )
    return tmp_path / "archive" / NAMESPACE / "examples"


def rows(archive: Path) -> list[dict[str, Any]]:
    """Every row that a reader of the archive finds, day by day, file by file."""
    return [row for file in sorted(archive.glob("day=*/*.parquet")) for row in table(file).to_pylist()]


def table(file: Path) -> Any:
    return pq.read_table(file, partitioning=None)


def expected(records: list[Record]) -> list[dict[str, Any]]:
    columns = columns_of([record.value for record in records])
    return [{name: values[k].tolist() for name, values in columns.items()} for k in range(len(columns["head"]))]


def names(archive: Path) -> list[str]:
    return sorted(str(file.relative_to(archive)) for file in archive.rglob("*") if file.is_file())


async def taken(rig: Rig, records: list[Record]) -> ArchiveWorker:
    """A worker that has taken its owner over, and records."""
    worker = ArchiveWorker(0, 0, rig.io)
    await worker.take_over()
    await worker.turn(records)
    return worker


def test_every_example_becomes_a_row_with_its_features_in_the_file_of_its_day(rig: Rig, archive: Path) -> None:
    """Whoever reads Parquet reads it: here pyarrow, the columns by their names."""
    records = messages(0, 5)

    async def run() -> None:
        await (await taken(rig, records))._write()

    asyncio.run(run())
    assert names(archive) == [
        f"day=2024-04-0{day}/0000000000000000-0000000000000005.parquet" for day in (6, 7, 8)
    ]  # fmt: skip
    assert rows(archive) == expected(records)
    whole = table(archive)
    assert [column for column in whole.column_names if column in {one.name for one in DENSE}] == [
        one.name for one in DENSE
    ]
    assert set(ROW.names or ()) - {"dense"} < set(whole.column_names)
    chunk = msgspec.msgpack.decode(records[0].value, type=ExampleChunk)
    first = np.frombuffer(chunk.rows, ROW)[0]
    assert rows(archive)[0]["head"] == HEADS[chunk.heads[0]]
    assert rows(archive)[0]["anchor"] == int(first["anchor"])
    assert rows(archive)[0][DENSE[0].name] == float(first["dense"][0])


def test_it_writes_when_enough_waits_or_when_it_is_time(rig: Rig, archive: Path) -> None:
    rig.settings = msgspec.structs.replace(
        rig.settings, archive=msgspec.structs.replace(rig.settings.archive, flush_messages=3)
    )

    async def run() -> None:
        worker = await taken(rig, messages(0, 2))
        await worker.idle()
        assert not names(archive)
        await worker.turn(messages(2, 3))
        await worker.idle()
        assert rows(archive) == expected(messages(0, 3))
        await worker.turn(messages(3, 4))
        await worker.idle()
        assert rows(archive) == expected(messages(0, 3))
        worker._written_s -= 3_600.0
        await worker.idle()

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 4))


def test_a_repeated_message_and_one_ahead_of_its_turn_are_passed_over(rig: Rig, archive: Path) -> None:
    """An outbox that sends again: of each owner the next number, and no other; also by the next worker."""
    first, second = messages(0, 2), messages(0, 3, owner=1)
    sent = [*first, second[0], first[0], second[2], second[1], second[2]]
    on_topic = [record._replace(offset=offset) for offset, record in enumerate(sent)]
    again = [record._replace(offset=7 + n) for n, record in enumerate([second[1], *messages(2, 3)])]

    async def run() -> None:
        await (await taken(rig, on_topic))._write()
        await (await taken(rig, again))._write()

    asyncio.run(run())
    wanted = [*first, *second, *messages(2, 3)]
    assert sorted(map(str, rows(archive))) == sorted(map(str, expected(wanted)))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_dies_around_its_commit_leaves_each_row_once(rig: Rig, archive: Path, when: str) -> None:
    """Killed when the files are written and the commit is not done, or is done and they have no names yet."""

    async def run() -> None:
        await (await taken(rig, messages(0, 2)))._write()
        worker = await taken(rig, messages(2, 5))
        rig.store.faults.append(when)
        with pytest.raises(StoreAway):
            await worker._write()
        assert rows(archive) == expected(messages(0, 2)), "what is not known to be committed is not to be seen"
        heir = await taken(rig, [])
        assert not [name for name in names(archive) if name.endswith(".partial")]
        stands = SqliteStore.offsets(rig.store, OWNER)[EXAMPLES]
        assert stands == {"before": 2, "after": 5}[when]
        assert rows(archive) == expected(messages(0, stands))
        await heir.turn(messages(stands, 7))
        await heir._write()

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 7))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_of_which_nobody_knows_is_tried_again_as_it_was(rig: Rig, archive: Path, when: str) -> None:
    """The same process goes on when the store is back; what came meanwhile is the next file."""

    async def run() -> None:
        worker = await taken(rig, messages(0, 2))
        rig.store.faults.append(when)
        worker._written_s -= 3_600.0
        await worker.idle()
        assert str(worker.trouble).startswith("redis at x")
        await worker.turn(messages(2, 4))
        worker._written_s -= 3_600.0
        await worker.idle()
        assert str(worker.trouble) == "None"
        await worker._write()

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 4))
    assert {name.rsplit("/", 1)[-1] for name in names(archive)} == {
        "0000000000000000-0000000000000002.parquet", "0000000000000002-0000000000000004.parquet"
    }  # fmt: skip


def test_a_zombie_leaves_nothing_behind(rig: Rig, archive: Path) -> None:
    """It wakes up with messages that its successor has written, and writes them: nobody sees its file."""

    async def run() -> None:
        zombie = await taken(rig, messages(0, 2))
        await (await taken(rig, messages(0, 5)))._write()
        with pytest.raises(Fenced):
            await zombie._write()
        assert rows(archive) == expected(messages(0, 5))
        await taken(rig, [])

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 5))
    assert not [name for name in names(archive) if name.endswith(".partial")]


def test_a_zombie_between_its_commit_and_the_files_names_does_no_harm(
    rig: Rig, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        zombie = await taken(rig, messages(0, 2))
        named = zombie._name
        held: list[Callable[[], None]] = []
        monkeypatch.setattr(zombie, "_name", lambda: held.append(named))
        await zombie._write()
        assert rows(archive) == []
        heir = await taken(rig, messages(2, 5))
        assert rows(archive) == expected(messages(0, 2))
        await heir._write()
        for one in held:
            one()

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 5))


def test_files_beyond_a_store_that_lost_commits_are_written_anew(rig: Rig, archive: Path) -> None:
    async def run() -> None:
        await (await taken(rig, messages(0, 2)))._write()
        (kept,) = rig.store.get(OWNER, ["following"])
        assert kept is not None
        await (await taken(rig, messages(2, 4)))._write()
        with rig.store._database.transaction() as writer:
            writer.execute("UPDATE state_offset SET next = 2 WHERE owner = ?", (str(OWNER),))
            writer.execute(
                "UPDATE state_record SET value = ? WHERE owner = ? AND key = 'following'", (kept, str(OWNER))
            )
        await (await taken(rig, messages(2, 6)))._write()

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 6))


def test_beside_files_of_a_log_that_the_store_does_not_know_nothing_is_taken_and_nothing_removed(
    rig: Rig, archive: Path
) -> None:
    """Redis came back empty: what retention has taken from the log is only here. Told to, it goes on behind them."""

    async def run() -> None:
        await (await taken(rig, messages(0, 2)))._write()
        with rig.store._database.transaction() as writer:
            writer.execute("DELETE FROM state_offset WHERE owner = ?", (str(OWNER),))
            writer.execute("DELETE FROM state_record WHERE owner = ?", (str(OWNER),))
        with pytest.raises(StrangeArchive, match=r"up to offset 2 .*archive\.url another folder"):
            await taken(rig, messages(0, 2))
        assert rows(archive) == expected(messages(0, 2))
        with rig.store._database.transaction() as writer:
            writer.execute("INSERT INTO state_offset (owner, topic, next) VALUES (?, ?, 2)", (str(OWNER), EXAMPLES))
        await (await taken(rig, messages(2, 4)))._write()

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 4))


def test_what_is_somebody_elses_in_the_archive_stays(rig: Rig, archive: Path) -> None:
    (archive / "day=2024-04-06").mkdir(parents=True)
    for stray in ("mine.parquet", "part-0.parquet", "README"):
        (archive / "day=2024-04-06" / stray).touch()

    async def run() -> None:
        await (await taken(rig, messages(0, 1)))._write()
        await taken(rig, [])

    asyncio.run(run())
    assert len(names(archive)) == 4


def test_the_archive_may_be_any_url(rig: Rig) -> None:
    """An object store has no renaming: it copies."""
    rig.settings = Settings(archive=Archive(url="memory://bucket"))

    async def run() -> list[str]:
        worker = await taken(rig, messages(0, 3))
        await worker._write()
        rig.store.faults.append("after")
        await worker.turn(messages(3, 4))
        with pytest.raises(StoreAway):
            await worker._write()
        await taken(rig, [])
        found: list[str] = worker._files.find("/bucket")
        return found

    assert asyncio.run(run()) == [
        f"/bucket/examples/day=2024-04-0{day}/{first:016d}-{next_:016d}.parquet"
        for day, first, next_ in ((6, 0, 3), (7, 0, 3), (7, 3, 4))
    ]


def test_a_worker_that_is_told_to_end_writes_what_waits(rig: Rig, archive: Path) -> None:
    async def run() -> None:
        worker = ArchiveWorker(0, 0, rig.io)
        worker.start()
        await worker.deliver(messages(0, 3), lambda: None)
        await until(lambda: worker._waiting)
        await worker.release(10.0)

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 3))


def test_a_store_that_is_away_for_long_holds_the_input_up(rig: Rig, archive: Path) -> None:
    """Memory is bounded: beyond some files' worth and a turn nothing is taken, and the process begins anew after it."""
    rig.settings = msgspec.structs.replace(
        rig.settings, archive=msgspec.structs.replace(rig.settings.archive, flush_messages=2)
    )

    async def run() -> None:
        worker = ArchiveWorker(0, 0, rig.io)
        worker.idle_s = 0.01
        worker.start()
        await until(lambda: worker.trouble is None)
        rig.store.away = True
        for record in messages(0, 12):
            await worker.deliver([record], lambda: None)
            await until(lambda: not worker.waiting or not worker._taken)
        assert "wait for the store" in str(worker.trouble) or "away" in str(worker.trouble)
        assert len(worker._waiting) == 9
        rig.store.away = False
        await until(lambda: rig.restarts)
        await worker.release(10.0)

    asyncio.run(run())
    assert rows(archive) == []


def test_one_turn_may_bring_more_than_fits_a_file(rig: Rig, archive: Path) -> None:
    """A backlog is taken, and written, whatever `archive.flush_messages` is."""
    rig.settings = msgspec.structs.replace(
        rig.settings, archive=msgspec.structs.replace(rig.settings.archive, flush_messages=1)
    )

    async def run() -> None:
        worker = ArchiveWorker(0, 0, rig.io)
        worker.start()
        await worker.deliver(messages(0, 20), lambda: None)
        await until(lambda: SqliteStore.offsets(rig.store, OWNER) == {EXAMPLES: 20})
        await worker.release(10.0)

    asyncio.run(run())
    assert rows(archive) == expected(messages(0, 20))


def test_an_archive_that_begins_where_the_logs_beginning_is_gone_takes_numbers_as_they_come(
    rig: Rig, archive: Path
) -> None:
    """Retention was quicker than whoever set the archive up."""
    later = messages(40, 43)
    on_topic = [*later, later[0], *messages(43, 44)]

    async def run() -> None:
        worker = ArchiveWorker(40, 40, rig.io)
        worker.start()
        await worker.deliver([one._replace(offset=40 + n) for n, one in enumerate(on_topic)], lambda: None)
        await until(lambda: worker._waiting)
        await worker.release(10.0)

    asyncio.run(run())
    assert rows(archive) == expected(messages(40, 44))


def test_an_empty_message_leaves_no_file(rig: Rig, archive: Path) -> None:
    """The offset moves all the same."""
    repeated = [messages(0, 1)[0], message(1, 0, 0, [])]

    async def run() -> None:
        worker = await taken(rig, repeated[:1])
        await worker._write()
        await worker.turn(repeated[1:])
        await worker._write()

    asyncio.run(run())
    assert SqliteStore.offsets(rig.store, OWNER) == {EXAMPLES: 2}
    assert len(names(archive)) == 1
