"""Segments made beforehand: no request waits for one, and what is admitted has its room on disk for certain."""

import threading
import time
from pathlib import Path

from gateway.journal.disk import Disk
from gateway.journal.segment import OPENED_BYTES, Segment

RETRY_S = 1.0
"""How long to leave a disk alone that has just refused."""


class Spares:
    """Empty segments in the order in which they will be used. Any thread may call."""

    def __init__(self, directory: Path, disk: Disk, segment_bytes: int, next_number: int) -> None:
        """Number segments from `next_number` on; none is made yet."""
        self.error: str | None = None
        self.room = 0
        self.next_number = next_number
        self._directory, self._disk, self._segment_bytes = directory, disk, segment_bytes
        self._ready: list[Segment] = []
        self._try_at = 0.0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Give how many are ready."""
        return len(self._ready)

    def make(self) -> bool:
        """Have one more ready. False when the disk refuses, or refused a moment ago; `error` says why."""
        with self._lock:
            if time.monotonic() < self._try_at:
                return False
            try:
                made = self._made(self._segment_bytes)
            except OSError as error:
                self._refused(error)
                return False
            self._ready.append(made)
            self.room += made.size - OPENED_BYTES
            self.error = None
            return True

    def take(self, need: int) -> Segment:
        """Give the next segment, with room for `need` bytes behind its first record. Raises OSError."""
        with self._lock:
            size = OPENED_BYTES + need
            if not self._ready:
                return self._made(max(self._segment_bytes, size))
            spare = self._ready[0]
            before = spare.size
            if size > before:
                spare.grow(size)
            self._ready.pop(0)
            self.room -= before - OPENED_BYTES
            return spare

    def discard(self) -> None:
        """Take the files away."""
        with self._lock:
            for spare in self._ready:
                spare.discard()
            self._ready.clear()
            self.room = 0

    def _made(self, size: int) -> Segment:
        """Make a segment. A number is used once, whatever becomes of its file."""
        number = self.next_number
        self.next_number = number + 1
        return Segment(self._disk, self._directory, number, size)

    def _refused(self, error: OSError) -> None:
        self._try_at = time.monotonic() + RETRY_S
        self.error = (
            f"There is no room for another journal segment of {self._segment_bytes} bytes in {self._directory}: "
            f"{error.strerror}. Free disk space; requests are admitted again by themselves."
        )
