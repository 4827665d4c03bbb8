"""Carries entries from the journal to the ledger: at least once there, exactly once in the book."""

import logging
import random
import threading
import time

import msgspec

from gateway import clock
from gateway.journal.checkpoint import read_checkpoint, write_checkpoint
from gateway.journal.dead_letters import DeadLetter, DeadLetters
from gateway.journal.delivery import deliver
from gateway.journal.journal import Journal
from gateway.journal.reading import Problem
from gateway.journal.retention import remove_old
from gateway.journal.tail import START, Tail, Unreadable
from gateway.ledger.entry import Entry, Ledger
from gateway.ledger.errors import LedgerDown

ENTRIES_MAX = 1000
"""In one transaction: measured best for both engines (reference, 3.4), and some 20 ms of a locked SQLite file."""

REST_S = 0.25
"""Between two batches that were not full: an entry costs half as much in a batch of hundreds as in one of tens, and
each batch takes the interpreter from the calls. After a rest the first entry is shipped at once, and whoever waits
for one hurries it."""

CHECKPOINT_S = 1.0
"""Between two checkpoints. What is shipped again after a crash, at most so much, is there as a duplicate."""

RETENTION_LOOK_S = 60.0
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.1, 5.0

log = logging.getLogger("weighbridge.shipper")


