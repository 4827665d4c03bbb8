"""Where the next record goes: the segment being written, the ones ready to follow it, and memory when all fail.

One thread writes; another, the keeper, calls `sync`, which also tries again what failed. What is not known to be
on disk is kept in memory, because after a failed sync nobody can say what the file holds.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.journal.disk import Disk
from gateway.journal.frame import framed
from gateway.journal.segment import Segment
from gateway.journal.spares import Spares

UNSYNCED_BYTES_MAX = 64 * 2**20
"""What may wait in memory for a sync that does not come back; then nothing more is admitted."""

BALLAST_SHARE = 16
"""One part in so many of a segment is kept from admission, for ends that are longer than was reserved."""

SYNC_FAILURES_MAX = 2
"""So many failed syncs in a row, each on a file of its own, and the disk is not trusted with new requests."""

GROUP_RECORDS = 256
"""So many records are synced at once without waiting for the group's time; measured best (reference, 3.2)."""

log = logging.getLogger("weighbridge.journal")

Place = tuple[int, bytes]
"""Sequence and chain of a record: all that the next one needs to follow it."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the journal: behind the record `sequence`, at `offset` of a segment."""

    segment: int
    offset: int
    sequence: int


@dataclass(frozen=True, slots=True)
class _Group:
    """What one sync covers: frames, the files they lie in, and the place behind them."""

    frames: list[bytes]
    files: tuple[Segment, ...]
    active: Segment | None
    end: Position
    last: Place
    written: int


