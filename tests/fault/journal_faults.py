"""Work for a journal whose disk fails, and what must be found afterwards."""

import contextlib
import errno
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import JournalFull
from gateway.journal.journal import Durability, Journal, JournalUnusable
from gateway.journal.shipper import Shipper
from gateway.journal.verify import verify_journal
from tests.fakes.calls import attempt_of, end_of, intent_of
from tests.fakes.disk import Fault, Operation, ScriptedDisk
from tests.fakes.ledger import MemoryLedger

SEGMENT = 2**14
WAIT_S = 10.0
WRITES = {"open", "write", "sync", "sync_directory", "allocate", "truncate", "rename", "remove", "close"}


def ask_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has refused is asked again after milliseconds, so that tests need not wait a second."""
    for module in ("spares", "keeper"):
        monkeypatch.setattr(f"gateway.journal.{module}.RETRY_S", 0.005)


def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; it is a fact that another thread brings about."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "did not come true in time"
        threading.Event().wait(0.002)


def until_healthy(journal: Journal) -> None:
    """Return when requests are admitted and all that is written is on disk."""
    until(lambda: journal.healthy and not journal.pending)


def until_told(journal: Journal) -> None:
    """Return when all that is written is on disk, or the journal says why not."""
    until(lambda: not journal.healthy or not journal.pending)


def opened(directory: Path, disk: ScriptedDisk, durability: Durability = "group") -> Journal:
    return Journal.open(directory, durability=durability, group_ms=1, segment_bytes=SEGMENT, disk=disk)


def opened_or_none(directory: Path, disk: ScriptedDisk, durability: Durability = "group") -> Journal | None:
    """Give the journal, or None where the disk failed at its start."""
    with contextlib.suppress(JournalUnusable):
        return opened(directory, disk, durability)
    return None


def carry(journal: Journal, requests: int, prefix: str = "req") -> tuple[list[str], int]:
    """Carry requests, four at a time; gives those that were admitted, all of which have ended, and the refusals."""
    admitted: list[str] = []
    refused = 0
    for first in range(0, requests, 4):
        now: list[str] = []
        for number in range(first, first + 4):
            try:
                journal.intent(intent_of(f"{prefix}_{number}"))
            except JournalFull:
                refused += 1
            else:
                now.append(f"{prefix}_{number}")
        for request_id in now:
            journal.end(request_id, end_of(request_id), (attempt_of(request_id, 0),))
        admitted += now
    return admitted, refused


def held_against(directory: Path, admitted: list[str]) -> None:
    """Start again with a good disk, ship, and find exactly the ends of what was admitted."""
    journal = opened(directory, ScriptedDisk())
    assert journal.recovered.unended == ()
    ledger = MemoryLedger()
    shipper = Shipper(journal, ledger, retention_s=3600)
    shipper.ship()
    assert (shipper.gaps, shipper.duplicates) == (0, 0)
    shipper.stop(0)
    journal.close()
    calls = [row.entry.call() for row in ledger.rows if row.entry.kind == "call"]
    assert [call.request_id for call in calls] == admitted
    assert all(call.state == "settled" for call in calls)
    assert len(ledger.rows) == 2 * len(admitted)
    assert ledger.conflicts() == ()
    assert {problem.kind for problem in verify_journal(directory).problems} <= {"torn"}


def record_syncs(fails: Callable[[str], bool]) -> Callable[[Operation], Fault | None]:
    """Let syncs of records fail; the sync of a segment's room, before anything is in it, has nothing to lose."""
    written = {"0000000001.seg"}

    def script(operation: Operation) -> Fault | None:
        if operation.name == "write":
            written.add(operation.path)
        if operation.name == "sync" and operation.path in written and fails(operation.path):
            return errno.EIO
        return None

    return script


def at(number: int, error: int, times: int = 1) -> Callable[[Operation], Fault | None]:
    """Fail the `number`-th operation that changes something, and those right behind it."""
    seen = Counter[str]()

    def script(operation: Operation) -> Fault | None:
        if operation.name not in WRITES:
            return None
        seen["all"] += 1
        return error if number <= seen["all"] < number + times else None

    return script
