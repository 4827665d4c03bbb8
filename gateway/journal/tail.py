"""Reads the journal behind its writer: entries in order, and the place where they end."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.journal.disk import Disk
from gateway.journal.frame import ENDED, ENTRY, INTENT, OPENED, Frame, frames
from gateway.journal.reading import Problem, damaged, missing
from gateway.journal.record import Ended
from gateway.journal.segment import opened_of, segment_numbers, segment_path
from gateway.journal.writer import Position
from gateway.ledger.entry import Entry

CHUNK_BYTES = 2**20
"""Read at once; some 500 calls."""

START = Position(0, 0, 0)
"""Before the first segment, whichever that is by now."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is whole but not understood: what it says, and why it is not."""

    sequence: int
    payload: bytes
    why: str


@dataclass(slots=True)
class Batch:
    """Entries in order, the place behind them, and what else was met on the way."""

    position: Position
    entries: list[Entry] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Tail:
    """A reader that keeps the file open between two looks. One thread at a time."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        """Open nothing yet."""
        self._disk, self._directory = disk, directory
        self._number = 0
        self._fd: int | None = None

    def read(self, after: Position, limit: Position, entries_max: int) -> Batch:
        """Give entries between two places: all, or the first `entries_max` and those of the same record.

        Raises OSError when the disk does not give them.
        """
        batch = Batch(after)
        size = CHUNK_BYTES
        while len(batch.entries) < entries_max and (batch.position.segment, batch.position.offset) < (
            limit.segment,
            limit.offset,
        ):
            position = batch.position
            last = position.segment == limit.segment
            asked = min(size, limit.offset - position.offset) if last else size
            data = self._piece(position, asked)
            to_the_end = len(data) < asked or (last and position.offset + len(data) >= limit.offset)
            self._take(batch, data, entries_max, to_the_end=to_the_end)
            if batch.position.offset > position.offset:
                size = CHUNK_BYTES
            elif not to_the_end:
                # A record, or a damage, that is longer than what was read.
                size *= 4
            elif last:
                batch.position = limit
            else:
                batch.position = Position(self._next(position.segment), 0, position.sequence)
        return batch

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            self._disk.close(self._fd)
            self._fd = None

    def _piece(self, position: Position, size: int) -> bytes:
        """Read some of a segment; nothing when it is not there."""
        if self._fd is None or self._number != position.segment:
            self.close()
            path = segment_path(self._directory, position.segment)
            try:
                self._fd = self._disk.open(path, os.O_RDONLY)
            except FileNotFoundError:
                return b""
            self._number = position.segment
        return self._disk.read(self._fd, size, position.offset)

    def _next(self, number: int) -> int:
        """Give the segment that follows."""
        return min(other for other in segment_numbers(self._directory) if other > number)

    def _take(self, batch: Batch, data: bytes, entries_max: int, *, to_the_end: bool) -> None:
        """Add the records of a piece; what is cut at its end is left for the next look."""
        segment, base, sequence = batch.position.segment, batch.position.offset, batch.position.sequence
        end = 0
        for item in frames(data):
            if isinstance(item, Frame):
                sequence = _add(batch, item, base, sequence)
            elif item.torn and not to_the_end:
                break
            else:
                harm = msgspec.structs.replace(item, offset=base + item.offset, end=base + item.end)
                batch.problems.append(damaged(segment, harm))
            end = item.end
            if len(batch.entries) >= entries_max:
                break
        batch.position = Position(segment, base + end, sequence)


_entry = msgspec.json.Decoder(Entry)
_ended = msgspec.json.Decoder(Ended)


def _add(batch: Batch, frame: Frame, base: int, reached: int) -> int:
    """Add what a record says; gives the sequence reached with it."""
    sequence = frame.sequence
    if frame.kind == OPENED:
        opened = opened_of(frame)
        if opened is None or opened.sequence <= reached:
            return reached
        sequence = opened.sequence
    elif sequence <= reached:
        # Written again after a sync failed.
        return reached
    lost = sequence if frame.kind == OPENED else sequence - 1
    if lost > reached > 0:
        batch.problems.append(missing(batch.position.segment, base + frame.offset, reached + 1, lost))
    _decode(batch, frame)
    return sequence


def _decode(batch: Batch, frame: Frame) -> None:
    """Add the entries of a record; intents and first records have none."""
    try:
        if frame.kind == ENDED:
            batch.entries.extend(_ended.decode(frame.payload).entries())
        elif frame.kind == ENTRY:
            batch.entries.append(_entry.decode(frame.payload))
        elif frame.kind not in (INTENT, OPENED):
            why = f"there is no record of kind {frame.kind}"
            batch.unreadable.append(Unreadable(frame.sequence, frame.payload, why))
    except msgspec.DecodeError as error:
        batch.unreadable.append(Unreadable(frame.sequence, frame.payload, str(error)))