class Writer:
    """The end of the log. Nothing here knows what the records say."""

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        *,
        segment_bytes: int,
        syncs: bool,
        first: int,
        last: Place,
        oldest_open: Callable[[], int | None],
    ) -> None:
        """Write behind the record `last`, in new segments from number `first` on. Raises OSError.

        `oldest_open` gives the segment of the oldest intent without an end.
        """
        self.directory = directory
        self.sequence, self.chain = last
        self.bytes_written = self.write_failures = self.sync_failures = 0
        self.durable = Position(first, 0, self.sequence)
        self.segment = first
        """The number of the segment being written; of the last one while there is none."""
        self.wake: Callable[[int], None] = lambda _: None
        self.oldest_open = oldest_open
        self._spares = Spares(directory, disk, segment_bytes, first)
        self._ballast = segment_bytes // BALLAST_SHARE
        self._syncs = syncs
        self._active: Segment | None = None
        self._sealed: list[Segment] = []
        self._unsynced: list[bytes] = []
        self._backlog: list[bytes] = []
        self._before_unsynced = self._before_backlog = last
        self._waiting = self._bytes_durable = self._failed_in_a_row = 0
        self._error = ""
        self._full = False
        self._lock = threading.Lock()
        self._rotate(last, 0)

    def write(self, kind: int, payload: bytes, *, must: bool) -> int:
        """Write a record and give its sequence. Raises OSError, but with `must` it waits in memory instead."""
        with self._lock:
            sequence = self.sequence + 1
            frame, chain = framed(kind, sequence, self.chain, payload)
            active = self._active
            if active is None or active.written + len(frame) > active.size:
                self._write_elsewhere(frame, must=must)
            else:
                try:
                    active.write(frame)
                except OSError as error:
                    self._failed(error)
                    self._write_elsewhere(frame, must=must)
            self.sequence, self.chain = sequence, chain
            self.bytes_written += len(frame)
            if self._syncs and not self._backlog:
                self._unsynced.append(frame)
            self._waiting = waiting = self._waiting + 1
        if waiting in (1, GROUP_RECORDS):
            self.wake(waiting)
        return sequence

    @property
    def problem(self) -> str | None:
        """Why nothing more is admitted, as a sentence for an operator."""
        if self._backlog:
            return f"{self._error} {len(self._backlog)} records wait in memory."
        if self._failed_in_a_row >= SYNC_FAILURES_MAX:
            return self._error
        if self._syncs and self.bytes_written - self._bytes_durable > UNSYNCED_BYTES_MAX:
            return f"The disk of {self.directory} does not keep up: too much waits for a sync."
        if self._full:
            return self._spares.error or f"The journal in {self.directory} is full."
        return None

    @property
    def strained(self) -> bool:
        """Whether something failed that should be tried again."""
        return bool(self._backlog) or self._failed_in_a_row > 0 or self._spares.error is not None

    def fits(self, need: int) -> bool:
        """Say whether `need` bytes more have room for certain, which is made where that can be done."""
        while self._room() < need:
            if not self._spares.make():
                self._full = True
                self.wake(1)
                return False
        self._full = False
        return self.problem is None

    def sync(self) -> None:
        """Put on disk what is written, and try again what failed. Keeper only."""
        group = self._group()
        if group is None:
            return
        try:
            if self._syncs:
                for segment in group.files:
                    segment.sync()
        except OSError as error:
            self._sync_failed(group, error)
            return
        for segment in group.files:
            if segment is not group.active:
                segment.finish()
        self._before_unsynced = group.last
        self._bytes_durable, self._failed_in_a_row = group.written, 0
        self.durable = group.end

    def prepare(self) -> None:
        """Have the next segment ready before this one is full; ask again after a refusal. Keeper only."""
        active = self._active
        used_up = active is None or active.written * 2 > active.size
        if (used_up and not len(self._spares)) or self._spares.error is not None:
            self._full = not self._spares.make() and self._full

    def close(self) -> None:
        """Sync and give back every file. What the disk refuses to the last is in `problem`."""
        self.sync()
        if self.strained:
            self.sync()
        with self._lock:
            for segment in (*self._sealed, self._active):
                if segment is not None:
                    segment.finish()
            self._sealed, self._active = [], None
        self._spares.discard()

    def _room(self) -> int:
        """Give the bytes that are allocated and free, less the ballast."""
        active = self._active
        left = active.size - active.written if active else 0
        return left + self._spares.room - self._ballast

    def _group(self) -> _Group | None:
        """Take what there is to sync; None when there is nothing."""
        with self._lock:
            if self._backlog:
                self._reopen()
            active, self._waiting = self._active, 0
            files = (*self._sealed, active) if active else tuple(self._sealed)
            if not files:
                return None
            last = self._before_backlog if self._backlog else (self.sequence, self.chain)
            end = Position(files[-1].number, files[-1].written, last[0])
            if end == self.durable:
                return None
            self._sealed = []
            frames, self._unsynced = self._unsynced, []
            return _Group(frames, files, active, end, last, self.bytes_written)

    def _write_elsewhere(self, frame: bytes, *, must: bool) -> None:
        """Begin the next segment with `frame`, or keep it in memory. Raises OSError when it need not be kept."""
        if not self._backlog:
            try:
                self._rotate((self.sequence, self.chain), len(frame)).write(frame)
            except OSError as error:
                self._failed(error)
                if not must:
                    raise
                self._before_backlog = (self.sequence, self.chain)
            else:
                return
        elif not must:
            raise OSError(self._error)
        self._backlog.append(frame)

    def _rotate(self, last: Place, need: int) -> Segment:
        """Go on in the next segment, behind the record `last`. Raises OSError."""
        if self._active is not None:
            self._sealed.append(self._active)
            self._active = None
        segment = self._spares.take(need)
        try:
            oldest = self.oldest_open()
            segment.begin(last, segment.number if oldest is None else min(oldest, segment.number))
        except OSError:
            segment.discard()
            raise
        self._active, self.segment = segment, segment.number
        return segment

    def _failed(self, error: OSError) -> None:
        """Write no more to the segment that refused; a sync of it is still due."""
        self.write_failures += 1
        self._error = f"The journal in {self.directory} cannot be written: {error.strerror or error}."
        if self._active is not None:
            self._sealed.append(self._active)
            self._active = None

    def _reopen(self) -> None:
        """Write what waits in memory to a segment of its own, if the disk lets us; with the lock held."""
        waiting = self._backlog
        together = b"".join(waiting)
        try:
            self._rotate(self._before_backlog, len(together)).write(together)
        except OSError as error:
            self._failed(error)
            return
        self._backlog = []
        if self._syncs:
            self._unsynced += waiting

    def _sync_failed(self, group: _Group, error: OSError) -> None:
        """Write all that is not on disk for certain to another file: this one is never synced again.

        After the error the kernel takes the lost pages for clean, so that a second sync would lie.
        """
        with self._lock:
            self.sync_failures += 1
            self._failed_in_a_row += 1
            self._error = f"The journal in {self.directory} cannot be synced to disk: {error.strerror or error}."
            self._backlog = group.frames + self._unsynced + self._backlog
            self._unsynced, self._before_backlog = [], self._before_unsynced
            abandoned = {*group.files, *self._sealed, *([self._active] if self._active else [])}
            self._sealed, self._active = [], None
            self._reopen()
            for segment in abandoned:
                if self._backlog or segment.number <= self.durable.segment:
                    segment.finish()
                else:
                    segment.discard()
        log.error("journal_sync_failed", extra={"directory": str(self.directory), "reason": str(error)})
        if self._failed_in_a_row < SYNC_FAILURES_MAX:
            self.sync()
