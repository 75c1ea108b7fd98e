"""ARCHIVE's worker: examples with their features become Parquet files, each row once.

Rules
-----
- A file is named by the offsets it was made of (`{first}-{next}.parquet`, below `day=YYYY-MM-DD/` of the impressions).
  It is written under a name that nobody reads, which has the epoch in it; then the commit names it; then it gets its
  own name. So no file is to be seen without its commit, whoever dies where, and a zombie's never is. A takeover gives
  the newest commit's files their names, if nobody has, and removes all others that wait for theirs.
- A store that lost commits stands before files that are to be seen: at a takeover those from its offset on go. One that
  knows no offset at all is another store or another log than theirs: nothing is removed, nothing taken, and it is said.
- Of an outbox's messages the next number is taken and no other, as the learner does; the numbers are in the commit.
  Where the log's beginning is gone, or an operator has set the offset, each owner's first number is taken as it comes.
- While the store is away what was taken waits, up to `WAITING_FLUSHES` files of it, and a commit of which nobody knows
  whether it was carried out is tried again as it was, with the same file: being told DUPLICATE, it was. To begin anew
  would be right as well, and cost a new process each time.
"""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from rtrec.ports import Owner, StoreAway, Verdict
from rtrec.runtime.cluster.io import Io
from rtrec.runtime.cluster.worker import Worker, refused
from rtrec.stages.archive import columns_of
from rtrec.stages.effects import Writes
from rtrec.stages.hops.label import EXAMPLES, Number
from rtrec.stages.messages import Record
from rtrec.stages.outbox import Sequences

OWNER: Final = Owner("archive", 0)
FOLLOWING: Final = "following"
FILES: Final = "files"
"""Key of what the newest commit's files were written as."""
PARTIAL: Final = ".partial"
_NAMED: Final = re.compile(r"(\d+)-(\d+)\.parquet")
DAY_MS: Final = 86_400_000
WAITING_FLUSHES: Final = 4
_log = logging.getLogger("rtrec.archive")


class StrangeArchive(RuntimeError):
    """The folder holds files of a log that this store has not read."""


class _Attempt(NamedTuple):
    """A file and its commit under way: the first `messages` that wait, up to the offset `next_`."""

    next_: int
    messages: int
    following: bytes


