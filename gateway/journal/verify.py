"""Reads a whole journal and says whether every record is there and as it was written."""

from dataclasses import dataclass
from pathlib import Path

from gateway.journal.checkpoint import read_checkpoint
from gateway.journal.dead_letters import read_dead_letters
from gateway.journal.disk import LOCAL_DISK, Disk
from gateway.journal.frame import NO_CHAIN
from gateway.journal.lock import is_locked
from gateway.journal.reading import Problem, missing, walk
from gateway.journal.recovery import Unended, last_told
from gateway.journal.segment import segment_numbers

LOOKS_MAX = 3
"""A journal that is being written may move on while it is read; what is wrong with it is wrong each time."""


@dataclass(frozen=True, slots=True)
class JournalVerification:
    """What was found. `head` is the last record's chain: note it elsewhere, and a later look can be held against it.

    `live`: a process writes to it, so that its last record may have been read half written. `unended` counts
    intents without an end: requests under way, or what the next start will book as uncertain.
    """

    segments: int
    records: int
    first_sequence: int
    last_sequence: int
    shipped_sequence: int
    head: str
    unended: int
    dead_letters: int
    live: bool
    problems: tuple[Problem, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is missing, damaged or altered."""
        return not self.problems


def verify_journal(directory: Path, *, disk: Disk = LOCAL_DISK) -> JournalVerification:
    """Read every segment of a journal, in use or not, and check each record against the one before it.

    Nothing is changed. Raises OSError when the directory cannot be read.
    """
    found = _look(disk, directory)
    for _ in range(LOOKS_MAX - 1):
        if found.intact or not found.live:
            break
        found = _look(disk, directory)
    return found


def _look(disk: Disk, directory: Path) -> JournalVerification:
    """Read everything once."""
    live = is_locked(directory)
    numbers = segment_numbers(directory)
    checkpoint = read_checkpoint(disk, directory)
    shipped = 0 if checkpoint is None else checkpoint.sequence
    first = last = records = newest = 0
    head, unended = NO_CHAIN, Unended()
    problems: list[Problem] = []
    for item in walk(disk, directory, numbers):
        if isinstance(item, Problem):
            problems.append(item)
            continue
        first, last, head = first or item.frame.sequence, item.frame.sequence, item.frame.chain
        records, newest = records + 1, item.segment
        problems += unended.note(item)
    told = last_told(disk, directory, numbers)
    if told is not None and told[0] > last:
        last, head = told
    if live:
        problems = [problem for problem in problems if problem.kind != "torn" or problem.segment < newest]
    elif checkpoint is not None and shipped > last:
        problems.append(missing(checkpoint.segment, checkpoint.offset, last + 1, shipped))
    return JournalVerification(
        segments=len(numbers),
        records=records,
        first_sequence=first,
        last_sequence=last,
        shipped_sequence=shipped,
        head=head.hex(),
        unended=len(unended),
        dead_letters=len(read_dead_letters(disk, directory)),
        live=live,
        problems=tuple(problems),
    )
