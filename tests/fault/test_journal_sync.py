"""A disk that cannot sync: no file is synced again after it failed, and what ended is not lost (F51)."""

import asyncio
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import JournalFull
from gateway.journal.journal import Journal
from gateway.journal.segment import segment_numbers
from tests.fakes.calls import attempt_of, end_of, intent_of
from tests.fakes.disk import ScriptedDisk, fast_directory, never
from tests.fault.journal_faults import (
    SEGMENT,
    WAIT_S,
    ask_again_soon,
    carry,
    held_against,
    opened,
    record_syncs,
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


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("times", [1, 2, 5])
def test_F51_a_file_whose_sync_failed_is_never_synced_again_and_its_records_are_written_elsewhere(
    fast: Path, number: int, times: int
):
    disk = ScriptedDisk()
    journal = opened(fast, disk)
    syncs: list[tuple[str, bool]] = []

    def fails(path: str) -> bool:
        syncs.append((path, number <= len(syncs) + 1 < number + times))
        return syncs[-1][1]

    disk.script = record_syncs(fails)
    admitted: list[str] = []
    for batch in range(12):
        more, _ = carry(journal, 4, f"batch{batch}")
        admitted += more
        journal.hurry()
        until_told(journal)
    until_healthy(journal)
    journal.close()
    assert sum(failed for _, failed in syncs) == times == journal.sync_failures
    failed_files = [path for path, failed in syncs if failed]
    assert len(set(failed_files)) == len(failed_files)
    for path in failed_files:
        assert not any(operation[0] == path for operation in syncs[syncs.index((path, True)) + 1 :])
    held_against(fast, admitted)


def test_F51_after_a_second_failure_nothing_is_admitted_until_a_sync_succeeds(tmp_path: Path):
    disk = ScriptedDisk()
    journal = opened(tmp_path, disk)
    journal.intent(intent_of("req_1"))
    disk.script = record_syncs(lambda _: True)
    journal.hurry()
    until(lambda: not journal.healthy)
    assert journal.problem is not None
    assert "cannot be synced to disk: Input/output error" in journal.problem
    with pytest.raises(JournalFull, match="cannot be synced"):
        journal.intent(intent_of("req_2"))
    journal.end("req_1", end_of("req_1"), (attempt_of("req_1", 0),))
    disk.script = never
    until_healthy(journal)
    journal.close()
    held_against(tmp_path, ["req_1"])


def test_F51_while_a_disk_cannot_sync_it_is_not_filled_with_copies(fast: Path):
    disk = ScriptedDisk()
    journal = opened(fast, disk)
    disk.script = record_syncs(lambda _: True)
    admitted, _ = carry(journal, 4)
    until(lambda: journal.sync_failures > 20)
    assert len(segment_numbers(fast)) <= 4
    disk.script = never
    until_healthy(journal)
    journal.close()
    held_against(fast, admitted)


def test_F51_F55_what_can_neither_be_synced_nor_written_elsewhere_is_still_there_after_a_kill(fast: Path):
    disk = ScriptedDisk()
    journal = Journal.open(fast / "killed", durability="group", group_ms=60_000, segment_bytes=SEGMENT, disk=disk)
    admitted, _ = carry(journal, 40)
    assert len(segment_numbers(fast / "killed")) > 2, "the last segments were never synced"
    disk.script = lambda operation: errno.EIO if operation.name in ("sync", "allocate", "write") else None
    journal.hurry()
    until(lambda: not journal.healthy)
    shutil.copytree(fast / "killed", fast / "next")
    held_against(fast / "next", admitted)
    disk.script = never
    journal.hurry()
    until_healthy(journal)
    journal.close()
    held_against(fast / "killed", admitted)


async def test_F51_in_strict_an_answer_is_not_held_back_for_ever_by_a_disk_that_cannot_sync(tmp_path: Path):
    disk = ScriptedDisk()
    journal = opened(tmp_path, disk, "strict")
    journal.intent(intent_of("req_1"))
    disk.script = lambda operation: errno.EIO if operation.name == "sync" else None
    sequence = journal.end("req_1", end_of("req_1"), (attempt_of("req_1", 0),))
    async with asyncio.timeout(WAIT_S):
        await journal.durable(sequence)
    assert journal.unsynced_ends == 1
    assert not journal.healthy
    disk.script = never
    until_healthy(journal)
    journal.close()
    held_against(tmp_path, ["req_1"])
