"""A ledger that a test can make refuse, and a shipper at work on it."""

import threading
import time
from collections.abc import Callable

from gateway.journal.journal import Journal
from gateway.journal.shipper import Shipper
from gateway.ledger.entry import Appended, Entry
from tests.fakes.ledger import MemoryLedger

WAIT_S = 10.0


class Scripted(MemoryLedger):
    """Asks before each append, so that a test can refuse it; remembers the batches."""

    def __init__(self, before: Callable[[tuple[Entry, ...]], None] = lambda entries: None) -> None:
        super().__init__()
        self.before = before
        self.after: Callable[[], None] = lambda: None
        self.batches: list[int] = []

    def append(self, entries: tuple[Entry, ...]) -> Appended:
        self.batches.append(len(entries))
        self.before(entries)
        done = super().append(entries)
        self.after()
        return done

    @property
    def ids(self) -> list[str]:
        return [row.entry.id for row in self.rows]


def running(journal: Journal, ledger: MemoryLedger, retention_s: int = 3600) -> Shipper:
    shipper = Shipper(journal, ledger, retention_s=retention_s)
    shipper.start()
    return shipper


def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; it is a fact that another thread brings about."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "did not come true in time"
        threading.Event().wait(0.002)
