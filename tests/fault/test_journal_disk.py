"""A disk that refuses, takes half, runs full or cannot sync: what is admitted ends, and nothing that ended is lost."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.errors import JournalFull
from gateway.journal.frame import HEAD_BYTES
from gateway.journal.journal import END_BYTES, Durability, Journal, JournalUnusable
from gateway.journal.record import Ended
from gateway.journal.segment import OPENED_BYTES
from gateway.journal.shipper import Shipper
from gateway.journal.verify import verify_journal
from gateway.ledger.entry import Entry
from tests.fakes.calls import call_of, entry_of, intent_of, note_of
from tests.fakes.disk import Fault, FullDisk, Operation, ScriptedDisk, fast_directory, never
from tests.fakes.ledger import MemoryLedger
from tests.fault.journal_faults import (
    SEGMENT,
    WAIT_S,
    WRITES,
    ask_again_soon,
    at,
    carry,
    held_against,
    opened,
    opened_or_none,
    until,
    until_healthy,
    until_told,
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_again_soon(monkeypatch)


@pytest.fixture
def fast() -> Iterator[Path]:
    with fast_directory() as path:
        yield path


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("durability", ["group", "process"])
def test_F50_F51_a_disk_that_fails_once_anywhere_loses_nothing_and_is_used_again(
    fast: Path, error: int, times: int, durability: Durability
):
    failed = 0
    for number in range(1, 200):
        disk, directory = ScriptedDisk(at(number, error, times)), fast / str(number)
        journal = opened_or_none(directory, disk, durability)
        if journal is None:
            failed += 1
            continue
        admitted, refused = carry(journal, 16)
        until_healthy(journal)
        disk.script, script = never, disk.script
        more, refused_later = carry(journal, 4, "later")
        assert (len(admitted) + refused, len(more), refused_later) == (16, 4, 0)
        done = sum(operation.name in WRITES for operation in disk.done)
        disk.script = script
        journal.close()
        held_against(directory, admitted + more)
        if done < number:
            break
    assert failed >= 5
    assert number > 40


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_F50_F51_a_disk_that_fails_from_somewhere_on_admits_nothing_more_and_what_is_admitted_ends(
    fast: Path, error: int
):
    for number in range(8, 60):
        disk, directory = ScriptedDisk(at(number, error, 10**9)), fast / str(number)
        journal = opened_or_none(directory, disk)
        if journal is None:
            continue
        admitted, _ = carry(journal, 40)
        assert journal.open_requests == 0
        until_told(journal)
        if journal.pending:
            problem = journal.problem
            assert problem is not None
            assert os.strerror(error) in problem
        disk.script = never
        until_healthy(journal)
        journal.close()
        held_against(directory, admitted)


def test_F50_a_disk_that_is_full_at_any_byte_takes_all_ends_of_what_it_admitted(fast: Path):
    points, admitted_at_all, refused_at_all = 40, 0, 0
    for point in range(points):
        directory = fast / str(point)
        disk = FullDisk(capacity=SEGMENT + OPENED_BYTES + point * 997)
        journal = opened(directory, disk)
        admitted, refused = carry(journal, 60)
        until_told(journal)
        assert journal.write_failures == 0, "room for each end was there from the beginning"
        admitted_at_all, refused_at_all = admitted_at_all + len(admitted), refused_at_all + refused
        disk.capacity = 10**9
        until_healthy(journal)
        more, refused = carry(journal, 4, "later")
        assert (len(more), refused) == (4, 0)
        journal.close()
        held_against(directory, admitted + more)
    assert admitted_at_all > 100
    assert refused_at_all > 100


def test_F50_ends_that_are_longer_than_was_reserved_have_the_ballast(fast: Path):
    disk = FullDisk(capacity=2**16 + 100)
    journal = Journal.open(fast, durability="group", group_ms=1, segment_bytes=2**16, disk=disk)
    admitted: list[str] = []
    with contextlib.suppress(JournalFull):
        for number in range(100, 200):
            journal.intent(intent_of(f"req_{number}"))
            admitted.append(f"req_{number}")
    assert 8 < len(admitted) < 20
    intent_bytes = HEAD_BYTES + len(msgspec.json.encode(intent_of("req_100")))
    reserved = END_BYTES + 2 * intent_bytes
    for request_id in admitted:
        padding = reserved + 200 - HEAD_BYTES - len(msgspec.json.encode(Ended(request_id, long_end(request_id, 0))))
        journal.end(request_id, long_end(request_id, padding), ())
    assert journal.write_failures == 0
    until_told(journal)
    journal.close()
    assert verify_journal(fast).records == 2 * len(admitted)


def long_end(request_id: str, padding: int) -> Entry:
    call = msgspec.structs.replace(call_of(request_id), response_id="x" * padding)
    return entry_of(f"{request_id}:call", call)


def test_F50_a_short_write_is_cut_off_and_written_again_elsewhere(tmp_path: Path):
    # As a file system does that does not keep what it has allocated: first a part, then the refusal.
    half_taken = iter([True])

    class Half(ScriptedDisk):
        def write(self, fd: int, data: bytes, offset: int, /) -> int:
            if self.paths[fd].name == "0000000001.seg" and len(self.done) > armed:
                if next(half_taken, False):
                    return super().write(fd, data[: len(data) // 2], offset)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(fd, data, offset)

    armed = 10**9
    disk = Half()
    journal = opened(tmp_path, disk)
    admitted, _ = carry(journal, 4)
    armed = 0
    more, refused = carry(journal, 4, "later")
    assert (len(more), refused) == (4, 0)
    assert journal.write_failures == 1
    journal.close()
    assert verify_journal(tmp_path).intact
    held_against(tmp_path, admitted + more)


def test_a_short_write_that_goes_on_is_no_failure(tmp_path: Path):
    class Sips(ScriptedDisk):
        def write(self, fd: int, data: bytes, offset: int, /) -> int:
            return super().write(fd, data[:100], offset)

    journal = opened(tmp_path, Sips())
    admitted, _ = carry(journal, 4)
    assert journal.write_failures == 0
    journal.close()
    held_against(tmp_path, admitted)


def test_F46_a_checkpoint_that_cannot_be_written_holds_nothing_up_for_ever(tmp_path: Path):
    def script(operation: Operation) -> Fault | None:
        return errno.ENOSPC if operation.path.startswith("checkpoint") and operation.name == "write" else None

    disk = ScriptedDisk(script)
    journal = opened(tmp_path, disk)
    ledger = MemoryLedger()
    shipper = Shipper(journal, ledger, retention_s=3600)
    shipper.start()
    admitted, _ = carry(journal, 4)
    assert shipper.wait_shipped(journal.sequence, WAIT_S)
    until(lambda: shipper.problem is not None)
    assert "No space left" in str(shipper.problem)
    disk.script = never
    until(lambda: shipper.problem is None)
    more, _ = carry(journal, 4, "later")
    assert shipper.stop(WAIT_S)
    journal.close()
    assert len(ledger.rows) == 2 * len(admitted + more)
    assert shipper.duplicates == 0


def test_F50_a_slow_sync_that_lets_too_much_wait_stops_admission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.journal.writer.UNSYNCED_BYTES_MAX", 10_000)
    go_on = threading.Event()
    disk = ScriptedDisk()
    journal = Journal.open(tmp_path, durability="group", group_ms=1, segment_bytes=2**20, disk=disk)
    disk.script = lambda operation: go_on.wait(WAIT_S) and None if operation.name == "sync" else None
    admitted, refused = carry(journal, 40)
    assert 4 <= len(admitted) < 20
    assert refused == 40 - len(admitted)
    assert "does not keep up" in str(journal.problem)
    go_on.set()
    until(lambda: journal.healthy)
    journal.close()
    held_against(tmp_path, admitted)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a real file system of 256 KB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("mounting a small file system needs root on Linux")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def test_F50_a_real_file_system_that_is_full_takes_all_ends_of_what_it_admitted(small_disk: Path):
    directory, filler = small_disk / "journal", small_disk / "filler"
    journal = Journal.open(directory, durability="group", group_ms=1, segment_bytes=2**16)
    journal.append(note_of("note_0"))
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert os.statvfs(small_disk).f_bavail == 0
    admitted, refused = carry(journal, 200)
    assert len(admitted) > 4
    assert refused > 0
    assert not journal.healthy
    assert "Free disk space" in str(journal.problem)
    until(lambda: not journal.pending)
    filler.unlink()
    until(lambda: journal.healthy)
    more, refused = carry(journal, 4, "later")
    assert (len(more), refused) == (4, 0)
    journal.close()
    assert verify_journal(directory).intact
    assert verify_journal(directory).records == 1 + 2 * len(admitted + more)


def test_F50_a_start_on_a_full_real_file_system_is_said_in_a_sentence(small_disk: Path):
    with pytest.raises(JournalUnusable, match=r"No space left on device\. .*free disk space"):
        Journal.open(small_disk / "journal", durability="group", group_ms=1, segment_bytes=2**20)
