"""The hash chain: what each row is bound to, so that nobody changes the book unseen."""

from hashlib import sha256

import msgspec

GENESIS = bytes(32)
"""What the first row of a chain follows."""

REMOVABLE = "demo"
"""The one source whose entries may go. They hang on a chain of their own, so that the book's stays whole."""

_encode = msgspec.json.Encoder().encode


def hash_payload(kind: str, source: str, corrects: str | None, body: bytes) -> bytes:
    """Give SHA-256 of what an entry says: `[kind,source,corrects]` as JSON, a line feed, the body."""
    return sha256(_encode((kind, source, corrects)) + b"\n" + body).digest()


def link(previous: bytes, payload: bytes, place: tuple[int, str, str, str]) -> bytes:
    """Give SHA-256 of the link before, the payload's hash, and `[position,id,occurred_at,recorded_at]` as JSON.

    The position is part of it, so that rows of two chains cannot change places either.
    """
    return sha256(previous + payload + _encode(place)).digest()


class Heads(msgspec.Struct):
    """Where the book ends: the last position given, and the number of entries and last link of both chains."""

    last_position: int = 0
    removals: int = 0
    book_entries: int = 0
    book_chain: bytes = GENESIS
    demo_entries: int = 0
    demo_chain: bytes = GENESIS

    def extend(self, source: str, payload: bytes, entry_id: str, times: tuple[str, str]) -> tuple[int, bytes]:
        """Take the next position for an entry and hang it on its chain; gives both."""
        position = self.last_position + 1
        hashed = link(self.of(source), payload, (position, entry_id, *times))
        self.place(source, position, hashed)
        return position, hashed

    def of(self, source: str) -> bytes:
        """Give the last link of the chain that this source hangs on."""
        return self.demo_chain if source == REMOVABLE else self.book_chain

    def place(self, source: str, position: int, hashed: bytes) -> None:
        """Make this link the last of its chain."""
        self.last_position = position
        if source == REMOVABLE:
            self.demo_entries, self.demo_chain = self.demo_entries + 1, hashed
        else:
            self.book_entries, self.book_chain = self.book_entries + 1, hashed

    def forget_removable(self) -> None:
        """Start the removable source's chain anew; positions once given are not given again."""
        self.removals += 1
        self.demo_entries, self.demo_chain = 0, GENESIS
