"""The durable local log: an intent before each dispatch, exactly one terminal record after it."""

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from gateway import clock
from gateway.errors import JournalFull
from gateway.journal.disk import LOCAL_DISK, Disk
from gateway.journal.errors import JournalLocked, JournalUnusable
from gateway.journal.frame import ENDED, ENTRY, HEAD_BYTES, INTENT
from gateway.journal.keeper import Keeper
from gateway.journal.lock import lock_directory
from gateway.journal.record import Ended
from gateway.journal.recovery import Recovered, ending_of, recover
from gateway.journal.writer import Position, Writer
from gateway.ledger.entry import Entry, Intent

__all__ = ["Durability", "Journal", "JournalLocked", "JournalUnusable"]

Durability = Literal["process", "group", "strict"]
"""What survives an answered request: a killed process; also, but for the last `group_ms`, a power cut; all of it."""

END_BYTES = 4096
"""Room kept for an end beside twice its intent: a call with every charge line takes about 3 KB, an absorbed
attempt about as much as the intent."""

log = logging.getLogger("weighbridge.journal")


_encode = msgspec.json.Encoder().encode


class Journal:
    """The log of one process. Its methods are called on the event loop's thread; attributes are read from any."""

    def __init__(self, directory: Path, disk: Disk, writer: Writer, recovered: Recovered, lock: int) -> None:
        """Take over what `open` has made."""
        self.directory, self.disk = directory, disk
        self.recovered = recovered
        self.refused = 0
        self.unsynced_ends = 0
        self._writer, self._lock = writer, lock
        self._open: dict[str, tuple[int, int]] = {}
        self._reserved = 0
        self._strict = False
        self._keeper: Keeper | None = None
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        durability: Durability,
        group_ms: int,
        segment_bytes: int,
        disk: Disk = LOCAL_DISK,
    ) -> "Journal":
        """Give the journal of `directory`, recovered and locked; blocks. Raises JournalUnusable, JournalLocked.

        Every request that a dead process left without an end has one now, as `uncertain`.
        """
        lock: int | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = lock_directory(directory)
            journal = cls._recovered(directory, disk, lock, durability, segment_bytes)
        except OSError as error:
            _release(lock)
            raise JournalUnusable(
                f"The journal directory {directory} cannot be used: {error.strerror or error}. "
                "Make it writable for this user and free disk space, or set another [data] dir."
            ) from error
        except JournalUnusable:
            _release(lock)
            raise
        journal._keep(group_ms)
        return journal

    def intent(self, intent: Intent) -> None:
        """Write that a request is about to be dispatched, and keep room for its end. Raises JournalFull."""
        request_id = intent.request_id
        assert request_id not in self._open, f"{request_id} has begun before"
        payload = _encode(intent)
        size = HEAD_BYTES + len(payload)
        reserve = END_BYTES + 2 * size
        self._admit(size + reserve)
        # Known before it is written, and until after its end is: a segment begun in between says where to read from.
        self._open[request_id] = (reserve, self._writer.segment)
        try:
            self._write(INTENT, payload)
        except JournalFull:
            del self._open[request_id]
            raise
        self._reserved += reserve

    def append(self, entry: Entry) -> int:
        """Write an entry that ends no request; gives its sequence. Raises JournalFull."""
        payload = _encode(entry)
        self._admit(HEAD_BYTES + len(payload))
        return self._write(ENTRY, payload)

    def end(self, request_id: str, entry: Entry, absorbed: tuple[Entry, ...]) -> int:
        """Write a request's terminal entry with its absorbed attempts, as one record; gives its sequence.

        Always possible: what the disk refuses waits in memory for it. Once only for each intent.
        """
        opened = self._open.get(request_id)
        assert opened is not None, f"{request_id} has ended before, or has no intent"
        sequence = self._writer.write(ENDED, _encode(Ended(request_id, entry, absorbed)), must=True)
        del self._open[request_id]
        self._reserved -= opened[0]
        return sequence

    async def durable(self, sequence: int) -> None:
        """Return, in `strict`, when `sequence` is on disk; in the other modes at once.

        A disk that fails again and again does not hold answers back: they are counted in `unsynced_ends`.
        """
        if not self._strict or sequence <= self._writer.durable.sequence:
            return
        assert self._keeper is not None
        self._loop = asyncio.get_running_loop()
        waiter = self._loop.create_future()
        self._waiters.append((sequence, waiter))
        self._keeper.hurry()
        await waiter

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called, on the keeper's thread, whenever more may be durable."""
        self._listeners.append(listener)

    def hurry(self) -> None:
        """Have what is written synced now rather than with its group; any thread."""
        if self._keeper is not None:
            self._keeper.hurry()

    def close(self) -> None:
        """Sync what is written and release the directory; any thread; a second call changes nothing."""
        if self._keeper is None:
            return
        self._keeper.stop()
        self._keeper = None
        self._writer.close()
        if self._writer.problem is not None:
            log.error("journal_closed_with_loss", extra={"reason": self._writer.problem, "pending": self.pending})
        self._synced()
        _release(self._lock)

    @property
    def durable_position(self) -> Position:
        """The place up to which everything is on disk (in `process` mode: written), and may be shipped."""
        return self._writer.durable

    @property
    def durable_sequence(self) -> int:
        """The last sequence that is on disk (in `process` mode: written)."""
        return self._writer.durable.sequence

    @property
    def sequence(self) -> int:
        """The last sequence given."""
        return self._writer.sequence

    @property
    def pending(self) -> int:
        """Records not known to be on disk."""
        return self._writer.sequence - self._writer.durable.sequence

    @property
    def open_requests(self) -> int:
        """Intents whose end is not written yet."""
        return len(self._open)

    @property
    def bytes_written(self) -> int:
        """Bytes of all records since the start."""
        return self._writer.bytes_written

    @property
    def write_failures(self) -> int:
        """Writes the disk refused."""
        return self._writer.write_failures

    @property
    def sync_failures(self) -> int:
        """Syncs the disk refused."""
        return self._writer.sync_failures

    @property
    def healthy(self) -> bool:
        """Whether a new request is admitted."""
        return self.problem is None

    @property
    def problem(self) -> str | None:
        """Why not, as a sentence for an operator."""
        if self._keeper is None:
            return f"The journal in {self.directory} is closed."
        if not self._keeper.alive:
            return f"The thread that syncs the journal in {self.directory} has died. Restart the gateway."
        return self._writer.problem

    def oldest_open(self) -> int | None:
        """Give the segment of the oldest intent without an end: neither it nor later ones may be deleted."""
        # One step of the interpreter copies them: the keeper may ask while the loop's thread adds.
        opened = tuple(self._open.values())
        return min((segment for _, segment in opened), default=None)

    @classmethod
    def _recovered(
        cls, directory: Path, disk: Disk, lock: int, durability: Durability, segment_bytes: int
    ) -> "Journal":
        """Recover and end what has no end, before anything else is written. Raises OSError."""
        recovered = recover(disk, directory)
        oldest = recovered.oldest_open
        writer = Writer(
            directory,
            disk,
            segment_bytes=segment_bytes,
            syncs=durability != "process",
            first=recovered.next_segment,
            last=recovered.last,
            oldest_open=lambda: oldest,
        )
        now = clock.now()
        for intent in recovered.unended:
            ended = Ended(intent.request_id, ending_of(intent, now))
            writer.write(ENDED, _encode(ended), must=False)
        writer.sync()
        _tell(directory, recovered)
        journal = cls(directory, disk, writer, recovered, lock)
        journal._strict = durability == "strict"
        writer.oldest_open = journal.oldest_open
        return journal

    def _keep(self, group_ms: int) -> None:
        """Start the thread that brings records to disk."""
        self._keeper = Keeper(self._writer, group_ms / 1000, self._synced)
        self._keeper.start()

    def _admit(self, need: int) -> None:
        """Let nothing in that has no room beside all that is promised. Raises JournalFull."""
        if not self._writer.fits(self._reserved + need):
            self.refused += 1
            raise JournalFull(self._writer.problem)

    def _write(self, kind: int, payload: bytes) -> int:
        """Write what need not be kept at any price. Raises JournalFull."""
        try:
            return self._writer.write(kind, payload, must=False)
        except OSError as error:
            self.refused += 1
            raise JournalFull(f"The journal in {self.directory} cannot be written: {error.strerror}.") from error

    def _synced(self) -> None:
        """Tell those who wait; called on the keeper's thread."""
        if self._waiters and self._loop is not None:
            # A closed loop has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._let_go)
        for listener in self._listeners:
            listener()

    def _let_go(self) -> None:
        """End the waits that are over; all of them when the disk is not to be trusted any more."""
        durable, waiters = self._writer.durable.sequence, self._waiters
        broken = self.problem is not None
        while waiters and (waiters[0][0] <= durable or broken):
            sequence, waiter = waiters.popleft()
            self.unsynced_ends += sequence > durable
            if not waiter.done():
                waiter.set_result(None)


def _tell(directory: Path, recovered: Recovered) -> None:
    """Log what a start found; a clean one is not worth a line."""
    for problem in recovered.problems:
        fields = {"directory": str(directory), "segment": problem.segment, "offset": problem.offset}
        level = logging.WARNING if problem.kind == "torn" else logging.ERROR
        log.log(level, "journal_damaged", extra={**fields, "kind": problem.kind, "reason": problem.text})
    if recovered.unended:
        log.warning("journal_recovered", extra={"directory": str(directory), "uncertain": len(recovered.unended)})


def _release(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
