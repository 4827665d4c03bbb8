"""The book in PostgreSQL: one writer at a time over all gateways, any number of readers."""

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.ledger.errors import BadLedger, LedgerDown, Unstorable
from gateway.ledger.pool import Pool
from gateway.ledger.schema import check_version, migrate, version
from gateway.ledger.sql import SqlLedger
from gateway.ledger.store import WAIT_S, Session, Value, Work

SCHEMA = "weighbridge"

WORDS = {"int": "BIGINT", "text": 'TEXT COLLATE "C"', "time": "TIMESTAMPTZ", "bytes": "BYTEA", "clustered": ""}

CONNECTION: dict[str, str | int] = {
    "connect_timeout": 5,
    "application_name": "weighbridge",
    # A server behind a cut cable is found out in 15 s instead of the kernel's quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
"""Where the URL does not say otherwise."""

# Said in every transaction, not once for the connection, so that a pooler between us and the server may swap them.
_LOCAL = (
    f"SET LOCAL search_path = {SCHEMA}; SET LOCAL TimeZone = 'UTC'; "
    "SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"
)
# Every page is short and lies in the order of an index. Without statistics, on a young book, the planner would rather
# collect all rows into a bitmap and sort them: 600 ms for 1,000 entries instead of 10.
_READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_LOCAL}; SET LOCAL enable_bitmapscan = off"
_WRITE = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_LOCAL}; SET LOCAL synchronous_commit = 'on'"
# Positions are given and committed under this one row's lock: whoever reads on from a position misses nothing.
_LOCK = "SELECT FROM head FOR UPDATE"
_MIGRATE = "SELECT pg_advisory_xact_lock(7492014)"


def open_postgres(url: str) -> SqlLedger:
    """Give the ledger in the database at `url`, its tables made when there are none; raises BadLedger, LedgerDown."""
    store = PostgresStore(url)
    try:
        store.prepare()
    except BaseException:
        store.close()
        raise
    return SqlLedger(store)


class PostgresStore:
    """One database, in a schema of its own. A connection that died at rest is replaced unnoticed."""

    day = "to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"

    def __init__(self, url: str, wait_s: float = WAIT_S) -> None:
        """Keep the book in the database at `url`; raises BadLedger when that is no URL."""
        try:
            said = conninfo_to_dict(url)
        except psycopg.Error:
            # The cause is left out: it may repeat the URL, and so a password.
            raise BadLedger(
                "The ledger's URL is not one PostgreSQL reads; postgresql://user@host:5432/db is."
            ) from None
        self._conninfo = make_conninfo(
            "", **{**CONNECTION, **{name: value for name, value in said.items() if value is not None}}
        )
        self._where = f"PostgreSQL at {said.get('host', 'this machine')}, database {said.get('dbname', 'of that name')}"
        self._lock_timeout = f"SET LOCAL lock_timeout = {int(wait_s * 1000)}"
        self._pool: Pool[psycopg.Connection] = Pool(self._connect)

    def read(self, work: Callable[[Session], Work]) -> Work:
        """Give what `work` makes of one snapshot."""
        return self._run(_READ, work)

    def write(self, work: Callable[[Session], Work]) -> Work:
        """Give what `work` made once it is durable, as the server is set up to be."""
        return self._run(f"{_WRITE}; {self._lock_timeout}; {_LOCK}", work)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def prepare(self) -> None:
        """Make the schema and its tables, or bring an older one up to date."""
        found = self.read(_version)
        check_version(found, f"The ledger in {self._where}")
        if found < version():
            self._run(f"{_WRITE}; {_MIGRATE}", _migrate)

    def _connect(self) -> psycopg.Connection:
        try:
            # Prepared statements would be lost behind a pooler, and ours are few and large.
            connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise self._named(error) from error
        if connection.info.parameter_status("server_encoding") != "UTF8":
            connection.close()
            raise BadLedger(f"{self._where} is not in UTF-8: create the database with ENCODING 'UTF8'.")
        return connection

    def _run(self, begin: str, work: Callable[[Session], Work]) -> Work:
        """Run a transaction; on a connection that turns out to be dead, once more on a new one.

        Also where the commit's answer was lost: every change can be repeated, known ids change nothing.
        """
        while True:
            connection, rested = self._pool.take()
            try:
                connection.execute(begin)
                made = work(PostgresSession(connection))
                connection.execute("COMMIT")
            except BaseException as error:
                dead = connection.broken
                connection.close()
                if dead and rested and isinstance(error, psycopg.Error):
                    self._pool.drain()
                    continue
                if isinstance(error, psycopg.Error):
                    raise self._named(error) from error
                raise
            self._pool.give(connection)
            return made

    def _named(self, error: psycopg.Error) -> LedgerDown | Unstorable:
        """Give our error for one of the driver's."""
        said = str(error).partition("\n")[0]
        if isinstance(error, (psycopg.DataError, psycopg.IntegrityError)):
            return Unstorable(None, f"PostgreSQL refuses it: {said}")
        why = _SAYS.get(error.sqlstate or "")
        if why is None:
            lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
            why = f"does not answer: {said}. Start it, or correct [ledger] url" if lost else f"refuses: {said}"
        return LedgerDown(f"The ledger in {self._where} {why}.")


_SAYS = {
    "25006": "may only be read: it is a standby, or set to read-only",
    "40001": "could not put this transaction in order with others",
    "40P01": "had two transactions wait for each other",
    "42501": "may not be used by this user: grant it the schema and its tables",
    "53100": "has no room left: its disk is full",
    "53300": "has no connection to spare",
    "55P03": "is locked: another writer has held it for longer than a batch takes",
    "57014": "took longer than 60 s over one statement",
}
"""By SQLSTATE (PostgreSQL manual, appendix A)."""


class PostgresSession:
    """One transaction on one connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Speak within the transaction that `connection` has begun."""
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run one statement."""
        cursor = self._connection.execute(_query(sql), values)
        return cursor.fetchall() if cursor.description else []

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        """Copy the rows in."""
        if not rows:
            return
        with self._connection.cursor().copy(_query(f"COPY {table} ({', '.join(columns)}) FROM STDIN")) as copy:
            for row in rows:
                copy.write_row(row)

    def add_up(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        """Insert all rows, or add to those that are there, in one statement."""
        if not rows:
            return
        names = (*keys, *sums)
        added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
        columns = [list(column) for column in zip(*rows, strict=True)]
        types = ("text[]" if isinstance(column[0], str) else "bigint[]" for column in columns)
        sql = (
            f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608 - our names; values are bound
            f"SELECT * FROM unnest({', '.join(f'?::{kind}' for kind in types)}) "
            f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"
        )
        self._connection.execute(_query(sql), columns)


def _query(sql: str) -> str:
    """Give our SQL with the driver's placeholders. None of it comes from outside; no value is ever put into it."""
    return sql.replace("?", "%s")


def _version(session: Session) -> int:
    """Give the version of the schema, 0 for none."""
    if session.rows(f"SELECT to_regclass('{SCHEMA}.head')")[0][0] is None:
        return 0
    return int(session.rows("SELECT schema_version FROM head")[0][0])


def _migrate(session: Session) -> None:
    """Make our schema unless an administrator has done so, then its tables."""
    if session.rows("SELECT to_regnamespace(?)", (SCHEMA,))[0][0] is None:
        session.rows(f"CREATE SCHEMA {SCHEMA}")
    migrate(session, _version(session), WORDS)
