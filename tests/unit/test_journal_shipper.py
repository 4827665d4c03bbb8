"""What the shipper does with entries: each is in the book once, whatever the book, the disk or a crash do."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.journal.checkpoint import CHECKPOINT, read_checkpoint
from gateway.journal.dead_letters import read_dead_letters
from gateway.journal.disk import LOCAL_DISK
from gateway.journal.journal import Journal
from gateway.journal.segment import segment_numbers, segment_path
from gateway.journal.shipper import Shipper
from gateway.ledger.entry import Entry
from gateway.ledger.errors import LedgerDown
from tests.fakes.calls import attempt_of, end_of, intent_of, note_of
from tests.fakes.disk import ScriptedDisk
from tests.fakes.ledger import MemoryLedger
from tests.fakes.shipping import WAIT_S, Scripted, running, until


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**16)
    yield journal
    journal.close()


def test_entries_are_shipped_in_order_and_intents_are_not(journal: Journal):
    ledger = Scripted()
    shipper = running(journal, ledger)
    journal.intent(intent_of("req_1"))
    journal.append(note_of("note_1"))
    sequence = journal.end("req_1", end_of("req_1"), (attempt_of("req_1", 0),))
    assert shipper.wait_shipped(sequence, WAIT_S)
    assert ledger.ids == ["note_1", "req_1:attempt:0", "req_1:call"]
    assert [row.entry for row in ledger.rows] == [note_of("note_1"), attempt_of("req_1", 0), end_of("req_1")]
    assert (shipper.entries_shipped, shipper.lag_records, shipper.problem) == (3, 0, None)
    assert shipper.stop(WAIT_S)


def test_a_wait_for_what_is_not_written_ends_at_its_time(journal: Journal):
    shipper = running(journal, MemoryLedger())
    assert not shipper.wait_shipped(1, 0.01)
    assert shipper.stop(WAIT_S)


def test_batches_hold_a_thousand_entries_and_no_record_is_split(journal: Journal):
    ledger = Scripted()
    for number in range(1500):
        journal.intent(intent_of(f"req_{number}"))
        journal.end(f"req_{number}", end_of(f"req_{number}"), (attempt_of(f"req_{number}", 0),))
    shipper = running(journal, ledger)
    assert shipper.wait_shipped(journal.sequence, WAIT_S)
    assert sum(ledger.batches) == 3000
    assert 1000 <= max(ledger.batches) <= 1001
    assert shipper.stop(WAIT_S)


@pytest.mark.parametrize("chunk", [1, 40, 100, 1000, 2**20])
def test_records_are_read_whole_whatever_piece_is_read_at_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, chunk: int
):
    monkeypatch.setattr("gateway.journal.tail.CHUNK_BYTES", chunk)
    ledger = Scripted()
    shipper = running(journal, ledger)
    for number in range(200):
        journal.append(note_of(f"note_{number}"))
    assert shipper.stop(WAIT_S)
    assert ledger.ids == [f"note_{number}" for number in range(200)]
    assert (shipper.gaps, shipper.duplicates, shipper.problem) == (0, 0, None)


def test_a_conflict_is_told_and_the_first_entry_stays(journal: Journal, caplog: pytest.LogCaptureFixture):
    ledger = Scripted()
    ledger.append((end_of("req_1", billed_cost=1),))
    shipper = running(journal, ledger)
    journal.intent(intent_of("req_1"))
    journal.end("req_1", end_of("req_1", billed_cost=2), ())
    assert shipper.wait_shipped(journal.sequence, WAIT_S)
    assert (shipper.conflicts, ledger.rows[0].entry.call().billed_cost) == (1, 1)
    assert [(record.message, record.entry_id) for record in caplog.records] == [("entry_conflict", "req_1:call")]
    assert shipper.stop(WAIT_S)


def test_a_second_start_goes_on_where_the_first_ended(journal: Journal):
    ledger = Scripted()
    first = running(journal, ledger)
    journal.append(note_of("note_1"))
    assert first.stop(WAIT_S)
    journal.append(note_of("note_2"))
    second = running(journal, ledger)
    assert second.stop(WAIT_S)
    assert (first.entries_shipped, second.entries_shipped, second.duplicates) == (1, 1, 0)


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"segment":"x"}'])
def test_without_a_checkpoint_everything_is_shipped_again_and_adds_nothing(
    journal: Journal, tmp_path: Path, content: bytes | None
):
    ledger = Scripted()
    first = running(journal, ledger)
    for number in range(7):
        journal.append(note_of(f"note_{number}"))
    assert first.stop(WAIT_S)
    (tmp_path / CHECKPOINT).unlink()
    if content is not None:
        (tmp_path / CHECKPOINT).write_bytes(content)
    second = running(journal, ledger)
    assert second.stop(WAIT_S)
    assert (second.entries_shipped, second.duplicates, len(ledger.rows)) == (0, 7, 7)


def test_nothing_is_shipped_that_a_power_cut_could_take_back(tmp_path: Path):
    journal = Journal.open(tmp_path, durability="group", group_ms=60_000, segment_bytes=2**16)
    ledger = Scripted()
    shipper = Shipper(journal, ledger, retention_s=3600)
    journal.append(note_of("note_1"))
    shipper.ship()
    assert ledger.rows == []
    synced = threading.Event()
    journal.listen(synced.set)
    journal.hurry()
    assert synced.wait(WAIT_S)
    shipper.ship()
    assert ledger.ids == ["note_1"]
    shipper.stop(0)
    journal.close()


def test_what_was_shipped_and_then_lost_here_is_told_and_its_sequences_are_not_given_again(tmp_path: Path):
    # As when a restored directory is older than its checkpoint, or power took what `process` never synced.
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**16)
    ledger = Scripted()
    for number in range(3):
        journal.append(note_of(f"note_{number}"))
    assert running(journal, ledger).stop(WAIT_S)
    journal.close()
    segment_path(tmp_path, 1).unlink()
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**16)
    assert [problem.text for problem in journal.recovered.problems] == ["records 1 to 3 are missing"]
    assert journal.append(note_of("note_3")) == 4
    assert segment_numbers(tmp_path) == [2]
    assert running(journal, ledger).stop(WAIT_S)
    journal.close()
    assert ledger.ids == ["note_0", "note_1", "note_2", "note_3"]


def test_what_a_killed_process_wrote_is_synced_before_it_is_shipped(tmp_path: Path):
    journal = Journal.open(tmp_path / "killed", durability="process", group_ms=1, segment_bytes=2**16)
    journal.append(note_of("note_1"))
    shutil.copytree(tmp_path / "killed", tmp_path / "next")
    journal.close()
    disk = ScriptedDisk()
    journal = Journal.open(tmp_path / "next", durability="group", group_ms=1, segment_bytes=2**16, disk=disk)
    synced = [operation.path for operation in disk.done if operation.name == "sync"]
    assert "0000000001.seg" in synced
    journal.close()


def test_what_is_not_drained_in_time_is_shipped_by_the_next_start(journal: Journal):
    down = True

    def before(entries: tuple[Entry, ...]) -> None:
        if down:
            raise LedgerDown("away")

    ledger = Scripted(before)
    shipper = running(journal, ledger)
    journal.append(note_of("note_1"))
    assert not shipper.stop(0.05)
    down = False
    shipper = running(journal, ledger)
    assert shipper.stop(WAIT_S)
    assert ledger.ids == ["note_1"]


def test_a_record_that_is_whole_but_not_understood_is_set_aside(tmp_path: Path):
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**16)
    journal.append(msgspec.structs.replace(note_of("note_1"), kind="from_the_future"))
    journal.append(note_of("note_2"))
    ledger = Scripted()
    shipper = running(journal, ledger)
    assert shipper.stop(WAIT_S)
    journal.close()
    assert ledger.ids == ["note_2"]
    (letter,) = read_dead_letters(LOCAL_DISK, tmp_path)
    assert letter.id == "record 1"
    assert json.loads(msgspec.json.decode(letter.entry))["kind"] == "from_the_future"


def test_segments_are_deleted_when_shipped_and_old_and_never_before(tmp_path: Path):
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**13)
    ledger = Scripted()
    shipper = Shipper(journal, ledger, retention_s=3600)
    journal.intent(intent_of("req_0"))
    for number in range(100):
        journal.append(note_of(f"a_{number}"))
    journal.intent(intent_of("req_open"))
    held = [
        number for number in segment_numbers(tmp_path) if b"req_open" in segment_path(tmp_path, number).read_bytes()
    ]
    for number in range(100):
        journal.append(note_of(f"b_{number}"))
    until(lambda: journal.pending == 0)
    everything = segment_numbers(tmp_path)
    times = {number: segment_path(tmp_path, number).stat().st_mtime for number in everything}
    for number in everything:
        os.utime(segment_path(tmp_path, number), (0, 0))
    shipper.ship()
    for number, written_at in times.items():
        os.utime(segment_path(tmp_path, number), (written_at, written_at))
    assert shipper.remove_old() == 0, "nothing is old yet"
    for number in everything:
        os.utime(segment_path(tmp_path, number), (0, 0))
    assert shipper.remove_old() == 0, "an intent in the first has no end yet"
    journal.end("req_0", end_of("req_0"), ())
    assert shipper.remove_old() == held[0] - everything[0] > 0
    assert segment_numbers(tmp_path)[0] == held[0], "the intent in it has no end yet"
    journal.end("req_open", end_of("req_open"), ())
    until(lambda: journal.pending == 0)
    shipper.ship()
    shipper.remove_old()
    left = segment_numbers(tmp_path)
    assert left[0] == read_checkpoint(LOCAL_DISK, tmp_path).segment
    shipper.stop(0)
    journal.close()
    assert len(ledger.rows) == 202


def test_old_segments_are_kept_until_the_checkpoint_says_they_are_shipped(journal: Journal, tmp_path: Path):
    shipper = Shipper(journal, MemoryLedger(), retention_s=0)
    for number in range(1000):
        journal.append(note_of(f"note_{number}"))
    until(lambda: journal.pending == 0)
    assert journal.durable_position.segment > 2
    assert shipper.remove_old() == 0
    shipper.ship()
    assert shipper.remove_old() == journal.durable_position.segment - 1
    shipper.stop(0)
