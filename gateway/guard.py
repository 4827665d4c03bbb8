"""What HTTP allows and a gateway must not take: refused before anything of a request is believed.

What the parser refuses by itself, and what is left to refuse here, is measured: design page 5 and the table of 31
hostile messages in tests/fault/test_wire.py.
"""

import re

from gateway.errors import Refused
from gateway.exchange import Headers
from policies.refusal import Refusal

HEADER_LINES_MAX = 100
HEADER_BYTES_MAX = 32 * 1024
"""Twice the largest head of any client seen; cookies and proxies included."""

SINGLE = frozenset((
    b"authorization", b"x-api-key", b"x-goog-api-key", b"content-type", b"content-length", b"idempotency-key",
    b"transfer-encoding", b"content-encoding", b"x-ai-tags",
))  # fmt: skip
"""Said twice, two readers could believe two things."""

HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"))
_HOST = re.compile(rb"[A-Za-z0-9._-]{1,255}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")
_PATH = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,=:@%/-]*")
_ELSEWHERE = re.compile(rb"//|/\.|%2f|%2e|%5c|%0", re.IGNORECASE)


def guarded(headers: Headers, http_version: str) -> Headers:
    """Give the headers policy may read; raises Refused for a message two readers could read in two ways."""
    hosts = size = 0
    single: set[bytes] = set()
    dropped: frozenset[bytes] = frozenset()
    for name, value in headers:
        size += len(name) + len(value)
        if name in SINGLE:
            if name in single:
                raise Refused(_no(f"The header {name.decode()} came twice. Send it once."))
            single.add(name)
        elif name == b"host":
            hosts += 1
            _check_host(value)
        elif name == b"connection":
            dropped = _named(value)
    if hosts != 1:
        raise Refused(_no("A request needs exactly one Host header."))
    if b"transfer-encoding" in single:
        _check_chunked(headers, http_version)
    if len(headers) > HEADER_LINES_MAX or size > HEADER_BYTES_MAX:
        text = f"The headers are more than {HEADER_LINES_MAX} lines or {HEADER_BYTES_MAX} bytes. Send fewer."
        raise Refused(Refusal("headers_too_large", text, 431))
    # What a client lists in Connection is meant for the next hop only, and that is us (RFC 9110, 7.6.1).
    return [pair for pair in headers if pair[0] not in dropped] if dropped else headers


def guard_path(raw: bytes) -> str:
    """Give the path; raises Refused for one that another program could resolve to another place."""
    if not _PATH.fullmatch(raw) or _ELSEWHERE.search(raw):
        raise Refused(Refusal("bad_path", "The path has characters or segments that no route here has.", 404))
    return raw.decode("ascii")


def content_type_refusal(headers: Headers, allowed: bytes = b"application/json") -> Refusal | None:
    """Refuse a body policy cannot read: another type than JSON, another charset than UTF-8, a compressed one."""
    kind = b""
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            text = "A compressed body is not read here. Send it without Content-Encoding."
            return Refusal("unsupported_content_encoding", text, 415)
    if kind == allowed:
        return None
    media, _, parameters = kind.partition(b";")
    plain = parameters.strip().lower().replace(b'"', b"") in (b"", b"charset=utf-8")
    if media.strip().lower() == allowed and plain:
        return None
    return Refusal("unsupported_media_type", "Send the body as Content-Type: application/json in UTF-8.", 415)


def _check_host(value: bytes) -> None:
    if not _HOST.fullmatch(value):
        raise Refused(_no("The Host header is not a host name with an optional port."))


def _check_chunked(headers: Headers, http_version: str) -> None:
    value = next(value for name, value in headers if name == b"transfer-encoding")
    if value.strip().lower() != b"chunked" or http_version != "1.1":
        raise Refused(_no("The only transfer encoding taken here is chunked, in HTTP/1.1."))


def _named(connection: bytes) -> frozenset[bytes]:
    """Give the headers that a Connection header names, beside its usual words."""
    if connection.lower() in (b"keep-alive", b"close"):
        return frozenset()
    return frozenset(token.strip().lower() for token in connection.split(b",")) | HOP_BY_HOP


def _no(message: str) -> Refusal:
    return Refusal("bad_message", message, 400)
