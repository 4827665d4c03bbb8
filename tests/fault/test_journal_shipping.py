"""A ledger that is down, locked, deaf or picky, and a journal that is harmed: the rest reaches the book, once."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.journal.checkpoint import CHECKPOINT
from gateway.journal.dead_letters import DEAD_LETTERS, read_dead_letters
from gateway.journal.disk import LOCAL_DISK
from gateway.journal.frame import ENTRY, Frame, frames
from gateway.journal.journal import Journal
from gateway.journal.segment import segment_path
from gateway.journal.shipper import Shipper
from gateway.ledger.entry import Entry
from gateway.ledger.errors import LedgerDown, Unstorable
from tests.fakes.calls import note_of
from tests.fakes.shipping import WAIT_S, Scripted, running, until


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**16)
    yield journal
    journal.close()


def test_F44_while_the_ledger_is_down_the_journal_goes_on_and_all_is_shipped_when_it_is_back(
    journal: Journal, caplog: pytest.LogCaptureFixture
):
    down = threading.Event()
    down.set()

    def before(entries: tuple[Entry, ...]) -> None:
        if down.is_set():
            raise LedgerDown("The ledger is away.")

    ledger = Scripted(before)
    shipper = running(journal, ledger)
    for number in range(50):
        journal.append(note_of(f"note_{number}"))
    until(lambda: shipper.ledger_failures >= 3)
    assert shipper.problem == "The ledger is away."
    assert shipper.lag_records == 50
    assert shipper.lag_s > 0
    assert journal.healthy
    down.clear()
    assert shipper.wait_shipped(journal.sequence, WAIT_S)
    until(lambda: shipper.problem is None)
    assert (len(ledger.rows), shipper.lag_records) == (50, 0)
    until(lambda: shipper.lag_s == 0)
    assert shipper.stop(WAIT_S)
    assert [record.message for record in caplog.records] == ["shipping_held_up", "shipping_resumed"]


def test_F45_a_locked_ledger_is_asked_again_and_the_request_path_does_not_wait(journal: Journal):
    locked = threading.Event()

    def before(entries: tuple[Entry, ...]) -> None:
        locked.wait(WAIT_S)

    ledger = Scripted(before)
    shipper = running(journal, ledger)
    journal.append(note_of("note_0"))
    until(lambda: bool(ledger.batches))
    for number in range(1, 20):
        journal.append(note_of(f"note_{number}"))
    assert ledger.rows == []
    locked.set()
    assert shipper.wait_shipped(journal.sequence, WAIT_S)
    assert len(ledger.rows) == 20
    assert shipper.stop(WAIT_S)


def test_F47_a_batch_whose_acknowledgement_is_lost_is_counted_as_duplicates(journal: Journal):
    lost = iter([True])

    def after() -> None:
        if next(lost, False):
            raise LedgerDown("The connection broke while the answer was awaited.")

    ledger = Scripted()
    ledger.after = after
    shipper = Shipper(journal, ledger, retention_s=3600)
    for number in range(10):
        journal.append(note_of(f"note_{number}"))
    shipper.start()
    assert shipper.wait_shipped(journal.sequence, WAIT_S)
    assert len(ledger.rows) == 10
    assert shipper.duplicates == sum(ledger.batches) - 10 > 0
    assert shipper.stop(WAIT_S)


@pytest.mark.parametrize("names_it", [True, False])
@pytest.mark.parametrize("poisoned", [(0,), (7,), (49,), (0, 1, 2), (3, 30, 31, 49)])
def test_F48_a_poisoned_entry_is_set_aside_and_the_rest_goes_on(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture, poisoned: tuple[int, ...], names_it: bool
):
    poison = {f"note_{number}" for number in poisoned}

    def before(entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            if entry.id in poison:
                raise Unstorable(entry.id if names_it or len(entries) == 1 else None, "its text holds a NUL")

    ledger = Scripted(before)
    for number in range(50):
        journal.append(note_of(f"note_{number}"))
    shipper = running(journal, ledger)
    assert shipper.wait_shipped(journal.sequence, WAIT_S)
    assert ledger.ids == [f"note_{number}" for number in range(50) if number not in poisoned]
    assert shipper.stop(WAIT_S)
    letters = read_dead_letters(LOCAL_DISK, tmp_path)
    assert sorted(letter.id for letter in letters) == sorted(poison)
    assert all("its text holds a NUL" in letter.why for letter in letters)
    assert msgspec.json.decode(letters[0].entry, type=Entry) in [note_of(entry_id) for entry_id in poison]
    assert shipper.dead_letters == len(poisoned)
    assert len([record for record in caplog.records if record.message == "entry_set_aside"]) == len(poisoned)

    # Shipped once more, as after a crash before the checkpoint, it is not set aside a second time.
    (tmp_path / CHECKPOINT).unlink()
    again = running(journal, ledger)
    assert again.wait_shipped(journal.sequence, WAIT_S)
    assert again.stop(WAIT_S)
    assert read_dead_letters(LOCAL_DISK, tmp_path) == letters
    assert again.duplicates == 50 - len(poisoned)


def test_F48_a_dead_letter_cut_short_by_a_crash_spoils_no_other(journal: Journal, tmp_path: Path):
    (tmp_path / DEAD_LETTERS).write_bytes(b'{"id":"note_1","at":"2026-11-')

    def before(entries: tuple[Entry, ...]) -> None:
        if any(entry.id == "note_1" for entry in entries):
            raise Unstorable("note_1", "no")

    journal.append(note_of("note_1"))
    shipper = running(journal, Scripted(before))
    assert shipper.wait_shipped(1, WAIT_S)
    assert shipper.stop(WAIT_S)
    assert [letter.id for letter in read_dead_letters(LOCAL_DISK, tmp_path)] == ["note_1"]


def test_F52_a_damaged_record_is_told_with_its_place_and_the_rest_is_shipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**16)
    for number in range(5):
        journal.append(note_of(f"note_{number}"))
    journal.close()
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    third = [item for item in frames(bytes(data)) if isinstance(item, Frame) and item.kind == ENTRY][2]
    data[third.offset + 60] ^= 4
    path.write_bytes(data)
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**16)
    caplog.clear()
    ledger = Scripted()
    shipper = running(journal, ledger)
    assert shipper.wait_shipped(journal.sequence, WAIT_S)
    assert shipper.stop(WAIT_S)
    journal.close()
    assert ledger.ids == ["note_0", "note_1", "note_3", "note_4"]
    assert shipper.gaps == 1
    told = [(record.kind, record.segment, record.offset) for record in caplog.records]
    assert told == [("corrupt", 1, third.offset), ("gap", 1, third.end)]
    assert all(record.levelno == logging.ERROR for record in caplog.records)


def test_an_engine_that_breaks_its_promise_does_not_end_shipping(journal: Journal, caplog: pytest.LogCaptureFixture):
    broken = iter([True, True])

    def before(entries: tuple[Entry, ...]) -> None:
        if next(broken, False):
            raise ZeroDivisionError("a defect of ours")

    ledger = Scripted(before)
    shipper = running(journal, ledger)
    journal.append(note_of("note_1"))
    assert shipper.wait_shipped(1, WAIT_S)
    assert shipper.stop(WAIT_S)
    assert caplog.records[0].exc_info is not None
