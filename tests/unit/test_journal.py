"""The journal of one process: what is admitted, what is promised, what is found after a restart."""

import asyncio
import os
import threading
from pathlib import Path

import msgspec
import pytest

from gateway.errors import JournalFull
from gateway.journal.disk import LOCAL_DISK, Disk
from gateway.journal.frame import Frame, frames
from gateway.journal.journal import Durability, Journal, JournalLocked, JournalUnusable
from gateway.journal.segment import segment_numbers, segment_path
from gateway.journal.verify import verify_journal
from tests.fakes.calls import COST_UPPER, attempt_of, call_of, end_of, entry_of, intent_of, note_of
from tests.fakes.disk import FullDisk, Operation, ScriptedDisk

SEGMENT = 2**16


def opened(
    directory: Path, durability: Durability = "group", segment: int = SEGMENT, disk: Disk = LOCAL_DISK
) -> Journal:
    return Journal.open(directory, durability=durability, group_ms=5, segment_bytes=segment, disk=disk)


def admitted_until_full(journal: Journal) -> list[str]:
    """Begin requests until one is refused; gives the others."""
    admitted: list[str] = []
    while True:
        try:
            journal.intent(intent_of(f"req_{len(admitted)}"))
        except JournalFull:
            return admitted
        admitted.append(f"req_{len(admitted)}")


def records(directory: Path) -> list[Frame]:
    read = []
    for number in segment_numbers(directory):
        read += [item for item in frames(segment_path(directory, number).read_bytes()) if isinstance(item, Frame)]
    return read


def until_synced(journal: Journal, deadline_s: float = 5) -> None:
    """Return when everything written is on disk."""
    synced = threading.Event()
    journal.listen(lambda: synced.set() if not journal.pending else None)
    journal.hurry()
    assert synced.wait(deadline_s)


@pytest.mark.parametrize("durability", ["process", "group", "strict"])
def test_what_is_written_is_there_after_a_restart(tmp_path: Path, durability: Durability):
    journal = opened(tmp_path, durability)
    journal.intent(intent_of("req_1"))
    journal.end("req_1", end_of("req_1"), ())
    journal.append(note_of("note_1"))
    journal.close()
    journal = opened(tmp_path, durability)
    assert (journal.recovered.records, journal.recovered.unended, journal.sequence) == (3, (), 3)
    journal.close()


def test_a_record_is_in_the_file_before_its_call_returns(tmp_path: Path):
    journal = opened(tmp_path)
    for number in range(1, 4):
        sequence = journal.append(note_of(f"note_{number}"))
        assert [frame.sequence for frame in records(tmp_path)][1:] == list(range(1, number + 1))
        assert sequence == number
    journal.close()


def test_an_end_and_its_absorbed_attempts_are_one_record(tmp_path: Path):
    journal = opened(tmp_path)
    journal.intent(intent_of("req_1"))
    journal.end("req_1", end_of("req_1"), (attempt_of("req_1", 0), attempt_of("req_1", 1)))
    journal.close()
    assert len(records(tmp_path)) == 3
    ended = msgspec.json.decode(records(tmp_path)[-1].payload)
    assert [entry["id"] for entry in (*ended["absorbed"], ended["entry"])] == [
        "req_1:attempt:0",
        "req_1:attempt:1",
        "req_1:call",
    ]


def test_a_request_ends_once(tmp_path: Path):
    journal = opened(tmp_path)
    journal.intent(intent_of("req_1"))
    assert journal.open_requests == 1
    journal.end("req_1", end_of("req_1"), ())
    assert journal.open_requests == 0
    with pytest.raises(AssertionError):
        journal.end("req_1", end_of("req_1"), ())
    with pytest.raises(AssertionError):
        journal.end("req_2", end_of("req_2"), ())
    journal.close()


def test_an_intent_without_an_end_has_one_after_a_restart(tmp_path: Path):
    journal = opened(tmp_path)
    journal.intent(intent_of("req_1"))
    journal.intent(intent_of("req_2"))
    journal.end("req_1", end_of("req_1"), ())
    journal.close()
    journal = opened(tmp_path)
    assert [intent.request_id for intent in journal.recovered.unended] == ["req_2"]
    journal.close()
    ended = msgspec.json.decode(records(tmp_path)[-1].payload)
    assert ended["request_id"] == "req_2"
    assert ended["entry"]["id"] == "req_2:call"
    call = ended["entry"]["body"]
    assert (call["state"], call["reason"], call["cost_source"]) == ("uncertain", "gateway_died", "unknown")
    assert (call["cost_lower"], call["cost_upper"]) == (0, COST_UPPER)
    assert "billed_cost" not in call
    assert (call["tags"], call["key_id"], call["session_id"]) == (intent_of("req_2").tags, "key_1", "session-1")
    journal = opened(tmp_path)
    assert journal.recovered.unended == ()
    journal.close()


