"""The least of HTTP/1.1 that a provider needs, read strictly: what is unclear is refused."""

import re
from dataclasses import dataclass

HEAD_BYTES_MAX = 32 * 1024
BODY_BYTES_MAX = 64 * 2**20

_LINE = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.1")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_REASONS = {200: b"OK", 400: b"Bad Request", 429: b"Too Many Requests", 500: b"Internal Server Error"}


class BadMessage(Exception):
    """The bytes are not one clear HTTP/1.1 request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request with its whole body; header names are in lower case."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes

    def text(self, name: bytes) -> str | None:
        """Give a header's value as text, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def take(buffer: bytearray) -> Request | None:
    """Take the first whole request off `buffer`, or give None when more bytes are needed.

    Raises BadMessage for anything a strict server refuses.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > HEAD_BYTES_MAX:
            raise BadMessage("head too large")
        return None
    method, target, headers = _head(bytes(buffer[:end]))
    length = _length(method, headers)
    start = end + 4
    if len(buffer) < start + length:
        return None
    request = Request(method, target, headers, bytes(buffer[start : start + length]))
    del buffer[: start + length]
    return request


def _head(head: bytes) -> tuple[bytes, bytes, dict[bytes, bytes]]:
    lines = head.split(b"\r\n")
    first = _LINE.fullmatch(lines[0])
    if first is None:
        raise BadMessage("not an HTTP/1.1 request line")
    headers: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise BadMessage("not a header line")
        name = name.lower()
        if name in headers and name in (b"content-length", b"host", b"transfer-encoding"):
            raise BadMessage("a header that may appear once appears twice")
        headers[name] = value
    if b"host" not in headers:
        raise BadMessage("no host")
    return first[1], first[2], headers


def _length(method: bytes, headers: dict[bytes, bytes]) -> int:
    if b"transfer-encoding" in headers:
        raise BadMessage("a request body has a content-length here, not a transfer-encoding")
    said = headers.get(b"content-length")
    if said is None:
        if method == b"POST":
            raise BadMessage("no content-length")
        return 0
    if not said.isdigit() or int(said) > BODY_BYTES_MAX:
        raise BadMessage("content-length is no number or too large")
    return int(said)


def head(status: int, content_type: bytes, number: int, *, length: int | None, extra: bytes = b"") -> bytes:
    """Write an answer's head; without a `length` the body is chunked."""
    framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
    return b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\nx-request-id: req_mock_%012d\r\n%s%s\r\n\r\n" % (
        status,
        _REASONS.get(status, b"Error"),
        content_type,
        number,
        extra,
        framing,
    )


def chunk(data: bytes) -> bytes:
    """Frame `data` as one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)
