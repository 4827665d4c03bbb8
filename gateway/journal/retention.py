"""Deletes segments whose entries are in the ledger, after the time for which they serve as its backup."""

from datetime import datetime
from pathlib import Path

from gateway.journal.disk import Disk
from gateway.journal.segment import segment_numbers, segment_path


def remove_old(disk: Disk, directory: Path, keep_from: int, now: datetime, retention_s: int) -> int:
    """Delete segments below `keep_from` that were last written `retention_s` ago or more; gives their number.

    Raises OSError. The oldest go first, so that a crash in between leaves no hole.
    """
    removed = 0
    for number in segment_numbers(directory):
        path = segment_path(directory, number)
        if number >= keep_from or now.timestamp() - path.stat().st_mtime < retention_s:
            break
        disk.remove(path)
        removed += 1
    return removed
