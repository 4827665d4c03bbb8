"""Reads HTTP/1.1 answers out of bytes, one after the other; pure, strict, in bounded memory.

Framing is llhttp's, which is strict by default; what it leaves to its user (RFC 9112 6.3, 7.1) is decided here.
"""

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

HEAD_BYTES_MAX = 64 * 1024  # Four times what any provider sends.
HEADERS_MAX = 200
FRAMING_BYTES_MAX = 64 * 1024  # Chunk extensions and trailers between two body bytes; nobody sends any.

_TELLING = frozenset((b"content-length", b"transfer-encoding", b"content-encoding"))


class Reader:
    """Reads one answer at a time: `start`, then `feed` until `complete` or `violation`, and `start` again.

    `body` holds the bytes that have come and not been taken; whoever takes them empties it.
    """

    __slots__ = (
        "_bodiless", "_framed", "_framing_bytes", "_head_bytes", "_header_bytes", "_interim", "_moved", "_parser",
        "body", "complete", "headed", "headers", "keep_alive", "status", "until_close", "violation",
    )  # fmt: skip

    def __init__(self) -> None:
        """Be ready for `start`."""
        self._parser = HttpResponseParser(self)
        self.body: list[bytes] = []
        self.start(bodiless=False)

    def start(self, *, bodiless: bool) -> None:
        """Expect a new answer; a bodiless one ends with its head whatever its headers say (RFC 9112 6.3, HEAD)."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.headed = self.complete = self.keep_alive = self.until_close = False
        self.violation = ""
        self._bodiless = bodiless
        self._interim = self._framed = self._moved = False
        self._head_bytes = self._header_bytes = self._framing_bytes = 0

    def feed(self, data: bytes) -> bool:
        """Read what came; say whether the head or any of the body was in it."""
        self._moved = False
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError:
            raise
        except (HttpParserError, HttpParserUpgrade) as error:
            self.keep_alive = False
            self._violate(f"broke HTTP/1.1: {error}")
        if self._moved:
            self._framing_bytes = 0
        elif self.headed:
            self._framing_bytes += len(data)
            if self._framing_bytes > FRAMING_BYTES_MAX:
                self._violate(f"sent {FRAMING_BYTES_MAX} bytes of chunk framing without a body")
        else:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._violate(f"sent a head of more than {HEAD_BYTES_MAX} bytes")
        return self._moved

    def close(self) -> None:
        """Let the parser go: it holds this object's methods, a circle that would wait for the garbage collector."""
        del self._parser

    def on_message_begin(self) -> None:
        """Note bytes behind a complete answer: the next request would be given a made-up answer."""
        if self.complete:
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header of the head; count and drop those of a trailer."""
        if self.complete:
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEAD_BYTES_MAX or len(self.headers) >= HEADERS_MAX:
            self._violate(f"sent more than {HEAD_BYTES_MAX} bytes or {HEADERS_MAX} lines of headers")
        elif not self.headed:
            name = name.lower()
            self.headers.append((name, value))
            if name in _TELLING:
                self._told(name, value.strip().lower())

    def on_headers_complete(self) -> None:
        """Take the status; an interim head (1xx) is forgotten."""
        if self.complete or self.violation:
            return
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200
        if status == 101 or not 100 <= status <= 599:
            self._violate(f"answered with status {status}")
        elif self._interim:
            self.headers.clear()
            self._framed = False
        else:
            self.status = status
            self.headed = self._moved = True
            self.complete = self._bodiless
            self.until_close = not self._framed

    def on_body(self, body: bytes) -> None:
        """Keep body bytes."""
        if not self.complete:
            self._moved = True
            self.body.append(body)

    def on_message_complete(self) -> None:
        """Note the end, and whether the connection may serve again."""
        if self.headed and not self.complete and not self.violation:
            self.complete = True
            self.keep_alive = self._parser.should_keep_alive()

    def _told(self, name: bytes, value: bytes) -> None:
        """Heed a header that says where the body ends or how it is written."""
        if name == b"content-encoding":
            if value not in (b"", b"identity"):
                self._violate("compressed its answer although identity was asked for; switch its compression off")
            return
        self._framed = True
        if name == b"transfer-encoding" and value != b"chunked":
            self._violate("used a transfer encoding other than chunked")

    def _violate(self, text: str) -> None:
        """Keep the first thing that is wrong with an answer; behind its end nothing is wrong with it any more."""
        if not self.complete and not self.violation:
            self.violation = text
