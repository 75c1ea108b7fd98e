"""One SQLite file under log, state and positions, so that one transaction can hold all of a turn.

Rules
-----
- Writers: a process has one writing connection and one lock before it, so its threads queue and never poll
  SQLITE_BUSY; another process is waited for by SQLite, up to `BUSY_TIMEOUT_MS`.
- A transaction opened inside another joins it. An exception that leaves a joined step dooms the whole, also
  where a caller catches it: what the step half wrote must not be committed.
- Readers: each read is a snapshot on a connection of its own (a pool; a connection serves one thread at a
  time), and never waits for a writer. Inside a thread's own transaction it reads on the writing connection
  and so sees what it wrote.
- Durable means fsynced when the outermost transaction ends (synchronous=FULL). Not durable (NORMAL) is still
  consistent: a power cut takes whole transactions off the end, offsets with them; a killed process loses none.
- Records live in rowid tables: beyond about 200 bytes WITHOUT ROWID costs four times the time and space
  (measured, 4 KiB pages). The small tables are WITHOUT ROWID.
- The file never shrinks; freed pages are used again.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock, get_ident
from typing import Final

SCHEMA_VERSION: Final = 1
BUSY_TIMEOUT_MS: Final = 10_000
AGAIN_S: Final = 0.01
CLOSE_TIMEOUT_MS: Final = 1_000
WRITER_CACHE_KIB: Final = 16_384

SCHEMA: Final = (
    """CREATE TABLE log_partition (
        id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL,
        start_offset INTEGER NOT NULL, end_offset INTEGER NOT NULL, UNIQUE (topic, number))""",
    """CREATE TABLE log_record (
        position INTEGER PRIMARY KEY, append_ms INTEGER NOT NULL, key BLOB, value BLOB NOT NULL, headers BLOB)""",
    "CREATE TABLE state_epoch (owner TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE state_offset (
        owner TEXT NOT NULL, topic TEXT NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (owner, topic)) WITHOUT ROWID""",
    """CREATE TABLE state_record (
        owner TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (owner, key))""",
    """CREATE TABLE state_rank (
        owner TEXT NOT NULL, member TEXT NOT NULL, score REAL NOT NULL, PRIMARY KEY (owner, member)) WITHOUT ROWID""",
    "CREATE INDEX state_rank_order ON state_rank (owner, score DESC, member)",
    """CREATE TABLE source_position (
        format TEXT NOT NULL, path TEXT NOT NULL, head_length INTEGER NOT NULL, head_sha256 TEXT NOT NULL,
        position INTEGER NOT NULL, PRIMARY KEY (format, path)) WITHOUT ROWID""",
)


class SchemaTooNew(RuntimeError):
    """The file was written by a newer rtrec, whose tables this one does not know."""


class TransactionDoomed(RuntimeError):
    """A step inside the transaction failed and was caught; nothing of the transaction can be committed."""


class Database:
    """An open data file. Safe for all threads of a process; see the module's rules."""

    def __init__(self, path: Path, writer: sqlite3.Connection, *, durable: bool) -> None:
        self._path = path
        self._writer = writer
        self._durable = durable
        self._lock = RLock()
        self._holder: int | None = None
        self._doomed = False
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, durable: bool = True) -> "Database":
        """Open a data file, or make it; its folder must stand.

        Parameters
        ----------
        durable: whether durable transactions are fsynced; False is for tests and evaluation.

        Raises SchemaTooNew for a file of a newer rtrec.
        """
        writer = _connect(path)
        try:
            _prepare(writer, path)
        except BaseException:
            writer.close()
            raise
        writer.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        # Zero freed bytes only in pages that are written anyway; full zeroing rewrites every freed page.
        writer.execute("PRAGMA secure_delete = FAST")
        return cls(path, writer, durable=durable)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Make everything written inside one atomic step; hands out the writing connection.

        Parameters
        ----------
        durable: fsync at the end. Only the outermost transaction's word counts: a host that opens one that is
            not durable answers for the appends inside it.
        """
        with self._lock, self._joined() if self._holder is not None else self._begun(durable=durable):
            yield self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot for all reads inside; within this thread's own transaction, the transaction itself."""
        if self.in_transaction:
            yield self._writer
            return
        reader = self._borrow()
        try:
            reader.execute("BEGIN")
            yield reader
        finally:
            reader.rollback()
            self._give_back(reader)

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside a transaction."""
        return self._holder == get_ident()

    def close(self) -> None:
        """Fold the write-ahead log into the file and close; waits for an open transaction of another thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._close_idle()
            self._writer.execute(f"PRAGMA busy_timeout = {CLOSE_TIMEOUT_MS}")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._writer.close()

    @contextmanager
    def _begun(self, *, durable: bool) -> Iterator[None]:
        # Set before BEGIN: SQLite refuses to change it inside a transaction.
        self._writer.execute(f"PRAGMA synchronous = {'FULL' if durable and self._durable else 'NORMAL'}")
        self._writer.execute("BEGIN IMMEDIATE")
        self._holder, self._doomed = get_ident(), False
        try:
            yield
            self._refuse_doomed()
            self._writer.execute("COMMIT")
        except BaseException:
            self._writer.rollback()
            raise
        finally:
            self._holder = None

    @contextmanager
    def _joined(self) -> Iterator[None]:
        self._refuse_doomed()
        try:
            yield
        except BaseException:
            self._doomed = True
            raise

    def _refuse_doomed(self) -> None:
        if self._doomed:
            raise TransactionDoomed("a step of this transaction failed before; it is rolled back as a whole")

    def _borrow(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._idle.pop()
        if self._closed:
            raise sqlite3.ProgrammingError("the database is closed")
        reader = _connect(self._path)
        reader.execute("PRAGMA query_only = ON")
        return reader

    def _give_back(self, reader: sqlite3.Connection) -> None:
        self._idle.append(reader)
        if self._closed:
            self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and may pass from thread to thread."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def _prepare(writer: sqlite3.Connection, path: Path) -> None:
    """Check the schema's version; make the tables in a new file."""
    version = _version(writer)
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"{path} has schema version {version}, this rtrec knows {SCHEMA_VERSION}: "
            "open it with the rtrec that wrote it"
        )
    if version == SCHEMA_VERSION:
        return
    _log_ahead(writer)
    writer.execute("BEGIN IMMEDIATE")
    try:
        if _version(writer) == 0:  # another process may have been first
            for statement in SCHEMA:
                writer.execute(statement)
            writer.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        writer.execute("COMMIT")
    except BaseException:
        writer.rollback()
        raise


def _log_ahead(writer: sqlite3.Connection) -> None:
    """Write ahead from now on. SQLite waits for nobody here: processes that open a new file at once take turns."""
    end_s = time.monotonic() + BUSY_TIMEOUT_MS / 1_000
    while True:
        try:
            writer.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end_s:
                raise
            time.sleep(AGAIN_S)
        else:
            return


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