def test_a_torn_tail_is_cut_and_reported(tmp_path: Path):
    journal = opened(tmp_path)
    journal.append(note_of("note_1"))
    journal.append(note_of("note_2"))
    journal.close()
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7] + bytes(5000))
    journal = opened(tmp_path)
    (problem,) = journal.recovered.problems
    begins = records(tmp_path)[1].end
    assert (problem.kind, problem.segment, problem.offset) == ("torn", 1, begins)
    assert path.stat().st_size == begins
    assert journal.sequence == 1
    journal.close()
    assert verify_journal(tmp_path).intact


def test_F52_a_damaged_record_is_located_and_the_rest_is_read(tmp_path: Path):
    journal = opened(tmp_path)
    for request_id in ("req_1", "req_2", "req_3"):
        journal.intent(intent_of(request_id))
        journal.end(request_id, end_of(request_id), ())
    journal.close()
    harmed = records(tmp_path)[4]
    data = bytearray(segment_path(tmp_path, 1).read_bytes())
    data[harmed.offset + 50] ^= 1
    segment_path(tmp_path, 1).write_bytes(data)
    journal = opened(tmp_path)
    assert [(problem.kind, problem.segment, problem.offset) for problem in journal.recovered.problems] == [
        ("corrupt", 1, harmed.offset),
        ("gap", 1, harmed.end),
    ]
    # Its end was the record that is lost.
    assert [intent.request_id for intent in journal.recovered.unended] == ["req_2"]
    journal.close()


def test_F53_a_directory_that_cannot_be_used_is_said_in_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        JournalUnusable, match=r"journal directory .*file/journal cannot be used: Not a directory\. .*set another"
    ):
        opened(tmp_path / "file" / "journal")


@pytest.mark.parametrize("operation", ["open", "allocate", "sync", "sync_directory", "write"])
def test_F53_a_disk_that_refuses_at_the_start_is_said_and_the_lock_is_given_back(tmp_path: Path, operation: str):
    def refuses(asked: Operation) -> int | None:
        return 30 if asked.name == operation else None

    with pytest.raises(JournalUnusable, match="Read-only file system"):
        opened(tmp_path, disk=ScriptedDisk(refuses))
    opened(tmp_path).close()
    assert verify_journal(tmp_path).intact


def test_F54_a_second_process_is_told_who_has_the_journal(tmp_path: Path):
    journal = opened(tmp_path)
    with pytest.raises(JournalLocked, match=rf"in use by process {os.getpid()}\. Stop that process"):
        opened(tmp_path)
    journal.close()
    opened(tmp_path).close()


def test_segments_follow_each_other_and_each_says_what_it_follows(tmp_path: Path):
    journal = opened(tmp_path, segment=2**13)
    for number in range(200):
        journal.append(note_of(f"note_{number}"))
    journal.close()
    found = verify_journal(tmp_path)
    assert found.segments > 4
    assert (found.records, found.first_sequence, found.last_sequence) == (200, 1, 200)
    assert found.intact
    assert all(segment_path(tmp_path, number).stat().st_size <= 2**13 for number in segment_numbers(tmp_path))


def test_a_segment_is_allocated_when_it_is_made_and_cut_when_it_is_closed(tmp_path: Path):
    journal = opened(tmp_path)
    assert segment_path(tmp_path, 1).stat().st_size == SEGMENT
    journal.close()
    assert 0 < segment_path(tmp_path, 1).stat().st_size < 512


def test_a_record_longer_than_a_segment_gets_a_segment_of_its_size(tmp_path: Path):
    journal = opened(tmp_path, segment=2**13)
    journal.intent(intent_of("req_1"))
    call = msgspec.structs.replace(call_of("req_1"), response_id="x" * 50_000)
    journal.end("req_1", entry_of("req_1:call", call), ())
    journal.close()
    found = verify_journal(tmp_path)
    assert (found.records, found.intact) == (2, True)


def test_recovery_reads_back_to_the_oldest_open_intent_and_no_further(tmp_path: Path):
    journal = opened(tmp_path, segment=2**13)
    for number in range(100):
        journal.append(note_of(f"old_{number}"))
    journal.intent(intent_of("req_open"))
    began = journal.sequence
    for number in range(100):
        journal.append(note_of(f"new_{number}"))
    journal.close()
    journal = opened(tmp_path)
    assert [intent.request_id for intent in journal.recovered.unended] == ["req_open"]
    assert 100 < journal.recovered.records < 100 + 2**13 // 200
    journal.close()
    opened(tmp_path).close()
    journal = opened(tmp_path)
    assert (journal.recovered.records, journal.recovered.unended) == (0, ())
    assert journal.sequence == began + 101
    journal.close()


