"""Reads one HTTP/1.1 answer as it arrives and says whether its content is what the mock provider sent."""

import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_PRICED = re.compile(rb"\r\nx-weighbridge-cost:", re.IGNORECASE)
_MARK = re.compile(rb"@(\d{5})\|")


class Reader:
    """One answer: feed bytes until `done`; then `fault()` is None or the first thing that is wrong."""

    def __init__(self) -> None:
        self.status = 0
        self.done = False
        self.priced = False
        self.first_piece = False
        self._head = bytearray()
        self._body = bytearray()
        self._in_head = True
        self._left = 0
        self._chunked = False
        self._line = bytearray()
        self._trailer = False

    def feed(self, data: bytes) -> None:
        """Take bytes; nothing may follow the end of the answer."""
        if self._in_head:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            data = bytes(self._head[end + 4 :])
            self._read_head(bytes(self._head[: end + 2]))
        if self._chunked:
            self._feed_chunks(data)
        else:
            self._body += data
            self.done = len(self._body) >= self._left
        if not self.first_piece and b"@" in self._body:
            self.first_piece = True

    def fault(self, chunks: int, *, streamed: bool) -> str | None:
        """Say what is wrong with the answer, or None: status, every piece once and in order, the end mark."""
        if self.status != 200:
            return f"status {self.status}: {bytes(self._body[:200])!r}"
        if not self.done:
            return "cut off"
        marks = [int(mark) for mark in _MARK.findall(self._body)]
        if marks != list(range(chunks)):
            return f"{len(marks)} of {chunks} pieces, or out of order"
        if streamed and not self._body.rstrip().endswith(b"data: [DONE]"):
            return "no [DONE]"
        if not streamed and not self._body.rstrip().endswith(b"}"):
            return "not a whole body"
        return None

    def _read_head(self, head: bytes) -> None:
        self._in_head = False
        self.status = int(head[9:12])
        self.priced = _PRICED.search(head) is not None
        self._chunked = _CHUNKED.search(head) is not None
        length = _LENGTH.search(head)
        if length is None and not self._chunked:
            raise ValueError("an answer with neither a length nor chunks")
        self._left = 0 if length is None else int(length[1])

    def _feed_chunks(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                taken = min(self._left, len(data) - at)
                self._body += data[at : at + taken]
                at += taken
                self._left -= taken
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                return
            line = (bytes(self._line) + data[at:end]).strip()
            self._line.clear()
            at = end + 1
            self._chunk_line(line)

    def _chunk_line(self, line: bytes) -> None:
        # An empty line ends a chunk's data or, after the chunk of size 0, the message.
        if self._trailer:
            self.done = not line
        elif line:
            self._left = int(line.partition(b";")[0], 16)
            self._trailer = self._left == 0
