"""One process writes to a journal: the kernel holds the lock, so that it ends with its owner however that dies."""

import contextlib
import fcntl
import os
from pathlib import Path

from gateway.journal.errors import JournalLocked

LOCK = "lock"


def lock_directory(directory: Path) -> int:
    """Give the descriptor that holds the directory until it is closed. Raises JournalLocked and OSError."""
    fd = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise JournalLocked(
            f"The journal in {directory} is in use by process {owner}. "
            "Stop that process, or give this one another [data] dir."
        ) from error
    except OSError:
        os.close(fd)
        raise
    with contextlib.suppress(OSError):
        # A full disk may refuse the number; the lock holds all the same.
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
    return fd


def is_locked(directory: Path) -> bool:
    """Say whether a process has the directory now."""
    try:
        fd = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
