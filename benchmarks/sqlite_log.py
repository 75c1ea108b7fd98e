"""What the SQLite adapters do a second: prints one JSON line.

Appends and reads are of values of 200 bytes in batches of 5,000 over 4 partitions, fsynced; a commit writes 500
records of 1,000 bytes chosen at random from 20,000, durable and not; `trim_ms` is the longest call while 200,000
rows go. An argument names the folder to measure in.
"""

import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_log import SqliteLog
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.ports import NewRecord, Owner
from rtrec.stages.effects import Writes

PARTITIONS = 4
BATCH = 5_000
BATCHES = 80
SINGLES = 1_000
COMMITS = 100
OWNER = Owner("heat", 0)


def timed_ms(step: Callable[..., object], *arguments: object) -> float:
    """How long one call takes."""
    started_s = perf_counter()
    step(*arguments)
    return (perf_counter() - started_s) * 1_000


def quantiles(times_ms: list[float]) -> dict[str, float]:
    """The median and the 99th of a hundred."""
    ordered = sorted(times_ms)
    return {name: round(ordered[int(share * (len(ordered) - 1))], 3) for name, share in (("p50", 0.5), ("p99", 0.99))}


def appends_per_second(log: SqliteLog) -> float:
    """Records a second in fsynced batches."""
    rng = random.Random(1)
    batch = [NewRecord(rng.randbytes(200), b"anchor-%d" % i) for i in range(BATCH)]
    times_ms = [timed_ms(log.append, "events", turn % PARTITIONS, batch, 1) for turn in range(BATCHES)]
    return BATCH * BATCHES * 1_000 / sum(times_ms)


def reads_per_second(log: SqliteLog) -> float:
    """Records a second of one partition, from its start."""
    end = log.bounds("events", 0).end
    return end * 1_000 / sum(timed_ms(log.read, "events", 0, offset, BATCH) for offset in range(0, end, BATCH))


def single_appends_ms(log: SqliteLog) -> list[float]:
    """Each append one record, one fsync."""
    record = [NewRecord(bytes(200), b"anchor")]
    return [timed_ms(log.append, "events", 1, record, 1) for _ in range(SINGLES)]


def commits_ms(database: Database, store: SqliteStore, *, durable: bool) -> list[float]:
    """Each commit 500 of 20,000 records, anywhere."""
    rng = random.Random(2)
    epoch = store.acquire(OWNER).epoch
    store.commit(OWNER, epoch, {}, Writes({f"a:{i}": rng.randbytes(1_000) for i in range(20_000)}))

    def commit(writes: Writes) -> None:
        with database.transaction(durable=durable):
            store.commit(OWNER, epoch, {}, writes)

    turns = [Writes({f"a:{i}": rng.randbytes(1_000) for i in rng.sample(range(20_000), 500)}) for _ in range(COMMITS)]
    return [timed_ms(commit, writes) for writes in turns]


def trims_ms(database: Database, log: SqliteLog) -> list[float]:
    """Each call until the rows of two partitions are gone."""
    times_ms = []
    for partition in (2, 3):
        end = log.bounds("events", partition).end
        left = end
        while left:
            times_ms.append(timed_ms(log.trim, "events", partition, end))
            with database.reading() as reader:
                left = reader.execute(
                    "SELECT count(*) FROM log_record WHERE position >> 44 = ?", (partition + 1,)
                ).fetchone()[0]
    return times_ms


def main() -> None:
    """Measure in a new folder under the given one, or under the system's temporary one."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        database = Database.open(Path(folder) / "rtrec.db")
        log, store = SqliteLog(database), SqliteStore(database)
        log.create("events", PARTITIONS)
        figures: dict[str, object] = {
            "appends_per_second": round(appends_per_second(log)),
            "reads_per_second": round(reads_per_second(log)),
            "append_one_ms": quantiles(single_appends_ms(log)),
            "commit_500_ms": quantiles(commits_ms(database, store, durable=True)),
            "commit_500_not_durable_ms": quantiles(commits_ms(database, store, durable=False)),
        }
        trims = trims_ms(database, log)
        figures["trim_ms"] = {"calls": len(trims), "max": round(max(trims), 1)}
        database.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
