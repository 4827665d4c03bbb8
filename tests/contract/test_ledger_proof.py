"""What a verified book proves: nothing in it was changed, moved, added or taken out since it was written."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ledger import proof
from gateway.ledger.chain import GENESIS
from gateway.ledger.entry import Entry, Ledger
from gateway.ledger.errors import LedgerDown
from tests.contract.ledgers import Engine, call_entry, engine, other_entry

BOOK: tuple[Entry, ...] = (
    call_entry(1),
    other_entry(2),
    call_entry(3),
    call_entry(4, source="demo"),
    call_entry(5, kind="attempt"),
    other_entry(6, "feedback", b'{"request_id":"req_1"}', corrects="team:2"),
    call_entry(7, source="demo"),
    call_entry(8),
)


@pytest.fixture(params=("memory", "sqlite", "postgres"))
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with engine(request.param, tmp_path) as found:
        yield found


@pytest.fixture(params=("sqlite", "postgres"))
def touched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with engine(request.param, tmp_path) as found:
        yield found


def written(book: Engine) -> Ledger:
    ledger = book.open()
    for start in range(0, len(BOOK), 3):
        ledger.append(BOOK[start : start + 3])
    return ledger


def test_an_untouched_book_is_whole_and_says_how_far_it_was_read(book: Engine) -> None:
    ledger, told = written(book), []
    found = ledger.verify(told.append)
    assert (found.entries, found.intact, found.first_bad, found.problem) == (8, True, None, None)
    assert told[-1] == 8
    assert ledger.verify().head == found.head
    assert len(bytes.fromhex(found.head)) == 32


def test_the_same_entries_in_the_same_order_have_the_same_head_on_every_engine(tmp_path: Path) -> None:
    heads = set()
    for name in ("memory", "sqlite", "postgres"):
        with engine(name, tmp_path) as found:
            heads.add(written(found).verify().head)
    assert len(heads) == 1


def test_a_head_noted_outside_is_found_again_later_and_only_in_its_own_book(book: Engine) -> None:
    ledger = written(book)
    noted = ledger.verify().head
    ledger.append((call_entry(9), other_entry(10)))
    assert ledger.verify(anchor=noted).intact
    assert ledger.verify(anchor=GENESIS.hex()).intact
    assert ledger.verify(anchor=ledger.verify().head).intact
    found = ledger.verify(anchor="ab" * 32)
    assert not found.intact
    assert "noted outside" in str(found.problem)


def test_G10_a_book_that_was_cut_and_written_on_is_told_by_the_head_noted_outside(
    tmp_path: Path,
) -> None:
    with engine("sqlite", tmp_path) as first:
        noted = written(first).verify().head
    (tmp_path / "ledger.sqlite").rename(tmp_path / "true.sqlite")
    with engine("sqlite", tmp_path) as second:
        forged = second.open()
        forged.append((*BOOK[:7], call_entry(8, {"billed_cost": 1})))
        assert forged.verify().intact
        assert not forged.verify(anchor=noted).intact


def test_the_head_can_be_recomputed_by_the_few_lines_in_the_manual(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()
    (script,) = (part.partition("```")[0] for part in manual.split("```python\n")[1:])
    with engine("sqlite", tmp_path) as book:
        ledger = written(book)
        ledger.append((other_entry(30, id='"\u20ac\\ \t\U0001f9ee/', source="import"),))
        command = [sys.executable, "-c", script, str(tmp_path / "ledger.sqlite")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert said.strip() == ledger.verify().head


MADE_UP = "account, 1, 1, 0, 0, 0, 0, 0, 0, 0 FROM calls WHERE position = 3"
ACCOUNT = "(SELECT account FROM calls WHERE position = 3)"
TAMPERED = {
    "a body": ("UPDATE entries SET body = replace(body, 'created', 'cheated') WHERE position = 2", 2),
    "an id": ("UPDATE entries SET id = 'team:9' WHERE position = 2", 2),
    "a kind": ("UPDATE entries SET kind = 'key' WHERE position = 2", 2),
    "a time": ("UPDATE entries SET occurred_at = '2026-11-20T12:00:03.000000Z' WHERE position = 2", 2),
    "a recorded time": ("UPDATE entries SET recorded_at = '2026-11-20T12:00:02.000001Z' WHERE position = 2", 2),
    "a source": ("UPDATE entries SET source = 'import' WHERE position = 2", 2),
    "a source, to the demo's": ("UPDATE entries SET source = 'demo' WHERE position = 2", 2),
    "what it corrects": ("UPDATE entries SET corrects = NULL WHERE position = 6", 6),
    "a correction made up": ("UPDATE entries SET corrects = '' WHERE position = 2", 2),
    "a payload's hash": ("UPDATE entries SET payload_hash = chain_hash WHERE position = 2", 2),
    "a link": ("UPDATE entries SET chain_hash = payload_hash WHERE position = 2", 2),
    "a request's id": ("UPDATE entries SET request_id = 'req_2' WHERE position = 6", 6),
    "a response's id": ("UPDATE entries SET response_id = NULL WHERE position = 3", 3),
    "a position": ("UPDATE entries SET position = 100 WHERE position = 2", 3),
    "the first row dropped": ("DELETE FROM entries WHERE position = 1", 2),
    "a row dropped": ("DELETE FROM entries WHERE position = 3", 5),
    "one demo row dropped": ("DELETE FROM entries WHERE position = 4", 7),
    "the last row dropped": ("DELETE FROM entries WHERE position = 8", 8),
    "the end dropped": ("DELETE FROM entries WHERE position > 5", 6),
    "everything dropped": ("DELETE FROM entries", 1),
    "a row added behind the end": (
        "INSERT INTO entries SELECT 9, 'x', kind, occurred_at, recorded_at, source, corrects, body, payload_hash,"
        " chain_hash, NULL, NULL FROM entries WHERE position = 2",
        9,
    ),
    "the head's link": ("UPDATE head SET book_chain = demo_chain", 9),
    "the demo's link": ("UPDATE head SET demo_chain = book_chain", 9),
    "the head's count": ("UPDATE head SET book_entries = 5", 9),
    "the head moved back": ("UPDATE head SET last_position = 7", 8),
    "a call's money": ("UPDATE calls SET billed_cost = billed_cost - 1 WHERE position = 3", 3),
    "a call's tokens": ("UPDATE calls SET output_tokens = 0 WHERE position = 5", 5),
    "a call's moment": ("UPDATE calls SET occurred_at = '2026-11-19T12:00:00.000000Z' WHERE position = 3", 3),
    "a call's account": (f"UPDATE calls SET account = {ACCOUNT} WHERE position = 1", 1),
    "a call dropped": ("DELETE FROM calls WHERE position = 8", 8),
    "a call made up": (f"INSERT INTO calls SELECT 2, occurred_at, {MADE_UP}", 2),
    "a call without an entry": (f"INSERT INTO calls SELECT 99, occurred_at, {MADE_UP}", 99),
    "an account's team": (f"UPDATE accounts SET team = 'other' WHERE id = {ACCOUNT}", 3),
    "an account dropped": (f"DELETE FROM accounts WHERE id = {ACCOUNT}", 3),
    "a day's money": (f"UPDATE daily SET billed_cost = 0 WHERE account = {ACCOUNT}", None),
    "a day dropped": (f"DELETE FROM daily WHERE account = {ACCOUNT}", None),
    "a day made up": (f"INSERT INTO daily SELECT '2026-11-01', {MADE_UP}", None),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "first_bad"), TAMPERED.values(), ids=TAMPERED.keys())
def test_G10_T61_whatever_is_touched_behind_the_books_back_is_found_and_where(
    touched: Engine, sql: str, first_bad: int | None
) -> None:
    ledger = written(touched)
    assert ledger.verify().intact
    touched.sql(sql)
    found = ledger.verify()
    assert not found.intact
    assert found.first_bad == first_bad
    assert found.problem


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (3, 4), (1, 8), (4, 7)])
def test_G10_rows_that_changed_places_are_found(touched: Engine, one: int, other: int) -> None:
    ledger = written(touched)
    for table in ("entries", "calls"):
        for new, old in ((99, one), (one, other), (other, 99)):
            touched.sql(f"UPDATE {table} SET position = {new} WHERE position = {old}")
    found = ledger.verify()
    assert (found.intact, found.first_bad) == (False, one)


def test_a_lost_head_is_said(touched: Engine) -> None:
    ledger = written(touched)
    touched.sql("DELETE FROM head")
    with pytest.raises(LedgerDown, match="lost its head"):
        ledger.verify()


def test_G10_any_flipped_byte_is_found(tmp_path: Path) -> None:
    with engine("sqlite", tmp_path) as book:
        ledger = book.open()
        ledger.append((other_entry(1), other_entry(2, corrects="team:1"), other_entry(3)))
        connection = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        columns = (
            "id",
            "kind",
            "occurred_at",
            "recorded_at",
            "source",
            "corrects",
            "body",
            "payload_hash",
            "chain_hash",
        )
        flips = 0
        for column in columns:
            read = f"SELECT CAST({column} AS BLOB), typeof({column}) FROM entries WHERE position = 2"
            whole, kind = connection.execute(read).fetchone()
            for at in range(len(whole)):
                flipped = whole[:at] + bytes([whole[at] ^ 1 << flips % 8]) + whole[at + 1 :]
                connection.execute(f"UPDATE entries SET {column} = CAST(? AS {kind}) WHERE position = 2", (flipped,))
                assert ledger.verify().first_bad == 2, (column, at)
                flips += 1
            connection.execute(f"UPDATE entries SET {column} = CAST(? AS {kind}) WHERE position = 2", (whole,))
            assert ledger.verify().intact
        connection.close()
        assert flips > 150


def test_what_is_appended_or_removed_meanwhile_is_no_lie(book: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "PAGE", 3)
    ledger, other = written(book), book.open()
    todo = [lambda: other.append((call_entry(20), call_entry(21, source="demo"))), lambda: other.remove("demo")]

    def meanwhile(_: int) -> None:
        if todo:
            todo.pop(0)()

    while todo:
        assert ledger.verify(meanwhile).intact
    assert ledger.verify().entries == 7
