"""The meter of a whole answer: its body is kept, read once at its end and given on as it came."""

from typing import Protocol

from gateway.providers.provider import Ending, Reading
from policies.money import NanoUsd

BODY_BYTES_MAX = 2**27
"""128 MiB: two thousand embeddings of three thousand numbers, written out, are half of it."""


class BodyReader(Protocol):
    """Reads the whole answers of one dialect."""

    def whole(self, body: bytes) -> Reading | None:
        """Give what the answer says of itself; None when it is not JSON."""
        ...


class WholeMeter:
    """Meters an answer that comes in one piece: a Meter for any dialect, by its body reader."""

    def __init__(self, reader: BodyReader) -> None:
        """Start before the first byte."""
        self.ended = False
        self._reader = reader
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._reading = Reading(usage=None)
        self._ending: Ending = "truncated"

    def feed(self, piece: bytes) -> bytes:
        """Keep a piece; the client gets the body when it is whole, with its cost in a header."""
        self._bytes += len(piece)
        if self._bytes > BODY_BYTES_MAX:
            self._ending = "too_large"
            self.ended = True
            self._pieces.clear()
        else:
            self._pieces.append(piece)
        return b""

    def finish(self) -> None:
        """Read the body."""
        self.ended = True
        if self._ending == "too_large":
            return
        body = b"".join(self._pieces)
        self._pieces = [body]
        reading = self._reader.whole(body)
        self._ending = "malformed" if reading is None else "complete"
        if reading is not None:
            self._reading = reading

    def reading(self) -> Reading:
        """Give what is known: nothing before the end."""
        return self._reading

    def ending(self) -> Ending:
        """Say how the answer ended; a body that is not JSON is malformed."""
        return self._ending

    def close(self, cost: NanoUsd | None) -> bytes:  # noqa: ARG002 - a whole answer has its cost in a header
        """Give the body as it came, once."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