def test_F50_what_is_admitted_can_end_on_a_full_disk_and_admission_comes_back_with_the_space(tmp_path: Path):
    disk = FullDisk(capacity=5 * SEGMENT // 2)
    journal = opened(tmp_path, disk=disk)
    admitted = admitted_until_full(journal)
    assert len(admitted) > 10
    assert not journal.healthy
    assert journal.refused == 1
    with pytest.raises(JournalFull, match=r"no room for another journal segment .* Free disk space"):
        journal.intent(intent_of("req_more"))
    for request_id in admitted:
        journal.end(request_id, end_of(request_id), (attempt_of(request_id, 0),))
    until_synced(journal)
    assert journal.write_failures == 0
    disk.capacity *= 10
    until_healthy(journal)
    journal.intent(intent_of("req_after"))
    journal.end("req_after", end_of("req_after"), ())
    journal.close()
    assert verify_journal(tmp_path).intact
    assert verify_journal(tmp_path).records == 2 * len(admitted) + 2


def until_healthy(journal: Journal, deadline_s: float = 5) -> None:
    """Return when new requests are admitted again."""
    healed = threading.Event()
    journal.listen(lambda: healed.set() if journal.healthy else None)
    assert healed.wait(deadline_s), journal.problem


def test_a_disk_that_is_full_is_not_asked_for_room_by_every_request(tmp_path: Path):
    disk = FullDisk(capacity=SEGMENT)
    journal = opened(tmp_path, disk=disk)
    admitted = admitted_until_full(journal)
    for _ in range(100):
        with pytest.raises(JournalFull):
            journal.intent(intent_of("req_more"))
    assert journal.refused == 101
    # Once by the first request that was refused, and once a second by the keeper.
    assert 2 <= disk.allocations <= 6
    for request_id in admitted:
        journal.end(request_id, end_of(request_id), ())
    journal.close()


def test_the_room_that_is_reserved_is_free_again_when_a_request_ends(tmp_path: Path):
    disk = FullDisk(capacity=3 * SEGMENT // 2)
    journal = opened(tmp_path, disk=disk)
    for request_id in admitted_until_full(journal):
        journal.end(request_id, end_of(request_id), ())
    journal.intent(intent_of("req_again"))
    journal.end("req_again", end_of("req_again"), ())
    assert journal.healthy
    journal.close()


async def test_strict_waits_for_the_sync_and_the_other_modes_do_not(tmp_path: Path):
    syncing, go_on = threading.Event(), threading.Event()

    def script(operation: Operation) -> None:
        if operation.name == "sync" and journal_is_open.is_set():
            syncing.set()
            assert go_on.wait(10)

    journal_is_open = threading.Event()
    journal = opened(tmp_path, "strict", disk=ScriptedDisk(script))
    journal_is_open.set()
    journal.intent(intent_of("req_1"))
    sequence = journal.end("req_1", end_of("req_1"), ())
    waits = [asyncio.create_task(journal.durable(sequence)) for _ in range(3)]
    await asyncio.to_thread(syncing.wait, 10)
    assert not any(wait.done() for wait in waits)
    go_on.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*waits)
    assert journal.durable_sequence >= sequence
    await journal.durable(sequence)
    assert journal.unsynced_ends == 0
    journal.close()


@pytest.mark.parametrize("durability", ["process", "group"])
async def test_group_and_process_hold_nothing_back(tmp_path: Path, durability: Durability):
    journal = Journal.open(tmp_path, durability=durability, group_ms=60_000, segment_bytes=SEGMENT)
    journal.intent(intent_of("req_1"))
    sequence = journal.end("req_1", end_of("req_1"), ())
    async with asyncio.timeout(1):
        await journal.durable(sequence)
    assert journal.durable_sequence < sequence
    journal.close()
    assert journal.durable_sequence == sequence


async def test_a_wait_that_is_cancelled_harms_no_other(tmp_path: Path):
    journal = opened(tmp_path, "strict")
    journal.intent(intent_of("req_1"))
    sequence = journal.end("req_1", end_of("req_1"), ())
    leaving, staying = (asyncio.create_task(journal.durable(sequence)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    async with asyncio.timeout(10):
        await staying
    assert leaving.cancelled() or leaving.cancelling()
    journal.close()


def test_a_group_is_synced_when_it_is_full_without_waiting_for_its_time(tmp_path: Path):
    journal = Journal.open(tmp_path, durability="group", group_ms=60_000, segment_bytes=2**20)
    synced = threading.Event()
    journal.listen(synced.set)
    for number in range(256):
        journal.append(note_of(f"note_{number}"))
    assert synced.wait(10)
    assert journal.durable_sequence >= 256
    journal.close()


def test_process_mode_never_syncs_a_record(tmp_path: Path):
    disk = ScriptedDisk()
    journal = opened(tmp_path, "process", disk=disk)
    before = sum(operation.name == "sync" for operation in disk.done)
    for number in range(300):
        journal.append(note_of(f"note_{number}"))
    until_synced(journal)
    assert sum(operation.name == "sync" for operation in disk.done if operation.path == "0000000001.seg") == 1
    assert before == 1
    journal.close()


def test_closing_twice_changes_nothing_and_a_closed_journal_says_so(tmp_path: Path):
    journal = opened(tmp_path)
    journal.close()
    journal.close()
    assert journal.problem == f"The journal in {tmp_path} is closed."


def test_files_are_for_their_owner_alone(tmp_path: Path):
    journal = opened(tmp_path)
    journal.close()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_journal_of_another_format_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    opened(tmp_path).close()
    monkeypatch.setattr("gateway.journal.recovery.FORMAT", 2)
    with pytest.raises(JournalUnusable, match=r"format 1, and this version reads 2\. Start the version"):
        opened(tmp_path)
    monkeypatch.undo()
    opened(tmp_path).close()
