"""Raw sockets: bytes as no client library would send them, and what comes back for them."""

import re
import socket
import time
from dataclasses import dataclass

READ_S = 5.0


@dataclass(frozen=True)
class Heard:
    """What came back, and whether the other side closed behind it."""

    data: bytes
    closed: bool

    @property
    def statuses(self) -> list[int]:
        """Give the status of every answer in the bytes."""
        return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", self.data)]


def connect(port: int, *, receive_bytes: int | None = None) -> socket.socket:
    """Open a connection; a small receive buffer makes a reader that takes little at a time."""
    sock = socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(READ_S)
    sock.connect(("127.0.0.1", port))
    return sock


def exchange(port: int, *pieces: bytes, first_s: float = 3.0) -> Heard:
    """Send bytes as they are; give what comes until the other side closes or falls silent."""
    with connect(port) as sock:
        for piece in pieces:
            try:
                sock.sendall(piece)
            except ConnectionError:
                break
        return hear(sock, first_s)


def hear(sock: socket.socket, first_s: float = 3.0, quiet_s: float = 0.1, within_s: float = 10.0) -> Heard:
    """Read until the other side closes, or has not begun within `first_s`, or says no more for `quiet_s`."""
    data, end = bytearray(), time.monotonic() + within_s
    sock.settimeout(first_s)
    while time.monotonic() < end:
        try:
            piece = sock.recv(65536)
        except TimeoutError:
            return Heard(bytes(data), closed=False)
        except ConnectionError:
            return Heard(bytes(data), closed=True)
        if not piece:
            return Heard(bytes(data), closed=True)
        data += piece
        sock.settimeout(quiet_s)
    raise AssertionError(f"still talking after {within_s} s: {bytes(data[-200:])!r}")


def closed_within(sock: socket.socket, seconds: float) -> bool:
    """Say whether the other side closes in time; what it says meanwhile is read and dropped."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            if not sock.recv(65536):
                return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True
    return False


def request(
    path: bytes, body: bytes, key: str = "", *more: bytes, method: bytes = b"POST", length: bool = True
) -> bytes:
    """Write a plain request; `more` are header lines."""
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: gateway", b"Content-Type: application/json", *more]
    if key:
        lines.append(b"Authorization: Bearer " + key.encode())
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
