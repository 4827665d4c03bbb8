"""A scripted upstream on a raw socket: it answers the bytes it is told to, stalls, resets, cuts, and counts.

    async with Upstream(answering(reply(200, b"hello"))) as upstream:
        ...  # upstream.url, upstream.connections, upstream.requests

A script is a coroutine that drives one connection by its Wire; it runs in the event loop of the test.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came; header names are in lower case."""

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Give the one value of a header, or None."""
        values = [value for other, value in self.headers if other == name]
        assert len(values) <= 1, f"{name!r} was sent {len(values)} times"
        return values[0] if values else None


class Gone(Exception):
    """The client has closed the connection."""


class Wire:
    """One accepted connection."""

    def __init__(self, upstream: "Upstream", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.upstream = upstream
        self.reader = reader
        self.writer = writer

    async def request(self) -> Received:
        """Read one request with its body; raises Gone when the client closes instead."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head[:-4].split(b"\r\n")
            method, target, _ = lines[0].decode("ascii").split(" ")
            headers = [(n.lower(), v) for n, _, v in (line.partition(b": ") for line in lines[1:])]
            length = int(dict(headers).get(b"content-length", b"0"))
            received = Received(method, target, headers, await self.reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone from error
        self.upstream.requests.append(received)
        return received

    async def send(self, *pieces: bytes) -> None:
        """Send bytes as they are; waits until the kernel or a bounded buffer has them."""
        try:
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()
        except ConnectionError as error:
            raise Gone from error

    async def pause(self, seconds: float) -> None:
        """Take time, as a slow provider does; never to wait for something that an event could tell."""
        passed = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_later(seconds, passed.set_result, None)
        try:
            await passed
        finally:
            timer.cancel()

    async def gone(self) -> NoReturn:
        """Wait until the client has closed the connection, then raise Gone."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        raise Gone

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        """Close after what was sent."""
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


Script = Callable[[Wire], Awaitable[None]]


class Upstream:
    """Listens on loopback while its `async with` lasts. `left` is set once a client has closed."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.connections = 0
        self.open = 0
        self.requests: list[Received] = []
        self.left = asyncio.Event()
        self.failures: list[BaseException] = []
        self._script = script
        self._tls = tls
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Give the port it listens on."""
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Give its base URL."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    async def __aenter__(self) -> "Upstream":
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._tls, backlog=1024)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        if error is None and self.failures:
            raise self.failures[0]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        wire = Wire(self, reader, writer)
        try:
            await self._script(wire)
        except Gone:
            self.left.set()
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        except Exception as error:
            self.failures.append(error)
        finally:
            self.open -= 1
            await wire.close()


def answering(*answers: bytes) -> Script:
    """Answer each request with the next of `answers`, the last one again and again, on any number of connections."""
    rest = list(answers)

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.send(rest.pop(0) if len(rest) > 1 else rest[0])

    return script


def cutting(answer: bytes, at: int, *, reset: bool = False) -> Script:
    """Answer with the first `at` bytes, then close."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer[:at])
        if reset:
            wire.reset()

    return script


def stalling(start: bytes = b"") -> Script:
    """Answer with `start`, then say nothing more until the client leaves."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(start)
        await wire.gone()

    return script


def reply(status: int, body: bytes = b"", *headers: tuple[str, str], reason: str = "OK") -> bytes:
    """Write an answer whose length is in its head."""
    lines = [f"HTTP/1.1 {status} {reason}", f"content-length: {len(body)}", *(f"{n}: {v}" for n, v in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(pieces: Iterable[bytes], *headers: tuple[str, str], status: int = 200) -> bytes:
    """Write an answer in chunks, with its last one."""
    lines = [f"HTTP/1.1 {status} OK", "transfer-encoding: chunked", *(f"{n}: {v}" for n, v in headers)]
    body = b"".join(chunk(piece) for piece in pieces)
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body + b"0\r\n\r\n"


def chunk(piece: bytes) -> bytes:
    """Write one chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
