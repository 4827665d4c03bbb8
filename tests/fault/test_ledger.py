"""The ledger in SQLite when its file or its neighbours fail: said in one sentence, nothing lost, nothing half done."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.ledger import schema
from gateway.ledger.entry import Appended, Ledger, SpendQuery
from gateway.ledger.errors import BadLedger, LedgerDown
from gateway.ledger.open import open_ledger
from gateway.ledger.sql import SqlLedger
from gateway.ledger.sqlite import SqliteStore
from tests.contract.ledgers import NOON, call_entry, other_entry

EVER = SpendQuery(since=NOON - timedelta(days=9), until=NOON + timedelta(days=9), by=("day", "team", "request_model"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store that waits a twentieth of a second for a lock instead of five."""
    store = SqliteStore(path, wait_s=0.05)
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def ledger(store: SqliteStore) -> Ledger:
    ledger = SqlLedger(store)
    ledger.append((call_entry(1), other_entry(2)))
    return ledger


def test_F45_a_locked_file_is_said_and_heals(ledger: Ledger, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerDown, match="locked"):
        ledger.append((call_entry(3),))
    assert len(ledger.entries()) == 2
    ledger.ping()
    other.execute("ROLLBACK")
    other.close()
    assert ledger.append((call_entry(3),)) == Appended(1, 0)


def test_F46_a_full_disk_is_said_changes_nothing_and_heals(store: SqliteStore, ledger: Ledger) -> None:
    connection, _ = store._pool.take()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    store._pool.give(connection)
    batch = tuple(call_entry(number) for number in range(10, 40))
    with pytest.raises(LedgerDown, match="disk is full"):
        ledger.append(batch)
    assert ledger.verify().entries == 2
    assert ledger.append(batch) == Appended(30, 0)
    assert ledger.verify().intact


def test_a_file_that_was_moved_away_is_said_and_no_new_book_begins(ledger: Ledger, path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    for said in ("moved or replaced", "missing"):
        with pytest.raises(LedgerDown, match=said):
            ledger.append((call_entry(3),))
        with pytest.raises(LedgerDown, match="missing"):
            ledger.ping()
    assert not path.exists()


def test_F84_an_hour_old_backup_put_back_under_a_running_ledger_takes_the_hour_again(
    ledger: Ledger, path: Path
) -> None:
    hour = tuple(call_entry(number) for number in range(10, 60))
    backup = sqlite3.connect(path.with_name("backup"))
    running = sqlite3.connect(path)
    running.backup(backup)
    for connection in (running, backup):
        connection.close()
    ledger.append(hour)
    spent, head = ledger.spend(EVER), ledger.verify().head

    for part in ("-wal", "-shm"):
        path.with_name(path.name + part).unlink(missing_ok=True)
    path.with_name("backup").replace(path)
    with pytest.raises(LedgerDown, match="replaced"):
        ledger.append(hour)
    # The hour's accounts are not in this file, though the process remembers numbers for them.
    assert ledger.append(tuple(reversed(hour[25:]))) == Appended(25, 0)
    assert ledger.append(hour) == Appended(25, 25)
    assert ledger.spend(EVER) == spent
    verified = ledger.verify(anchor=head)
    assert (verified.intact, verified.entries) == (False, 52)
    assert "noted outside" in str(verified.problem)
    assert ledger.verify().intact


def test_a_damaged_file_is_said(ledger: Ledger, store: SqliteStore, path: Path) -> None:
    store._pool.drain()
    pages = bytearray(path.read_bytes())
    pages[100:] = b"\x55" * (len(pages) - 100)
    path.write_bytes(bytes(pages))
    with pytest.raises(LedgerDown, match="damaged: restore a backup"):
        ledger.entries()


@pytest.mark.parametrize("column", ["body", "occurred_at"])
def test_a_damaged_row_is_said_and_the_others_can_be_read(ledger: Ledger, path: Path, column: str) -> None:
    other = sqlite3.connect(path)
    with other:
        other.execute(f"UPDATE entries SET {column} = CAST(x'ff' AS TEXT) WHERE position = 1")
    other.close()
    with pytest.raises(LedgerDown, match="position 1 was damaged"):
        ledger.entries()
    assert [row.position for row in ledger.entries(after=1)] == [2]
    assert ledger.verify().first_bad == 1


@pytest.mark.parametrize("version", [schema.version() + 1, schema.version() + 20])
def test_F49_a_newer_schema_stops_the_start_and_a_running_older_one(ledger: Ledger, path: Path, version: int) -> None:
    other = sqlite3.connect(path)
    with other:
        other.execute("UPDATE head SET schema_version = ?", (version,))
    other.close()
    with pytest.raises(BadLedger, match=f"newer Weighbridge .schema {version}"):
        open_ledger(f"sqlite:{path}", path.parent)
    for use in (lambda: ledger.append((call_entry(3),)), lambda: ledger.remove("demo"), ledger.verify, ledger.ping):
        with pytest.raises(LedgerDown, match="restart it"):
            use()


def test_F49_an_older_schema_is_brought_up_in_order_and_keeps_every_entry(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = ("CREATE TABLE notes (a $int)",)
    third = ("ALTER TABLE notes ADD COLUMN b $text", "INSERT INTO notes VALUES (1, 'x')")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, second, third))
    upgraded = open_ledger(f"sqlite:{path}", path.parent)
    assert len(upgraded.entries()) == 2
    assert upgraded.append((call_entry(3),)) == Appended(1, 0)
    assert upgraded.verify().intact
    upgraded.close()
    other = sqlite3.connect(path)
    assert other.execute("SELECT a, b, schema_version FROM notes, head").fetchall() == [(1, "x", 3)]
    other.close()


