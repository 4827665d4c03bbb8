"""What a journal holds when its process is gone: where it ends, what is damaged, which requests have no end."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.journal.checkpoint import read_checkpoint
from gateway.journal.disk import Disk, read_file
from gateway.journal.errors import JournalUnusable
from gateway.journal.frame import ENDED, INTENT, NO_CHAIN, Frame, frames
from gateway.journal.reading import Problem, Record, damaged, missing, walk
from gateway.journal.segment import FORMAT, read_opened, segment_numbers, segment_path
from gateway.journal.writer import Place
from gateway.ledger.entry import Call, Entry, Intent


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found: the last record, the number of the next segment, intents without an end, what is wrong."""

    last: Place
    next_segment: int
    records: int
    unended: tuple[Intent, ...]
    oldest_open: int | None
    problems: tuple[Problem, ...]


class _Named(msgspec.Struct, frozen=True):
    request_id: str


_named = msgspec.json.Decoder(_Named)
_intent = msgspec.json.Decoder(Intent)


class Unended:
    """Intents whose end has not been met, in the order in which they were written."""

    def __init__(self) -> None:
        """Begin with none."""
        self._records: dict[str, Record] = {}

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self._records)

    def note(self, record: Record) -> list[Problem]:
        """Add an intent, or take out the one that ends here; gives what is not understood."""
        frame = record.frame
        if frame.kind not in (INTENT, ENDED):
            return []
        try:
            request_id = _named.decode(frame.payload).request_id
        except msgspec.DecodeError as error:
            return [_unreadable(record, error)]
        if frame.kind == INTENT:
            self._records[request_id] = record
        else:
            self._records.pop(request_id, None)
        return []

    def oldest(self) -> int | None:
        """Give the number of the first segment that holds one."""
        return min((record.segment for record in self._records.values()), default=None)

    def intents(self) -> tuple[tuple[Intent, ...], list[Problem]]:
        """Decode them; gives what is not understood beside."""
        intents: list[Intent] = []
        problems: list[Problem] = []
        for record in self._records.values():
            try:
                intents.append(_intent.decode(record.frame.payload))
            except msgspec.DecodeError as error:
                problems.append(_unreadable(record, error))
        return tuple(intents), problems


def _unreadable(record: Record, error: msgspec.DecodeError) -> Problem:
    text = f"record {record.frame.sequence} is not understood: {error}"
    return Problem("unreadable", record.segment, record.frame.offset, text)


def recover(disk: Disk, directory: Path) -> Recovered:
    """Read back to the oldest intent that may lack its end; cut what a cut write left behind. Raises OSError."""
    problems = _cut_tails(disk, directory)
    numbers = segment_numbers(directory)
    checkpoint = read_checkpoint(disk, directory)
    last: Place = (0, NO_CHAIN)
    records = 0
    unended = Unended()
    first = _oldest_open(disk, directory, numbers)
    recent = [number for number in numbers if number >= first]
    for item in walk(disk, directory, recent):
        if isinstance(item, Problem):
            problems.append(item)
            continue
        records, last = records + 1, (item.frame.sequence, item.frame.chain)
        problems += unended.note(item)
    for number in recent:
        problems += _synced(disk, directory, number)
    next_segment = max((*numbers, 0)) + 1
    told = last_told(disk, directory, recent)
    if told is not None and told[0] > last[0]:
        last = told
    if checkpoint is not None:
        next_segment = max(next_segment, checkpoint.segment + 1)
        if checkpoint.sequence > last[0]:
            problems.append(missing(checkpoint.segment, checkpoint.offset, last[0] + 1, checkpoint.sequence))
            last = (checkpoint.sequence, last[1])
    intents, unreadable = unended.intents()
    return Recovered(last, next_segment, records, intents, unended.oldest(), (*problems, *unreadable))


def ending_of(intent: Intent, now: datetime) -> Entry:
    """Give the terminal entry of a request whose gateway died: its cost lies between nothing and the worst."""
    call = Call(
        request_id=intent.request_id,
        state="uncertain",
        operation=intent.operation,
        dialect=intent.dialect,
        provider_name=intent.provider_name,
        request_model=intent.request_model,
        status=0,
        streamed=intent.streamed,
        reason="gateway_died",
        cost_source="unknown",
        cost_lower=0,
        cost_upper=intent.cost_upper,
        key_id=intent.key_id,
        tags=intent.tags,
        tag_sources=intent.tag_sources,
        initiative_status=intent.initiative_status,
        session_id=intent.session_id,
        client=intent.client,
        input_bytes=intent.input_bytes,
    )
    return Entry(
        id=f"{intent.request_id}:call",
        kind="call",
        occurred_at=intent.occurred_at,
        recorded_at=now,
        source="gateway",
        body=msgspec.Raw(msgspec.json.encode(call)),
    )


def _cut_tails(disk: Disk, directory: Path) -> list[Problem]:
    """Cut the newest segment behind its last whole record; segments without any record are removed."""
    problems: list[Problem] = []
    for number in reversed(segment_numbers(directory)):
        path = segment_path(directory, number)
        data = read_file(disk, path)
        end = 0
        for item in frames(data):
            if isinstance(item, Frame):
                end = item.end
            elif item.torn:
                problems.append(damaged(number, item))
        if end:
            if end < len(data):
                _cut(disk, path, end)
            break
        disk.remove(path)
    return problems


def _cut(disk: Disk, path: Path, size: int) -> None:
    fd = disk.open(path, os.O_RDWR)
    try:
        disk.truncate(fd, size)
    finally:
        disk.close(fd)


def _oldest_open(disk: Disk, directory: Path, numbers: list[int]) -> int:
    """Give the number of the first segment to read. The newest first record that is readable tells."""
    for number in reversed(numbers):
        opened = read_opened(disk, directory, number)
        if opened is None:
            continue
        if opened.format != FORMAT:
            raise JournalUnusable(
                f"The journal in {directory} was written in format {opened.format}, and this version reads "
                f"{FORMAT}. Start the version that wrote it once more and stop it, so that everything is shipped."
            )
        return min(opened.oldest_open, number)
    return 0


def last_told(disk: Disk, directory: Path, numbers: list[int]) -> Place | None:
    """Give the place that the newest segment follows: where it holds no record yet, the older ones may be gone."""
    for number in reversed(numbers):
        opened = read_opened(disk, directory, number)
        if opened is not None:
            return opened.sequence, bytes.fromhex(opened.chain)
    return None


def _synced(disk: Disk, directory: Path, number: int) -> list[Problem]:
    """Put on disk what a killed process wrote: nothing is shipped that a power cut could still take back."""
    fd = disk.open(segment_path(directory, number), os.O_RDWR)
    try:
        disk.sync(fd)
    except OSError as error:
        return [Problem("unsynced", number, 0, f"the disk refuses to sync it: {error.strerror or error}")]
    finally:
        disk.close(fd)
    return []
