"""The few things the journal asks of a file system, so that a test can break each of them."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

ZEROS = bytes(2**20)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_flush: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
_fallocate: Callable[[int, int, int], None] | None = getattr(os, "posix_fallocate", None)
_FULLFSYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


class Disk(Protocol):
    """Plain file operations; each raises OSError, and none retries."""

    def open(self, path: Path, flags: int) -> int:
        """Give a descriptor of `path`."""
        ...

    def write(self, fd: int, data: bytes, offset: int, /) -> int:
        """Write at `offset` and give how many bytes went; a full disk writes a part first."""
        ...

    def read(self, fd: int, size: int, offset: int, /) -> bytes:
        """Give up to `size` bytes at `offset`; none at the end."""
        ...

    def sync(self, fd: int) -> None:
        """Return when the file's bytes are on disk."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Return when the names in `path` are on disk."""
        ...

    def allocate(self, fd: int, size: int) -> None:
        """Make the file `size` bytes long and have them for certain; raises ENOSPC otherwise."""
        ...

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Give `old` the name `new`, in one step."""
        ...

    def remove(self, path: Path) -> None:
        """Take the name away."""
        ...

    def close(self, fd: int) -> None:
        """Give the descriptor back."""
        ...


class LocalDisk:
    """The real one. `write` and `read` are the system calls themselves: they are on the hot path."""

    write = staticmethod(os.pwrite)
    read = staticmethod(os.pread)

    def open(self, path: Path, flags: int) -> int:
        """Open, readable by this user alone: entries name teams and costs."""
        return os.open(path, flags | os.O_CLOEXEC, 0o600)

    def sync(self, fd: int) -> None:
        """Sync the data and what is needed to read it back."""
        if _FULLFSYNC is not None:
            # There fsync alone leaves the bytes in the drive's cache.
            fcntl.fcntl(fd, _FULLFSYNC)
        else:
            _flush(fd)

    def sync_directory(self, path: Path) -> None:
        """Sync the names in `path`."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def allocate(self, fd: int, size: int) -> None:
        """Allocate in one call, or by writing zeros where the file system has no such call."""
        if _fallocate is not None:
            try:
                _fallocate(fd, 0, size)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
            else:
                return
        start = os.fstat(fd).st_size
        for offset in range(start, size, len(ZEROS)):
            write_whole(self, fd, ZEROS[: size - offset], offset)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file."""
        os.ftruncate(fd, size)

    def rename(self, old: Path, new: Path) -> None:
        """Replace `new` if it is there."""
        os.replace(old, new)

    def remove(self, path: Path) -> None:
        """Unlink."""
        os.unlink(path)

    def close(self, fd: int) -> None:
        """Close."""
        os.close(fd)


LOCAL_DISK = LocalDisk()


def read_file(disk: Disk, path: Path) -> bytes:
    """Give all of a file's bytes."""
    fd = disk.open(path, os.O_RDONLY)
    try:
        pieces: list[bytes] = []
        offset = 0
        while piece := disk.read(fd, 2**20, offset):
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)
    finally:
        disk.close(fd)


def replace_file(disk: Disk, path: Path, data: bytes) -> None:
    """Put `data` in the place of `path`: whoever reads it, even after a power cut, sees the old or the new."""
    temporary = path.with_name(path.name + ".tmp")
    fd = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_whole(disk, fd, data, 0)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(temporary, path)
    disk.sync_directory(path.parent)


def write_whole(disk: Disk, fd: int, data: bytes, offset: int) -> None:
    """Write all of `data`; raises OSError when the disk takes only a part."""
    while data:
        written = disk.write(fd, data, offset)
        if written == 0:
            raise OSError(errno.EIO, "the disk took nothing")
        data, offset = data[written:], offset + written


def remove_quietly(disk: Disk, path: Path) -> None:
    """Remove a file if that can be done; one left over does no harm."""
    with contextlib.suppress(OSError):
        disk.remove(path)