class Shipper:
    """One thread of its own. Every method may be called from any thread but the event loop's: some block."""

    def __init__(self, journal: Journal, ledger: Ledger, *, retention_s: int) -> None:
        """Take up where the checkpoint says; nothing runs before `start`. Raises OSError."""
        self.entries_shipped = self.duplicates = self.conflicts = self.ledger_failures = self.gaps = 0
        self.problem: str | None = None
        self._journal, self._ledger, self._retention_s = journal, ledger, retention_s
        self._disk, self._directory = journal.disk, journal.directory
        self._tail = Tail(self._disk, self._directory)
        self._dead_letters = DeadLetters(self._disk, self._directory)
        self._position = self._saved = read_checkpoint(self._disk, self._directory) or START
        self._behind_since: float | None = None
        self._awaited = 0
        self._saved_at = self._looked_at = 0.0
        self._wake, self._hurried, self._stopping = threading.Event(), threading.Event(), threading.Event()
        self._shipped = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="journal-shipper", daemon=True)
        journal.listen(self._more)

    def start(self) -> None:
        """Begin shipping."""
        self._wake.set()
        self._thread.start()

    @property
    def shipped_sequence(self) -> int:
        """Everything up to here is in the ledger, or set aside."""
        return self._position.sequence

    @property
    def dead_letters(self) -> int:
        """Entries set aside because they can never be stored, over all time."""
        return len(self._dead_letters)

    @property
    def lag_records(self) -> int:
        """Durable records that are not shipped yet, intents among them."""
        return max(0, self._journal.durable_sequence - self._position.sequence)

    @property
    def lag_s(self) -> float:
        """Seconds for which the oldest of them has waited; 0 when there is none."""
        since = self._behind_since
        return 0.0 if since is None else time.monotonic() - since

    def wait_shipped(self, sequence: int, timeout_s: float) -> bool:
        """Wait until `sequence` is in the ledger; False after `timeout_s`. Blocks."""
        end = time.monotonic() + timeout_s
        self._awaited = max(self._awaited, min(sequence, self._journal.sequence))
        self._journal.hurry()
        self._hurried.set()
        with self._shipped:
            while self._position.sequence < sequence:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._shipped.wait(left)
        return True

    def ship(self) -> None:
        """Ship all that is durable, on the caller's thread, where `start` was not called.

        Raises LedgerDown, and OSError when the journal's disk fails.
        """
        while self._batch() is not None:
            pass
        self._save()

    def remove_old(self) -> int:
        """Delete segments that nobody needs any more; gives their number."""
        oldest = self._journal.oldest_open()
        keep_from = min(self._saved.segment, self._journal.durable_position.segment)
        keep_from = keep_from if oldest is None else min(keep_from, oldest)
        return remove_old(self._disk, self._directory, keep_from, clock.now(), self._retention_s)

    def stop(self, drain_s: float) -> bool:
        """Ship what is left for at most `drain_s`, then end the thread; whether nothing is left."""
        drained = self.wait_shipped(self._journal.sequence, drain_s)
        self._stopping.set()
        self._wake.set()
        self._hurried.set()
        if self._thread.ident is not None:
            # A ledger that never answers keeps the thread; it dies with the process, and nothing is lost.
            self._thread.join(drain_s + BACKOFF_MAX_S)
        self._tail.close()
        return drained

    def _more(self) -> None:
        """Take note that more may be durable; called on the keeper's thread."""
        if self._journal.durable_sequence > self._position.sequence:
            if self._behind_since is None:
                self._behind_since = time.monotonic()
            self._wake.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._wake.wait(CHECKPOINT_S if self._position != self._saved else RETENTION_LOOK_S)
            self._wake.clear()
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - the thread's edge: whatever it is, entries must go on later.
                failures += 1
                self._held_up(error)
                self._stopping.wait(_backoff_s(failures))
                self._wake.set()
            else:
                failures = 0
                self._flowing()
        try:
            self._save()
        except OSError as error:
            log.warning("checkpoint_failed", extra={"directory": str(self._directory), "reason": str(error)})

    def _round(self) -> None:
        """Ship until nothing is left, then see to the checkpoint and to old segments."""
        while (shipped := self._batch()) is not None and not self._stopping.is_set():
            if shipped < ENTRIES_MAX and self._position.sequence >= self._awaited:
                self._hurried.wait(REST_S)
                self._hurried.clear()
        now = time.monotonic()
        if now - self._saved_at >= CHECKPOINT_S:
            self._save()
        if now - self._looked_at >= RETENTION_LOOK_S:
            self._looked_at = now
            self.remove_old()

    def _batch(self) -> int | None:
        """Ship some of what is durable; gives the number of entries, None when there was nothing to ship."""
        limit, began = self._journal.durable_position, time.monotonic()
        if limit.sequence <= self._position.sequence:
            self._behind_since = None
            return None
        batch = self._tail.read(self._position, limit, ENTRIES_MAX)
        for unreadable in batch.unreadable:
            self._set_aside_record(unreadable)
        done = deliver(self._ledger, tuple(batch.entries), self._set_aside)
        self.entries_shipped += done.added
        self.duplicates += done.duplicates
        self.conflicts += len(done.conflicts)
        for conflict in done.conflicts:
            log.error("entry_conflict", extra={"entry_id": conflict})
        for problem in batch.problems:
            self._tell(problem)
        self._behind_since = began if batch.position.sequence < self._journal.durable_sequence else None
        with self._shipped:
            self._position = batch.position
            self._shipped.notify_all()
        return len(batch.entries)

    def _save(self) -> None:
        """Write the checkpoint when it has moved. Raises OSError."""
        position = self._position
        if position != self._saved:
            write_checkpoint(self._disk, self._directory, position)
            self._saved, self._saved_at = position, time.monotonic()

    def _set_aside(self, entry: Entry, why: str) -> None:
        """Keep an entry for a person. Raises OSError; the batch is tried again then."""
        self._put(DeadLetter(id=entry.id, at=clock.now(), why=why, entry=msgspec.Raw(msgspec.json.encode(entry))))

    def _set_aside_record(self, record: Unreadable) -> None:
        """Keep a record that is no entry we know, as text."""
        text = msgspec.Raw(msgspec.json.encode(record.payload.decode("utf-8", "replace")))
        self._put(DeadLetter(id=f"record {record.sequence}", at=clock.now(), why=record.why, entry=text))

    def _put(self, letter: DeadLetter) -> None:
        if self._dead_letters.add(letter):
            log.error("entry_set_aside", extra={"entry_id": letter.id, "reason": letter.why})

    def _tell(self, problem: Problem) -> None:
        """Say where the journal is damaged. A torn end loses nothing by itself; a gap does."""
        self.gaps += problem.kind == "gap"
        level = logging.WARNING if problem.kind == "torn" else logging.ERROR
        fields = {"directory": str(self._directory), "segment": problem.segment, "offset": problem.offset}
        log.log(level, "journal_damaged", extra={**fields, "kind": problem.kind, "reason": problem.text})

    def _held_up(self, error: Exception) -> None:
        """Say once that entries wait, and why."""
        self.ledger_failures += 1
        known = isinstance(error, LedgerDown | OSError)
        if self.problem is None:
            log.error("shipping_held_up", extra={"reason": str(error)}, exc_info=None if known else error)
        self.problem = str(error) or type(error).__name__

    def _flowing(self) -> None:
        """Say that entries flow again."""
        if self.problem is not None:
            log.warning("shipping_resumed", extra={"reason": self.problem, "lag_records": self.lag_records})
            self.problem = None


def _backoff_s(failures: int) -> float:
    """Give a wait that grows to its limit, with jitter so that many gateways do not return as one."""
    longest = min(BACKOFF_MAX_S, BACKOFF_MIN_S * (1 << min(failures, 10)))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret.
