"""A host in small, made to be killed: append a batch, say so, read on, commit state, output and offset at once.

`python kill_worker.py FILE RUN` prints `first count counter` for each append that has returned: the values of
offsets first … first + count − 1 are `RUN.counter`, `RUN.(counter + 1)`, …
"""

import random
import sys
from hashlib import sha256
from pathlib import Path
from time import time_ns

from rtrec.adapters.sqlite_db import Database
from rtrec.adapters.sqlite_log import SqliteLog
from rtrec.adapters.sqlite_store import SqliteStore
from rtrec.ports import NewRecord, Owner, Record, Verdict
from rtrec.stages.effects import Writes

OWNER = Owner("chain", 0)


def fold(state: dict[str, bytes], records: list[Record]) -> dict[str, bytes]:
    """The state after more records: a hash over all of them in order, and a count for each last digit."""
    state = dict(state)
    for record in records:
        state["chain"] = sha256(state.get("chain", b"") + record.value).digest()
        key = f"ends in {record.value[-1:].decode()}"
        state[key] = str(int(state.get(key, b"0")) + 1).encode()
    return state


def turn(database: Database, log: SqliteLog, store: SqliteStore, epoch: int) -> None:
    """One micro-batch, as a host makes it: output, state and offset in one transaction."""
    offset = store.offsets(OWNER).get("in", 0)
    records = log.read("in", 0, offset, random.randint(1, 60))
    state = fold(dict(store.scan(OWNER)), records)
    with database.transaction(durable=False):
        log.append("out", 0, [NewRecord(state["chain"])], records[-1].append_ms)
        writes = Writes(dict(state), {"in": float(offset + len(records))})
        verdict = store.commit(OWNER, epoch, {"in": (offset, offset + len(records))}, writes)
    if verdict is not Verdict.OK:
        raise RuntimeError(f"commit: {verdict}")


def main(path: str, run: str) -> None:
    database = Database.open(Path(path))
    log, store = SqliteLog(database), SqliteStore(database)
    log.create("in", 1)
    log.create("out", 1)
    epoch = store.acquire(OWNER).epoch
    counter = 0
    while True:
        size = random.randint(1, 40)
        batch = [NewRecord(f"{run}.{counter + i}".encode()) for i in range(size)]
        first = log.append("in", 0, batch, time_ns() // 1_000_000)
        print(first, size, counter, flush=True)  # noqa: T201 - the acknowledgement
        counter += size
        turn(database, log, store, epoch)


if __name__ == "__main__":
    main(*sys.argv[1:])
