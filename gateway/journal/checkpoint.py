"""How far the journal is shipped, kept beside it: a hint that saves work, because shipping twice adds nothing."""

from pathlib import Path

import msgspec

from gateway.journal.disk import Disk, read_file, replace_file
from gateway.journal.writer import Position

CHECKPOINT = "checkpoint.json"


class _Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    segment: int
    offset: int
    sequence: int


_decoder = msgspec.json.Decoder(_Checkpoint)


def read_checkpoint(disk: Disk, directory: Path) -> Position | None:
    """Give the place behind the last record known to be shipped; None when nothing tells."""
    try:
        kept = _decoder.decode(read_file(disk, directory / CHECKPOINT))
    except (FileNotFoundError, msgspec.DecodeError):
        # Without it everything that is still here is shipped once more, as duplicates.
        return None
    return Position(kept.segment, kept.offset, kept.sequence)


def write_checkpoint(disk: Disk, directory: Path, position: Position) -> None:
    """Note that everything up to `position` is shipped; old or new is read after a crash, never a mixture."""
    kept = _Checkpoint(segment=position.segment, offset=position.offset, sequence=position.sequence)
    replace_file(disk, directory / CHECKPOINT, msgspec.json.encode(kept) + b"\n")
