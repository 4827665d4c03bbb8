"""The ledger in PostgreSQL when the server dies, hangs, forgets an answer: one sentence, no entry lost or doubled."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.ledger.entry import Appended, Ledger
from gateway.ledger.errors import BadLedger, LedgerDown
from gateway.ledger.open import open_ledger
from gateway.ledger.postgres import PostgresStore
from gateway.ledger.sql import SqlLedger
from tests.contract import postgres
from tests.contract.ledgers import EVER, call_entry, other_entry


@pytest.fixture
def url() -> str:
    return postgres.database_url()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """A ledger that waits a tenth of a second for a lock instead of five."""
    store = PostgresStore(url, wait_s=0.1)
    store.prepare()
    ledger = SqlLedger(store)
    ledger.append((call_entry(1), other_entry(2)))
    yield ledger
    ledger.close()


USES: dict[str, Callable[[Ledger], object]] = {
    "append": lambda ledger: ledger.append((call_entry(3),)),
    "entries": lambda ledger: ledger.entries(),
    "find": lambda ledger: ledger.find("x"),
    "find_response": lambda ledger: ledger.find_response("x"),
    "spend": lambda ledger: ledger.spend(EVER),
    "conflicts": lambda ledger: ledger.conflicts(),
    "verify": lambda ledger: ledger.verify(),
    "remove": lambda ledger: ledger.remove("demo"),
    "ping": lambda ledger: ledger.ping(),
}


def test_F44_F79_a_server_that_is_away_is_said_by_every_call_and_missed_by_none_when_it_is_back(
    ledger: Ledger, url: str, tmp_path: Path
) -> None:
    postgres.stop()
    try:
        for use in USES.values():
            with pytest.raises(LedgerDown, match="PostgreSQL at .*, database ledger"):
                use(ledger)
        with pytest.raises(LedgerDown, match="does not answer"):
            open_ledger(url, tmp_path)
    finally:
        postgres.start()
    ledger.ping()
    assert ledger.append((call_entry(1), call_entry(3))) == Appended(1, 1)
    assert ledger.verify().entries == 3
    assert ledger.verify().intact


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_F45_a_connection_cut_at_rest_goes_unnoticed(ledger: Ledger, url: str, use: Callable[[Ledger], object]) -> None:
    with psycopg.connect(url) as other:
        others = "application_name = 'weighbridge' AND pid <> pg_backend_pid()"
        ended = other.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}").fetchall()
    assert ended == [(True,)]
    use(ledger)
    assert ledger.verify().intact


def test_F45_a_lock_that_is_held_too_long_is_said_and_heals(ledger: Ledger, url: str) -> None:
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM weighbridge.head FOR UPDATE")
        with pytest.raises(LedgerDown, match="locked"):
            ledger.append((call_entry(3),))
        assert len(ledger.entries()) == 2
    assert ledger.append((call_entry(3),)) == Appended(1, 0)


def test_F46_a_read_only_server_is_said(url: str, ledger: Ledger) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        # A standby answers the same.
        other.execute(f"ALTER DATABASE {postgres.DATABASE} SET default_transaction_read_only = on")
        try:
            with closing(PostgresStore(url)) as store, pytest.raises(LedgerDown, match="only be read"):
                store.write(lambda session: session.rows("UPDATE head SET removals = 0"))
        finally:
            other.execute(f"ALTER DATABASE {postgres.DATABASE} RESET default_transaction_read_only")


def test_a_book_whose_tables_are_gone_is_said_and_nothing_begins_anew(ledger: Ledger, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("DROP SCHEMA weighbridge CASCADE")
    for use in USES.values():
        with pytest.raises(LedgerDown, match="does not exist"):
            use(ledger)


def test_a_newer_schema_stops_the_start_F49(ledger: Ledger, url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE weighbridge.head SET schema_version = 9")
    with pytest.raises(BadLedger, match="newer Weighbridge .schema 9"):
        open_ledger(url, tmp_path)
    with pytest.raises(LedgerDown, match="restart it"):
        ledger.append((call_entry(3),))


def test_F84_a_book_put_back_to_an_earlier_hour_under_a_running_gateway_takes_the_hour_again(
    ledger: Ledger, url: str
) -> None:
    kept: dict[str, list[Any]] = {}
    tables = ("head", "entries", "accounts", "calls", "daily")
    with psycopg.connect(url, autocommit=True) as other:
        for table in tables:
            kept[table] = other.execute(f"SELECT * FROM weighbridge.{table}").fetchall()
        hour = tuple(call_entry(number) for number in range(10, 60))
        ledger.append(hour)
        spent = ledger.spend(EVER)
        for table in tables:
            other.execute(f"TRUNCATE weighbridge.{table}")
            marks = ",".join(["%s"] * len(kept[table][0]))
            other.cursor().executemany(f"INSERT INTO weighbridge.{table} VALUES ({marks})", kept[table])
    assert ledger.append(hour[25:]) == Appended(25, 0)
    assert ledger.append(hour) == Appended(25, 25)
    assert ledger.spend(EVER) == spent
    assert ledger.verify().intact


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/db", LedgerDown, "127.0.0.1"),
        ("postgresql://u:hunter2@127.0.0.1:99999/db", LedgerDown, "port"),
        ("postgresql://u:hunter2%zz@h/db", BadLedger, "not one PostgreSQL reads"),
        ("postgresql://u:hunter2@h/db?sslmod=require", BadLedger, "not one PostgreSQL reads"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(
    tmp_path: Path, url: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        open_ledger(url, tmp_path)
    shown: BaseException | None = raised.value
    while shown is not None:
        assert "hunter2" not in str(shown)
        shown = shown.__cause__


def test_a_database_that_is_not_there_is_said(url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerDown, match='"nowhere" does not exist'):
        open_ledger(url.replace("/ledger?", "/nowhere?"), tmp_path)


def test_a_user_without_rights_is_said(url: str, ledger: Ledger, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("DROP ROLE IF EXISTS guest")
        other.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(LedgerDown, match="may not be used by this user"):
        open_ledger(url.replace("postgres:@", "guest:@"), tmp_path)


def test_a_database_that_is_not_in_utf_8_is_refused(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("DROP DATABASE IF EXISTS latin")
        other.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(BadLedger, match="UTF8"):
        open_ledger(url.replace("/ledger?", "/latin?"), tmp_path)


class Forgetful:
    """A line to the server that passes one COMMIT on, and then dies before the answer."""

    def __init__(self, folder: Path) -> None:
        self.forget = False
        self.forgotten = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        lines = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            lines.append(threading.Thread(target=self._carry, args=(client,)))
            lines[-1].start()
        for line in lines:
            line.join()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{postgres.socket_folder()}/.s.PGSQL.5432")
        with client, server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    (server if one is client else client).sendall(data)
                    if one is client and self.forget and b"COMMIT\0" in data:
                        server.recv(65536)
                        self.forget = False
                        self.forgotten += 1
                        return


@pytest.fixture
def forgetful(url: str) -> Iterator[Forgetful]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="wb-") as folder, closing(Forgetful(Path(folder))) as line:
        line.url = url.replace(postgres.socket_folder(), folder)
        yield line


def test_F47_C22_a_commit_whose_answer_is_lost_is_asked_again_and_counts_once(forgetful: Any) -> None:
    with closing(open_ledger(forgetful.url, Path())) as ledger:
        ledger.append((call_entry(1),))
        forgetful.forget = True
        assert ledger.append((call_entry(2), call_entry(3))) == Appended(0, 2)
        assert forgetful.forgotten == 1
        assert [row.position for row in ledger.entries()] == [1, 2, 3]
        assert ledger.verify().intact


def test_F47_C22_on_a_fresh_connection_the_caller_is_told_and_may_ask_again(forgetful: Any) -> None:
    with closing(open_ledger(forgetful.url, Path())) as ledger:
        ledger._store._pool.drain()
        forgetful.forget = True
        with pytest.raises(LedgerDown, match="does not answer"):
            ledger.append((call_entry(2), call_entry(3)))
        assert ledger.append((call_entry(2), call_entry(3), call_entry(4))) == Appended(1, 2)
        assert sum(row.calls for row in ledger.spend(EVER)) == 3
        assert ledger.verify().intact
