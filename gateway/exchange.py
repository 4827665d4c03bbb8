"""One metered request and its answer on a client's connection, without a layer between: the hot path's own HTTP.

It stands where uvicorn keeps its request-response cycle, and has of it what uvicorn's protocol looks at:
`body`, `more_body`, `message_event`, `disconnected`, `response_complete`, `keep_alive` and `run_asgi`.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.errors import ClientGone, Refused
from policies.refusal import Refusal

if TYPE_CHECKING:
    from gateway.ingress import Ingress

Headers = list[tuple[bytes, bytes]]

BODIES_BYTES_MAX = 512 * 2**20
"""Of all bodies a worker holds at once, from the first byte read to the answer's end: more are told to come again,
for a worker that is out of memory answers nobody (F56). Bodies that come in one read are small and not counted."""


class Transport(Protocol):
    """What is used of a connection."""

    def write(self, data: bytes) -> None:
        """Send bytes, now or when the peer takes them."""
        ...

    def close(self) -> None:
        """Close once all is sent."""
        ...

    def is_closing(self) -> bool:
        """Say whether it is closed or about to be."""
        ...


class Bodies:
    """How many bytes of large bodies one worker holds."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        """Begin with none."""
        self.held = 0


class Exchange:
    """A request's head is here, its body comes; after its end, or once the client has left, sending does nothing."""

    __slots__ = (
        "_bodies", "_chunked", "_expects_continue", "_flow", "_held", "_on_end", "_transport", "_waiter", "body",
        "disconnected", "headers", "http_version", "keep_alive", "more_body", "query", "raw_path", "response_complete",
        "started",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - what a head says, once, at the one place where heads are read
        self,
        url: bytes,
        headers: Headers,
        *,
        http_version: str,
        keep_alive: bool,
        expects_continue: bool,
        transport: Transport,
        flow: FlowControl,
        on_end: Callable[[], None],
    ) -> None:
        """Begin with the head; nothing of it has been checked."""
        self.raw_path, _, self.query = url.partition(b"?")
        self.headers = headers
        self.http_version = http_version
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = self.response_complete = self.started = self._chunked = False
        self._expects_continue = expects_continue
        self._transport = transport
        self._flow = flow
        self._on_end = on_end
        self._waiter: asyncio.Future[None] | None = None
        self._bodies: Bodies | None = None
        self._held = 0

    @property
    def message_event(self) -> "Exchange":
        """Be the event that the protocol sets when there is news."""
        return self

    def set(self) -> None:
        """Wake whoever waits for more of the body."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def run_asgi(self, app: "Ingress") -> None:
        """Be answered; what is left half said closes the connection."""
        try:
            await app.metered(self)
        finally:
            if self._bodies is not None:
                self._bodies.held -= self._held
            if not self.response_complete:
                self.response_complete = True
                self._transport.close()

    async def whole_body(self, bytes_max: int, bodies: Bodies) -> bytes:
        """Give the whole body, counted among `bodies`.

        Raises Refused past `bytes_max` or when too much is held, and ClientGone when it will never be whole.
        """
        while self.more_body and len(self.body) <= bytes_max:
            if self.disconnected:
                # A body cut short is no body: acting on what came would be acting on another request (T42).
                raise ClientGone
            if self._expects_continue:
                self._expects_continue = False
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._flow.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
            self._count(bodies)
        if len(self.body) > bytes_max:
            text = f"The body is larger than {bytes_max} bytes (server.body_bytes_max). Send less."
            raise Refused(Refusal("body_too_large", text, 413))
        return bytes(self.body)

    def _count(self, bodies: Bodies) -> None:
        """Count what has come; raises Refused when that is more than fits beside the others."""
        bodies.held += len(self.body) - self._held
        self._bodies, self._held = bodies, len(self.body)
        if bodies.held > BODIES_BYTES_MAX:
            raise Refused(Refusal("overloaded", "The gateway has too much under way. Try again in a second.", 503, 1))

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer in one piece; `headers` name its length."""
        assert not self.started
        self.started = True
        await self._write(self._head(status, headers) + body)
        self._end()

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of an answer that comes in pieces."""
        assert not self.started
        self.started = True
        self._chunked = self.http_version == "1.1"
        if not self._chunked:
            # Before HTTP/1.1 a body without a length lasts until the connection's end.
            self.keep_alive = False
        await self._write(self._head(status, headers))

    async def send(self, piece: bytes) -> None:
        """Send some of the body; waits while the client is slow to read."""
        await self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def finish(self, piece: bytes) -> None:
        """Send the last of the body."""
        if not self._chunked:
            await self._write(piece)
        elif piece:
            await self._write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(piece), piece))
        else:
            await self._write(b"0\r\n\r\n")
        self._end()

    def _head(self, status: int, headers: Headers) -> bytes:
        if self.more_body:
            # The rest of a body nobody wants is passed by for a while, and then the connection ends.
            self.keep_alive = False
        lines = [b"%b: %b\r\n" % pair for pair in headers]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if self._chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join((STATUS_LINE[status], *lines, b"\r\n"))
        # Each line ends once, here: a break inside a value would begin a header of someone else's (T45).
        assert head.count(b"\n") == len(lines) + 2, "a header holds a line break"
        return head

    async def _write(self, data: bytes) -> None:
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if not self.disconnected:
            self._transport.write(data)

    def _end(self) -> None:
        if self.response_complete:
            return
        self.response_complete = True
        if not self.keep_alive and not self.more_body:
            self._transport.close()
        self._on_end()
