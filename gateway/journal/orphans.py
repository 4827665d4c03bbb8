"""Journals whose process will not come back, as when fewer workers are started: their entries reach the ledger too."""

from dataclasses import dataclass
from pathlib import Path

from gateway import clock
from gateway.journal.checkpoint import CHECKPOINT, read_checkpoint
from gateway.journal.dead_letters import DEAD_LETTERS
from gateway.journal.disk import LOCAL_DISK, Disk, remove_quietly
from gateway.journal.errors import JournalLocked, JournalUnusable
from gateway.journal.journal import Journal
from gateway.journal.lock import LOCK, is_locked
from gateway.journal.recovery import recover
from gateway.journal.retention import remove_old
from gateway.journal.segment import segment_numbers
from gateway.journal.shipper import Shipper
from gateway.ledger.entry import Ledger
from gateway.ledger.errors import LedgerDown

SEGMENT_BYTES = 2**16
"""Enough for the ends of the requests that a dead worker left; a larger one is made where it is not."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A directory that was found without an owner. `problem` says why it has to be tried again at the next start."""

    directory: Path
    shipped: int = 0
    uncertain: int = 0
    problem: str | None = None


def recover_orphans(
    root: Path, keep: set[int], ledger: Ledger, *, retention_s: int, disk: Disk = LOCAL_DISK
) -> tuple[Orphan, ...]:
    """Recover and ship each journal below `root` whose number is not in `keep` and that no process holds; blocks.

    A directory is deleted when all of it is shipped and older than `retention_s`, unless it holds dead letters.
    """
    if not root.is_dir():
        return ()
    numbers = sorted(int(path.name) for path in root.iterdir() if path.name.isdecimal() and path.is_dir())
    found = (root / str(number) for number in numbers if number not in keep)
    orphans = (_recovered(directory, ledger, retention_s, disk) for directory in found if not is_locked(directory))
    return tuple(orphan for orphan in orphans if orphan is not None)


def _recovered(directory: Path, ledger: Ledger, retention_s: int, disk: Disk) -> Orphan | None:
    """Ship what is left of one journal; None when nothing was."""
    try:
        if _is_shipped(directory, disk):
            _remove_when_old(directory, retention_s, disk)
            return None
        return _shipped(directory, ledger, retention_s, disk)
    except JournalLocked:
        # Its owner came back in this moment.
        return None
    except (JournalUnusable, LedgerDown, OSError) as error:
        return Orphan(directory, problem=str(error))


def _is_shipped(directory: Path, disk: Disk) -> bool:
    recovered, checkpoint = recover(disk, directory), read_checkpoint(disk, directory)
    shipped = 0 if checkpoint is None else checkpoint.sequence
    return not recovered.unended and shipped >= recovered.last[0]


def _shipped(directory: Path, ledger: Ledger, retention_s: int, disk: Disk) -> Orphan:
    """Take the journal over for as long as shipping takes. Raises JournalUnusable, LedgerDown and OSError."""
    journal = Journal.open(directory, durability="group", group_ms=1, segment_bytes=SEGMENT_BYTES, disk=disk)
    try:
        shipper = Shipper(journal, ledger, retention_s=retention_s)
        try:
            shipper.ship()
        finally:
            shipper.stop(drain_s=0)
        return Orphan(directory, shipper.entries_shipped, len(journal.recovered.unended))
    finally:
        journal.close()


def _remove_when_old(directory: Path, retention_s: int, disk: Disk) -> None:
    """Delete old segments, and the directory with the last of them. Raises OSError."""
    numbers = segment_numbers(directory)
    remove_old(disk, directory, max((*numbers, 0)) + 1, clock.now(), retention_s)
    if segment_numbers(directory) or (directory / DEAD_LETTERS).exists():
        return
    for name in (CHECKPOINT, LOCK):
        remove_quietly(disk, directory / name)
    directory.rmdir()
