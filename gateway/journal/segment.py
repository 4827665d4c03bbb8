"""One file of the journal: its name, its first record, its room allocated beforehand, its way to disk."""

import contextlib
import errno
import os
from pathlib import Path

import msgspec

from gateway.journal.disk import Disk, remove_quietly
from gateway.journal.frame import OPENED, Frame, frame_at, framed

SUFFIX = ".seg"
_DIGITS = 10
OPENED_BYTES = 256
"""No less than a segment's first record takes."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A segment's first record. It stands outside the chain, so that records can be written again elsewhere.

    `sequence` and `chain` are those of the record before the segment's first; `oldest_open` is the number of the
    first segment that a recovery has to read, because it holds an intent whose end was not written yet.
    """

    format: int
    number: int
    sequence: int
    chain: str
    oldest_open: int


FORMAT = 1
_encode = msgspec.json.Encoder().encode
_opened = msgspec.json.Decoder(Opened)


class Segment:
    """A file that is being written. Whoever holds it calls from one thread at a time, but for `sync`."""

    __slots__ = ("_disk", "fd", "number", "path", "size", "written")

    def __init__(self, disk: Disk, directory: Path, number: int, size: int) -> None:
        """Make the file, with its name and its room on disk. Raises OSError, and leaves no file then."""
        self.number, self.size, self.written = number, size, 0
        self.path = segment_path(directory, number)
        self._disk = disk
        self.fd = disk.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            disk.allocate(self.fd, size)
            disk.sync(self.fd)
            disk.sync_directory(directory)
        except OSError:
            self.discard()
            raise

    def begin(self, before: tuple[int, bytes], oldest_open: int) -> None:
        """Write the first record; `before` is sequence and chain of the record ahead of the segment."""
        sequence, chain = before
        opened = Opened(
            format=FORMAT, number=self.number, sequence=sequence, chain=chain.hex(), oldest_open=oldest_open
        )
        frame, _ = framed(OPENED, sequence, chain, _encode(opened))
        assert len(frame) <= OPENED_BYTES
        self.write(frame)

    def write(self, frame: bytes) -> None:
        """Write a frame behind the others. Raises OSError; what went of it is cut off again then."""
        try:
            done = self._disk.write(self.fd, frame, self.written)
            if done != len(frame):
                self._write_rest(frame, done)
        except OSError:
            self.cut()
            raise
        self.written += len(frame)

    def _write_rest(self, frame: bytes, done: int) -> None:
        """Go on after a short write: a full disk takes a part first and says so only when asked again."""
        while done < len(frame):
            more = self._disk.write(self.fd, frame[done:], self.written + done)
            if more == 0:
                raise OSError(errno.EIO, "the disk took nothing")
            done += more

    def grow(self, size: int) -> None:
        """Allocate more room. Raises OSError."""
        self._disk.allocate(self.fd, size)
        self.size = size

    def sync(self) -> None:
        """Return when all that was written before the call is on disk."""
        self._disk.sync(self.fd)

    def cut(self) -> None:
        """Cut the file behind its last whole record. What cannot be cut is read past: it is no record."""
        with contextlib.suppress(OSError):
            self._disk.truncate(self.fd, self.written)

    def finish(self) -> None:
        """Give back the room that was not used, and the descriptor."""
        self.cut()
        self.release()

    def release(self) -> None:
        """Give back the descriptor. Its errors tell of writes whose loss `sync` has told before."""
        with contextlib.suppress(OSError):
            self._disk.close(self.fd)

    def discard(self) -> None:
        """Take the file away, unused."""
        self.release()
        remove_quietly(self._disk, self.path)


def segment_path(directory: Path, number: int) -> Path:
    """Give the file of a segment; names sort as numbers do."""
    return directory / f"{number:0{_DIGITS}d}{SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """Give the numbers of the segments that are there, in order."""
    names = (name for name in os.listdir(directory) if name.endswith(SUFFIX))
    return sorted(int(stem) for stem in (name.removesuffix(SUFFIX) for name in names) if stem.isdecimal())


def opened_of(frame: Frame | None) -> Opened | None:
    """Give what a segment's first record says, if it is one."""
    if frame is None or frame.kind != OPENED:
        return None
    try:
        return _opened.decode(frame.payload)
    except msgspec.DecodeError:
        return None


def read_opened(disk: Disk, directory: Path, number: int) -> Opened | None:
    """Give the first record of a segment file; None when there is none to be read."""
    fd = disk.open(segment_path(directory, number), os.O_RDONLY)
    try:
        return opened_of(frame_at(disk.read(fd, OPENED_BYTES, 0), 0))
    finally:
        disk.close(fd)