class ArchiveWorker(Worker):
    """The one archiver. It writes when `archive.flush_ms` have passed, or `archive.flush_messages` wait.

    log_start: the first offset that the log holds; begins: where reading began.
    """

    idle_s = 1.0

    def __init__(self, begins: int, log_start: int, io: Io) -> None:
        super().__init__(OWNER, EXAMPLES, begins, io.settings.cluster.batch_events, io.restart)
        import fsspec  # noqa: PLC0415 - loads its backends

        self.io, self._log_start = io, log_start
        self.counts: Counter[str] = Counter()
        self._files, root = fsspec.core.url_to_fs(io.settings.archive.url)
        self._folder = "/".join(part for part in (root.rstrip("/"), io.settings.cluster.namespace, "examples") if part)
        self._epoch = self._committed = 0
        self._waiting: list[bytes] = []
        self._attempt: _Attempt | None = None
        self._unnamed: list[str] = []
        self._sequences = Sequences()
        self._written_s = time.monotonic()

    async def take_over(self) -> None:
        """A new epoch; what was left behind goes."""
        lease = await asyncio.to_thread(self.io.store.acquire, OWNER)
        following, files = await self.io.calls.get(OWNER, [FOLLOWING, FILES])
        self._sequences = Sequences(msgspec.msgpack.decode(following, type=dict[str, int]) if following else {})
        self._epoch, self._committed = lease.epoch, lease.offsets.get(EXAMPLES, 0)
        self._adopt = self._log_start > 0 or (self._committed > 0 and not following)
        self.next, self._waiting, self._attempt = dict(lease.offsets), [], None
        self._unnamed = msgspec.msgpack.decode(files, type=list[str]) if files else []
        self._files.invalidate_cache()
        if EXAMPLES not in lease.offsets and (next_ := await asyncio.to_thread(self._named_until)):
            raise StrangeArchive(
                f"ALARM: {self._folder} holds files up to offset {next_} of {EXAMPLES}, and the store knows none: give "
                f"archive.url another folder, or, if they are of this log, set next:{EXAMPLES} of {OWNER} to {next_}; "
                "see docs/operations.md, Recomputing state"
            )
        await asyncio.to_thread(self._tidy)

    async def turn(self, records: Sequence[Record]) -> None:
        """Take messages; they wait to be written."""
        if len(self._waiting) > WAITING_FLUSHES * self.io.settings.archive.flush_messages:
            raise StoreAway(f"{OWNER}: {len(self._waiting)} messages wait for the store to come back")
        for record in records:
            number = msgspec.msgpack.decode(record.headers or b"", type=Number)
            if self._adopt:
                self._sequences.following.setdefault(str(number.owner), number.number)
            if self._sequences.take(str(number.owner), number.number):
                self._waiting.append(record.value)
            self.next[EXAMPLES] = record.offset + 1

    async def idle(self) -> None:
        """Write when it is time; what cannot be written now waits."""
        settings = self.io.settings.archive
        try:
            await self.audit(self.io.store, {EXAMPLES: self._committed})
            full = len(self._waiting) >= settings.flush_messages
            if full or 1_000 * (time.monotonic() - self._written_s) >= settings.flush_ms:
                await self._write()
            self.trouble = None
        except OSError as error:
            self.trouble = str(error)
            _log.warning("%s: %s; what was taken waits", OWNER, error)

    async def last(self) -> None:
        """Write what waits, and what came after a file that had to be tried again."""
        await self._write()
        await self._write()

    async def _write(self) -> None:
        await asyncio.to_thread(self._name)
        attempt = self._attempt or self._attempted()
        if attempt is not None:
            self._attempt = attempt
            messages = self._waiting[: attempt.messages]
            events, files = await asyncio.to_thread(self._write_files, self._committed, attempt.next_, messages)
            inputs = {EXAMPLES: (self._committed, attempt.next_)}
            writes = Writes(puts={FOLLOWING: attempt.following, FILES: msgspec.msgpack.encode(files)})
            verdict = await self.io.calls.commit(OWNER, self._epoch, inputs, writes)
            if verdict not in (Verdict.OK, Verdict.DUPLICATE):
                raise refused(OWNER, verdict, self._epoch, inputs)
            self._committed, self._attempt, self._unnamed = attempt.next_, None, files
            del self._waiting[: attempt.messages]
            self.counts["events"] += events
            await asyncio.to_thread(self._name)
        self._written_s = time.monotonic()

    def _attempted(self) -> _Attempt | None:
        """All that waits; None where nothing was taken since the last commit."""
        next_ = self.next.get(EXAMPLES, self._committed)
        if next_ <= self._committed:
            return None
        return _Attempt(next_, len(self._waiting), msgspec.msgpack.encode(self._sequences.following))

    def _write_files(self, first: int, next_: int, messages: Sequence[bytes]) -> tuple[int, list[str]]:
        """One file a day of some messages; how many examples, and the files as written."""
        import pyarrow as pa  # noqa: PLC0415 - 0.2 s, for the archiver alone
        import pyarrow.parquet as pq  # noqa: PLC0415

        if not messages:
            return 0, []
        columns, files = columns_of(messages), []
        days = columns["ts_ms"] // DAY_MS
        for day in sorted(set(days.tolist())):
            chosen = days == day
            table = pa.table({name: _arrow(pa, values[chosen]) for name, values in columns.items()})
            folder = f"day={datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"
            files.append(f"{folder}/.{first:016d}-{next_:016d}.parquet.{self._epoch}{PARTIAL}")
            self._files.makedirs(f"{self._folder}/{folder}", exist_ok=True)
            with self._files.open(f"{self._folder}/{files[-1]}", "wb") as file:
                pq.write_table(table, file, compression="zstd")
        return len(days), files

    def _name(self) -> None:
        """Give the newest commit's files their own names."""
        for path in self._unnamed:
            folder, _, name = path.rpartition("/")
            own = name.removeprefix(".").removesuffix(PARTIAL).rpartition(".")[0]
            with suppress(FileNotFoundError):  # whoever took over, or was taken over, has
                self._files.mv(f"{self._folder}/{path}", f"{self._folder}/{folder}/{own}")
        self._unnamed = []

    def _tidy(self) -> None:
        """Name the newest commit's files; remove what no commit names."""
        self._name()
        for path in self._files.glob(f"{self._folder}/day=*/.*{PARTIAL}"):
            self._remove(path)
        for path, first, _ in self._named():
            if first >= self._committed:
                self._remove(path)

    def _named(self) -> list[tuple[str, int, int]]:
        """(path, first offset, next offset) of the files that are to be seen."""
        paths = self._files.glob(f"{self._folder}/day=*/*.parquet")
        found = ((path, _NAMED.fullmatch(path.rsplit("/", 1)[-1])) for path in paths)
        return [(path, int(named[1]), int(named[2])) for path, named in found if named]

    def _named_until(self) -> int:
        return max((next_ for _, _, next_ in self._named()), default=0)

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._files.rm_file(path)


def _arrow(pa: Any, values: Any) -> Any:
    """A column; one of several values a row is a list."""
    return pa.array(list(values)) if values.ndim > 1 else pa.array(values)
