"""A learner in a process of its own: `LEARN`'s worker on a folder, from where the store stands to the end of a file.

`python -m tests.integration.learner FOLDER`: reads `messages` (`write` makes it), commits to `store.db`, keeps
snapshots under `registry`, and writes what it publishes to the next `weights.NNN`. Says "began OFFSET" when it begins.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import msgpack

from rtrec.adapters.sqlite_db import Database
from rtrec.runtime.cluster.gathered import Gathered
from rtrec.runtime.cluster.io import Io
from rtrec.runtime.cluster.learn_worker import OWNER, LearnWorker
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.settings import Learner, Settings
from rtrec.settings_cluster import Registry
from rtrec.stages import learn as stages_learn
from rtrec.stages.hops.hop import Message
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.messages import Record
from tests.unit.runtime.cluster.rig import Troubled

PACE_S = 0.001
"""Between two messages: a run lasts long enough to be killed."""


def settings_of(folder: Path) -> Settings:
    """Publishes and snapshots many times a second."""
    return Settings(
        learner=Learner(slots_log2=14, l1=0.01, publish_ms=20, admit_examples=2, expire_days=30),
        registry=Registry(url=str(folder / "registry"), snapshot_ms=100, snapshots_kept=3),
    )


def write(folder: Path, records: Sequence[Record]) -> None:
    """Make the log."""
    (folder / "messages").write_bytes(msgpack.encode([(one.offset, one.value, one.headers) for one in records]))


def read(folder: Path) -> list[Record]:
    """The log."""
    stored = msgpack.decode((folder / "messages").read_bytes(), type=list[tuple[int, bytes, bytes]])
    return [Record(offset, 0, None, value, headers) for offset, value, headers in stored]


def _next_file(folder: Path) -> Path:
    return folder / f"weights.{len(list(folder.glob('weights.*'))):03}"


class NoSides:
    """The learner reads one topic."""

    def since(self, _topic: str, _partition: int, _offset: int) -> list[Record]:
        return []


async def learn(folder: Path) -> None:
    """Learn to the end."""
    settings, records, begun = settings_of(folder), read(folder), time.monotonic()
    store, sent = Troubled(Database.open(folder / "store.db")), _next_file(folder).open("wb")

    async def publish(messages: Sequence[Message]) -> list[int]:
        begins = sent.tell()
        for message in messages:
            sent.write(len(message.value).to_bytes(4) + message.value)
        sent.flush()
        return list(range(begins, begins + len(messages)))

    def restart(reason: str) -> None:
        raise SystemExit(f"began anew: {reason} after {time.monotonic() - begun:.1f} s")

    snapshots = Snapshots(settings.registry)
    newest = snapshots.newest(store.offsets(OWNER).get(EXAMPLES, 0))
    begins = 0 if newest is None else newest.next_offset
    io = Io(settings, store, Gathered(store), publish, NoSides(), lambda: 0, restart)
    worker = LearnWorker(begins, 0, snapshots, io)
    worker.idle_s = 0.01
    stages_learn.learn(stages_learn.LearnState(("click",), Learner(slots_log2=10)), records[0].value)  # loads kernels
    worker.start()
    print(f"began {begins}", flush=True)  # noqa: T201 - the one who kills waits for it
    for record in records[begins:]:
        await worker.deliver([record], lambda: None)
        await asyncio.sleep(PACE_S)
    while worker.waiting:  # noqa: ASYNC110 - a worker has no event for it
        await asyncio.sleep(0.01)
    await worker.release(30.0)


if __name__ == "__main__":
    asyncio.run(learn(Path(sys.argv[1])))
