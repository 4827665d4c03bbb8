"""Entries that can never be stored, kept beside the journal for a person: none is dropped, none holds up others."""

import os
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.journal.disk import Disk, read_file, write_whole

DEAD_LETTERS = "dead-letter.jsonl"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file: the entry (or a record that is none) as it was journaled, and why it is here."""

    id: str
    at: datetime
    why: str
    entry: msgspec.Raw


_decoder = msgspec.json.Decoder(DeadLetter)
_encode = msgspec.json.Encoder().encode


class DeadLetters:
    """The file of one journal. One thread at a time."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        """Remember which ids are in the file: what is shipped twice is set aside once."""
        self._disk, self._directory = disk, directory
        self._path = directory / DEAD_LETTERS
        self._ids = {letter.id for letter in read_dead_letters(disk, directory)}

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self._ids)

    def add(self, letter: DeadLetter) -> bool:
        """Put a letter on disk; whether it is a new one. Raises OSError, and then it is not set aside."""
        if letter.id in self._ids:
            return False
        fd = self._disk.open(self._path, os.O_RDWR | os.O_CREAT)
        try:
            size = os.fstat(fd).st_size
            # A line that a crash cut short ends here, so that it spoils no other.
            line = (b"\n" if size else b"") + _encode(letter) + b"\n"
            write_whole(self._disk, fd, line, size)
            self._disk.sync(fd)
        finally:
            self._disk.close(fd)
        self._disk.sync_directory(self._directory)
        self._ids.add(letter.id)
        return True


def read_dead_letters(disk: Disk, directory: Path) -> tuple[DeadLetter, ...]:
    """Give the letters of a journal, oldest first."""
    try:
        lines = read_file(disk, directory / DEAD_LETTERS).splitlines()
    except FileNotFoundError:
        return ()
    letters: list[DeadLetter] = []
    for line in lines:
        try:
            letters.append(_decoder.decode(line))
        except msgspec.DecodeError:
            # Cut short by a crash; its entry is shipped, and set aside, again.
            continue
    return tuple(letters)
