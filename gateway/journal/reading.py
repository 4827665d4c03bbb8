"""Reads segments one after the other: every record once, and by name and place whatever is wrong in between."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.journal.disk import Disk, read_file
from gateway.journal.frame import OPENED, Damage, Frame, chained, frames
from gateway.journal.segment import opened_of, segment_path
from gateway.journal.writer import Place

ProblemKind = Literal["torn", "corrupt", "gap", "altered", "unreadable", "unsynced"]
"""torn: bytes at a segment's end that are no record, as a cut write leaves them. corrupt: such bytes with records
behind them. gap: sequences that are nowhere. altered: a record that does not follow the one before it, although
its check sum is right. unreadable: a record whose payload we do not understand. unsynced: a file the disk refuses
to sync, so that its records may be lost when power is."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: the segment's number and the offset in its file."""

    kind: ProblemKind
    segment: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record and the segment it lies in."""

    segment: int
    frame: Frame


def walk(disk: Disk, directory: Path, numbers: Iterable[int]) -> Iterator[Record | Problem]:
    """Give the records of these segments in order of sequence, each once, first records of segments left out."""
    last: Place | None = None
    for number in numbers:
        for item in frames(read_file(disk, segment_path(directory, number))):
            if isinstance(item, Damage):
                yield damaged(number, item)
            elif item.kind == OPENED:
                last, problem = _continued(number, item, last)
                if problem is not None:
                    yield problem
            elif last is None or item.sequence > last[0]:
                problem = _follows(number, item, last)
                if problem is not None:
                    yield problem
                last = (item.sequence, item.chain)
                yield Record(number, item)
            # Else it was written again after a sync failed, and we have it already.


def damaged(number: int, damage: Damage) -> Problem:
    """Say what a stretch of bytes is that is no record."""
    size = damage.end - damage.offset
    if damage.torn:
        return Problem("torn", number, damage.offset, f"the last {size} bytes are no whole record")
    return Problem("corrupt", number, damage.offset, f"{size} bytes are no record; readable again behind them")


def missing(number: int, offset: int, first: int, last: int) -> Problem:
    """Say which records are nowhere."""
    which = f"record {first} is" if first == last else f"records {first} to {last} are"
    return Problem("gap", number, offset, f"{which} missing")


def _continued(number: int, frame: Frame, last: Place | None) -> tuple[Place | None, Problem | None]:
    """Check that a segment goes on where the one before it ended; gives the place to follow."""
    opened = opened_of(frame)
    if opened is None:
        return last, Problem("unreadable", number, frame.offset, "the segment's first record is not understood")
    said = (opened.sequence, bytes.fromhex(opened.chain))
    if not chained(frame, said[1]) or opened.number != number:
        return last, Problem("altered", number, frame.offset, "the segment's first record is not its own")
    if last is None or opened.sequence > last[0]:
        gap = last is not None and missing(number, frame.offset, last[0] + 1, opened.sequence)
        return said, gap or None
    if said[0] == last[0] and said[1] != last[1]:
        return last, Problem("altered", number, frame.offset, "the segment does not follow the one before it")
    return last, None


def _follows(number: int, frame: Frame, last: Place | None) -> Problem | None:
    """Check that a record follows the one before it."""
    if last is None:
        return None
    if frame.sequence > last[0] + 1:
        return missing(number, frame.offset, last[0] + 1, frame.sequence - 1)
    if not chained(frame, last[1]):
        return Problem("altered", number, frame.offset, f"record {frame.sequence} does not follow the one before it")
    return None
