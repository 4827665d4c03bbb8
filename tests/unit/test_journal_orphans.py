"""Journals without an owner: their entries reach the ledger, and their directories go when they are old."""

import os
from pathlib import Path

from gateway.journal.dead_letters import DEAD_LETTERS
from gateway.journal.journal import Journal
from gateway.journal.orphans import Orphan, recover_orphans
from gateway.journal.segment import segment_numbers, segment_path
from gateway.ledger.entry import Appended, Entry
from gateway.ledger.errors import LedgerDown
from tests.fakes.calls import end_of, intent_of
from tests.fakes.ledger import MemoryLedger


def left_behind(root: Path, number: int) -> Path:
    """Leave a journal with one ended and one open request, nothing of it shipped."""
    directory = root / str(number)
    journal = Journal.open(directory, durability="process", group_ms=1, segment_bytes=2**13)
    for name in ("done", "open"):
        journal.intent(intent_of(f"req_{number}_{name}"))
    journal.end(f"req_{number}_done", end_of(f"req_{number}_done"), ())
    journal.close()
    return directory


def ids(ledger: MemoryLedger) -> list[str]:
    return [row.entry.id for row in ledger.rows]


def test_directories_of_workers_that_will_not_start_are_shipped_and_the_others_left(tmp_path: Path):
    for number in range(4):
        left_behind(tmp_path, number)
    ledger = MemoryLedger()
    found = recover_orphans(tmp_path, {0, 1}, ledger, retention_s=3600)
    assert found == (Orphan(tmp_path / "2", 2, 1), Orphan(tmp_path / "3", 2, 1))
    assert ids(ledger) == ["req_2_done:call", "req_2_open:call", "req_3_done:call", "req_3_open:call"]
    assert [row.entry.call().state for row in ledger.rows[:2]] == ["settled", "uncertain"]


def test_a_second_look_finds_nothing_to_do(tmp_path: Path):
    directory = left_behind(tmp_path, 1)
    ledger = MemoryLedger()
    recover_orphans(tmp_path, set(), ledger, retention_s=3600)
    segments = segment_numbers(directory)
    assert recover_orphans(tmp_path, set(), ledger, retention_s=3600) == ()
    assert segment_numbers(directory) == segments
    assert len(ledger.rows) == 2


def test_a_journal_that_is_in_use_is_left_alone(tmp_path: Path):
    journal = Journal.open(tmp_path / "1", durability="process", group_ms=1, segment_bytes=2**13)
    journal.intent(intent_of("req_1"))
    ledger = MemoryLedger()
    assert recover_orphans(tmp_path, set(), ledger, retention_s=0) == ()
    journal.end("req_1", end_of("req_1"), ())
    journal.close()
    assert ledger.rows == []


def test_what_is_shipped_and_old_is_deleted_with_its_directory(tmp_path: Path):
    directory = left_behind(tmp_path, 1)
    ledger = MemoryLedger()
    recover_orphans(tmp_path, set(), ledger, retention_s=3600)
    for number in segment_numbers(directory):
        os.utime(segment_path(directory, number), (0, 0))
    assert recover_orphans(tmp_path, set(), ledger, retention_s=3600) == ()
    assert not directory.exists()


def test_dead_letters_keep_their_directory(tmp_path: Path):
    directory = left_behind(tmp_path, 1)
    recover_orphans(tmp_path, set(), MemoryLedger(), retention_s=0)
    (directory / DEAD_LETTERS).write_text("")
    recover_orphans(tmp_path, set(), MemoryLedger(), retention_s=0)
    assert (directory / DEAD_LETTERS).exists()


def test_F44_a_ledger_that_is_down_leaves_it_for_the_next_start(tmp_path: Path):
    class Down(MemoryLedger):
        def append(self, entries: tuple[Entry, ...]) -> Appended:
            raise LedgerDown("The ledger is away.")

    directory = left_behind(tmp_path, 1)
    assert recover_orphans(tmp_path, set(), Down(), retention_s=0) == (
        Orphan(directory, problem="The ledger is away."),
    )
    ledger = MemoryLedger()
    recover_orphans(tmp_path, set(), ledger, retention_s=0)
    assert ids(ledger) == ["req_1_done:call", "req_1_open:call"]


def test_no_journals_at_all_is_nothing_to_do(tmp_path: Path):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "notes").mkdir()
    assert recover_orphans(tmp_path / "nowhere", set(), MemoryLedger(), retention_s=0) == ()
    assert recover_orphans(tmp_path / "journal", set(), MemoryLedger(), retention_s=0) == ()