def test_F49_C26_a_migration_that_was_cut_short_leaves_the_old_version(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = schema.MIGRATIONS
    monkeypatch.setattr(schema, "MIGRATIONS", (*good, ("CREATE TABLE notes (a $int)", "no such statement")))
    with pytest.raises(LedgerDown):
        open_ledger(f"sqlite:{path}", path.parent)
    monkeypatch.setattr(schema, "MIGRATIONS", good)
    again = open_ledger(f"sqlite:{path}", path.parent)
    assert len(again.entries()) == len(ledger.entries()) == 2
    again.close()


def foreign(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE songs (title)")
    other.close()


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("not a database, but long enough to be looked at " * 99), "no SQLite file"),
    "another program's": (foreign, "another program's"),
    "a folder": (lambda path: path.mkdir(), "directory"),
    "a folder that is not there": (lambda path: path.parent.rmdir(), "No such file"),
}


@pytest.mark.parametrize(("spoil", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_the_book_is_said_at_the_start(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "folder" / "ledger.sqlite"
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(BadLedger, match=said):
        open_ledger(f"sqlite:{path}", tmp_path)


@pytest.mark.parametrize(
    "url",
    ["", "sqlite:", "sqlite:relative.db", "sqlite::memory:", "sqlite://host/path", "mysql://u:hunter2@h/d", "hunter2"],
)
def test_a_url_that_names_no_ledger_is_refused_with_those_that_do(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadLedger, match="postgresql://") as raised:
        open_ledger(url, tmp_path)
    assert "hunter2@" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_the_data_directory_is_made_and_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    open_ledger("sqlite", tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / "ledger.sqlite").stat().st_mode & 0o777 == 0o600
    open_ledger(f"sqlite://{tmp_path}/c%20d?e#f.sqlite", tmp_path).close()
    assert (tmp_path / "c%20d?e#f.sqlite").is_file()


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadLedger, match="data directory"):
        open_ledger("sqlite", tmp_path / "file" / "data")


def test_a_missing_driver_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "gateway.ledger.postgres", raising=False)
    with pytest.raises(BadLedger, match="psycopg"):
        open_ledger("postgresql://localhost/x", tmp_path)


def test_a_gateway_with_sqlite_loads_no_driver(tmp_path: Path) -> None:
    check = "import sys; from gateway.ledger.open import open_ledger as o; from pathlib import Path; "
    check += "o('sqlite', Path(sys.argv[1])).close(); print('psycopg' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", check, tmp_path], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
