"""The book in one SQLite file: write-ahead log, each commit on the disk, any number of processes on one machine."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.ledger.errors import BadLedger, LedgerDown, Unstorable
from gateway.ledger.pool import Pool
from gateway.ledger.schema import check_version, migrate, version
from gateway.ledger.sql import SqlLedger
from gateway.ledger.store import WAIT_S, Session, Value, Work

RETRY_S = 0.01
PAGE_BYTES = 8192  # Three calls of 2 KB fit on a page; on one of 4 KB there is one, and half the file is air.
CHECKPOINT_PAGES = 4000  # 32 MB of log between two rewrites of the file.
ROWS_AT_ONCE = 50  # Python's module lets go of the interpreter for each statement: once for 50 rows, not 50 times.
CACHE_KB = 8 * 1024  # For each connection: a worker has 80 MB for everything; the rest of the file the kernel keeps.

WORDS = {"int": "INTEGER", "text": "TEXT", "time": "TEXT", "bytes": "BLOB", "clustered": " WITHOUT ROWID"}


def open_sqlite(path: Path) -> SqlLedger:
    """Give the ledger in the file at `path`, made when there is none; raises BadLedger, LedgerDown."""
    store = SqliteStore(path)
    try:
        store.prepare()
    except BaseException:
        store.close()
        raise
    return SqlLedger(store)


class SqliteStore:
    """One file. Transactions that write queue first for this process's lock, then for the file's."""

    day = "substr(occurred_at, 1, 10)"

    def __init__(self, path: Path, wait_s: float = WAIT_S) -> None:
        """Keep the book in the file at `path`."""
        self._path = path
        self._wait_s = wait_s
        self._writing = threading.Lock()
        self._pool: Pool[_Connection] = Pool(self._connect)

    def read(self, work: Callable[[Session], Work]) -> Work:
        """Give what `work` makes of one snapshot."""
        return self._run("BEGIN", work)

    def write(self, work: Callable[[Session], Work]) -> Work:
        """Give what `work` made once it is on the disk."""
        with self._writing:
            return self._run("BEGIN IMMEDIATE", work)

    def close(self) -> None:
        """Close the file; the last process to do so folds the log into it."""
        self._pool.close()

    def prepare(self) -> None:
        """Make the file and its tables, or bring an older schema up to date."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            why = error.strerror or "it cannot be opened"
            raise BadLedger(
                f"{self._path} cannot be the ledger: {why}. Check the path and who may write there."
            ) from error
        try:
            self._switch_to_log()
            found = self.read(self._version)
        except LedgerDown as down:
            if primary_code(down.__cause__) in _NOT_OURS:
                raise BadLedger(f"{self._path} is no SQLite file, or a damaged one: restore a backup.") from down
            raise
        check_version(found, str(self._path))
        if found < version():
            self.write(lambda session: migrate(session, self._version(session), WORDS))

    def _switch_to_log(self) -> None:
        """Turn on the write-ahead log; the file remembers. SQLite does not wait by itself when others do the same."""
        deadline = time.monotonic() + self._wait_s
        while True:
            connection, _ = self._pool.take()
            try:
                connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                    return
                raise BadLedger(
                    f"{self._path} lies where SQLite has no write-ahead log: use a local disk, or PostgreSQL."
                )
            except sqlite3.Error as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise _named(error, self._path) from error
                time.sleep(RETRY_S)
            finally:
                connection.close()

    def _version(self, session: Session) -> int:
        """Give the version of the schema, 0 for an empty file; raises BadLedger when the file is something else's."""
        tables = {row[0] for row in session.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "head" in tables:
            return int(session.rows("SELECT schema_version FROM head")[0][0])
        if tables:
            raise BadLedger(f"{self._path} is another program's database: give the ledger a file of its own.")
        return 0

    def _connect(self) -> "_Connection":
        try:
            # Mode rw: a file that has vanished is an error, never a new and empty book.
            where = f"file:{quote(str(self._path))}?mode=rw"
            connection = sqlite3.connect(
                where,
                uri=True,
                timeout=self._wait_s,
                isolation_level=None,
                check_same_thread=False,
                factory=_Connection,
            )
        except sqlite3.Error as error:
            raise _named(error, self._path) from error
        # A byte that was flipped must reach the verifier, not stop it.
        connection.text_factory = _text
        try:
            for setting in (
                "synchronous = FULL",
                "fullfsync = ON",  # On macOS a plain fsync leaves data in the drive's cache.
                f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
                f"cache_size = -{CACHE_KB}",
                "temp_store = MEMORY",
            ):
                connection.execute(f"PRAGMA {setting}")
        except sqlite3.Error as error:
            # SQLite looks into a file only when it is first used.
            connection.close()
            raise _named(error, self._path) from error
        connection.file = _file(self._path)
        return connection

    def _run(self, begin: str, work: Callable[[Session], Work]) -> Work:
        connection, _ = self._pool.take()
        if connection.file != _file(self._path):
            # What is written to a file that another one has taken the place of would be gone with the last close.
            connection.close()
            self._pool.drain()
            raise LedgerDown(f"The ledger {self._path} was moved or replaced while it was in use.")
        try:
            connection.execute(begin)
            made = work(SqliteSession(connection))
            connection.execute("COMMIT")
        except BaseException as error:
            connection.close()  # It rolls back what was begun.
            if isinstance(error, (sqlite3.Error, OverflowError)):
                raise _named(error, self._path) from error
            raise
        self._pool.give(connection)
        return made


class _Connection(sqlite3.Connection):
    """A connection that knows which file it was opened on."""

    file: tuple[int, int] | None = None


class SqliteSession:
    """One transaction on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Speak within the transaction that `connection` has begun."""
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run one statement."""
        return self._connection.execute(sql, values).fetchall()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        """Insert ROWS_AT_ONCE with one statement, and what is left row by row."""
        whole = len(rows) - len(rows) % ROWS_AT_ONCE
        for start in range(0, whole, ROWS_AT_ONCE):
            values = tuple(chain.from_iterable(rows[start : start + ROWS_AT_ONCE]))
            self._connection.execute(_insert(table, tuple(columns), ROWS_AT_ONCE), values)
        self._connection.executemany(_insert(table, tuple(columns), 1), rows[whole:])

    def add_up(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        """Insert each row, or add to the one that is there."""
        added = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
        sql = f"{_insert(table, (*keys, *sums), 1)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"
        self._connection.executemany(sql, rows)


def primary_code(error: BaseException | None) -> int:
    """Give SQLite's primary result code (https://sqlite.org/rescode.html), 0 for an error of Python's module."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


_NOT_OURS = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}

_SAYS = {
    sqlite3.SQLITE_BUSY: "is locked: another process has held it for longer than a batch takes",
    sqlite3.SQLITE_LOCKED: "is locked: another process has held it for longer than a batch takes",
    sqlite3.SQLITE_FULL: "has no room left: the disk is full",
    sqlite3.SQLITE_READONLY: "cannot be written: the file or its disk is read-only, or the file was moved",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: it is missing, or not readable for this user",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore a backup",
    sqlite3.SQLITE_NOTADB: "is damaged: restore a backup",
}


def _named(error: BaseException, path: Path) -> LedgerDown | Unstorable:
    """Give our error for one of SQLite's."""
    if isinstance(error, (OverflowError, sqlite3.IntegrityError, sqlite3.DataError)):
        return Unstorable(None, f"SQLite refuses it: {error}")
    return LedgerDown(f"The ledger {path} {_SAYS.get(primary_code(error), f'fails: {error}')}.")


@cache
def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    row = f"({','.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {','.join([row] * rows)}"  # noqa: S608 - our names


def _file(path: Path) -> tuple[int, int] | None:
    """Give what tells this file from one that takes its place; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
