"""One connection to an upstream: a request goes out, its answer comes back in pieces, in bounded memory and time."""

import asyncio
import select
from math import inf
from typing import Protocol, cast

from gateway.errors import UpstreamFailed
from gateway.http1 import Reader
from gateway.settings import Provider

READ_BYTES = 32 * 1024  # One read at most: all streams get their turn, and a slow reader is known before much is held.
HELD_BYTES_MAX = 32 * 1024  # Unread body above this stops the reading; one more read may still add its own size.
WRITE_BYTES = 256 * 1024  # A request up to this size is one write; a larger one waits for the provider to take it.
LEFTOVER_BYTES_MAX = 64 * 1024  # What may follow an answer that was read to its own end, so that it is worth waiting.
LEFTOVER_S = 1.0


class Owner(Protocol):
    """Who keeps connections between requests."""

    room: bytearray
    """READ_BYTES that each read goes through; one for all connections, for no two are read at once."""

    def freed(self, connection: "Connection") -> None:
        """Take back a connection whose answer has ended."""
        ...

    def lost(self, connection: "Connection") -> None:
        """Forget a connection that is closed."""
        ...


class Answer:
    """One answer as it arrives. Nothing stays open after its end, a failure, `abandon` or `release`."""

    __slots__ = ("_connection", "_ended", "_pieces", "_waiter", "failure", "headers", "held", "sent", "status")

    def __init__(self, connection: "Connection") -> None:
        """Expect the answer to a request that `connection` is about to send."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.sent = False
        self.failure: UpstreamFailed | None = None
        self.held = 0
        self._connection: Connection | None = connection
        self._pieces: list[bytes] = []
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    async def piece(self) -> bytes:
        """Give the body bytes that have come since, waiting for some; b"" at the end.

        An end that the framing does not confirm is a failure, except for a body that ends with its connection.
        Raises UpstreamFailed, after everything that came before it has been given.
        """
        while not self._pieces:
            if self.failure is not None:
                raise self.failure
            if self._ended:
                return b""
            await self.news()
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.held = 0
        if self._connection is not None:
            self._connection.resume()
        return piece

    def abandon(self) -> None:
        """Close the connection unless the answer is complete; the rest is not wanted."""
        self._forget()
        if self._connection is not None:
            self._connection.drop()

    async def release(self) -> None:
        """Let the few bytes after the last wanted one pass by unseen, so that the connection can serve again."""
        self._forget()
        if self._connection is not None:
            self._connection.ignore_rest()

    async def news(self) -> None:
        """Wait until a head, a piece, the end or a failure has come."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Tell whoever waits that there is news."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def add(self, pieces: list[bytes]) -> None:
        """Keep body bytes until they are asked for, and empty the list they came in."""
        for piece in pieces:
            self.held += len(piece)
        self._pieces += pieces
        pieces.clear()

    def end(self, failure: UpstreamFailed | None) -> None:
        """End the answer, well or with a failure; its connection is no longer its own."""
        self._connection = None
        self.failure = failure
        self._ended = True
        self.wake()

    def _forget(self) -> None:
        self._pieces.clear()
        self.held = 0
        self._ended = True


class Connection(asyncio.BufferedProtocol):
    """Carries one request at a time. Deadlines are one timer that is looked at now and then, not one for each wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, provider: Provider) -> None:
        """Wait to be connected."""
        self.idle_since = 0.0
        self._loop = loop
        self._owner = owner
        self._room = memoryview(owner.room)
        self._provider = provider
        self._reader = Reader()
        self._answer: Answer | None = None
        # No deadline is ever set nearer than this, so looking this often misses none.
        self._tick = min(provider.head_timeout_s, provider.idle_timeout_s, provider.total_timeout_s)
        self._deadline = inf
        self._total_end = inf
        self._timer: asyncio.TimerHandle | None = None
        self._writable: asyncio.Future[None] | None = None
        self._write_paused = False
        self._read_paused = False
        self._leftover: int | None = None

    async def ask(self, head: bytes, body: bytes, *, bodiless: bool = False) -> Answer:
        """Send one request and give its answer when the head has come; raises UpstreamFailed."""
        answer = self._answer = Answer(self)
        self._reader.start(bodiless=bodiless)
        self._start_clocks()
        try:
            if len(body) <= WRITE_BYTES:
                answer.sent = True
                self._transport.write(head + body)
            else:
                await self._write(answer, head, body)
            if not answer.status and answer.failure is None:
                await answer.news()
        except BaseException:
            answer.abandon()
            raise
        if not answer.status and answer.failure is not None:
            raise answer.failure
        return answer

    def usable(self) -> bool:
        """Say whether another request can be written.

        What the kernel holds but the loop has not read yet counts: a close (or bytes that nobody asked for) seen
        only after the request was written would leave open whether the provider read and bills it.
        """
        return not self._transport.is_closing() and not self._poll.poll(0)

    def close(self) -> None:
        """Close politely; for a connection at rest."""
        self._transport.close()

    def drop(self) -> None:
        """Close at once, whatever is under way."""
        self._fail("reset", "the gateway closed the connection")

    def resume(self) -> None:
        """Read on after the unread pieces have been taken."""
        if self._read_paused:
            self._read_paused = False
            self._deadline = min(self._loop.time() + self._provider.idle_timeout_s, self._total_end)
            self._transport.resume_reading()

    def ignore_rest(self) -> None:
        """Drop what still comes of the answer, for LEFTOVER_S at most."""
        self._leftover = 0
        self.resume()
        self._deadline = self._loop.time() + LEFTOVER_S
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and a way to ask the kernel about it."""
        self._transport = cast(asyncio.Transport, transport)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the answer: well only when its body was to last until now."""
        answer, name = self._answer, self._provider.name
        if answer is not None and self._reader.until_close and exc is None:
            self._answer = None
            answer.end(None)
        elif answer is not None and answer.status:
            self._fail("reset", f"{name} closed the connection in the middle of its answer")
        else:
            self._fail("reset", f"{name} closed the connection before it answered")
        if self._timer is not None:
            self._timer.cancel()
        self._reader.close()
        self._owner.lost(self)

    def pause_writing(self) -> None:
        """Hold the rest of a large body."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Let a large body go on."""
        self._write_paused = False
        self._wake_writer()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Give the room for the next read."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Read what came; what nobody asked for closes the connection."""
        answer, reader = self._answer, self._reader
        if answer is None:
            self._transport.abort()
            return
        moved = reader.feed(bytes(self._room[:nbytes]))
        if reader.headed and not answer.status:
            answer.status, answer.headers = reader.status, reader.headers
        if reader.body:
            if self._leftover is None:
                answer.add(reader.body)
            else:
                self._pass_by(reader.body)
        if self._answer is None:
            return
        if reader.complete:
            self._finish(answer)
        elif reader.violation:
            self._fail("protocol", f"{self._provider.name} {reader.violation}")
        elif moved and self._leftover is None:
            self._move_on(answer)

    def _start_clocks(self) -> None:
        """Start the head's and the answer's time."""
        self._leftover = None
        now = self._loop.time()
        self._total_end = now + self._provider.total_timeout_s
        self._deadline = min(now + self._provider.head_timeout_s, self._total_end)
        if self._timer is None:
            self._timer = self._loop.call_at(min(self._deadline, now + self._tick), self._look)

    async def _write(self, answer: Answer, head: bytes, body: bytes) -> None:
        """Write a large request as fast as it is taken; stop when the answer comes first."""
        rest = memoryview(body)
        self._transport.write(head)
        while rest and self._answer is answer and not answer.status:
            if self._write_paused:
                self._writable = self._loop.create_future()
                try:
                    await self._writable
                finally:
                    self._writable = None
                continue
            # Until the last byte is on its way the provider has no request it could act on or bill.
            answer.sent = len(rest) <= WRITE_BYTES
            self._transport.write(rest[:WRITE_BYTES])
            rest = rest[WRITE_BYTES:]

    def _wake_writer(self) -> None:
        """Let a large body go on, or see that it is not wanted any more."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def _move_on(self, answer: Answer) -> None:
        """Set the deadline for the next piece, or stop reading while nobody takes what has come."""
        if answer.held > HELD_BYTES_MAX:
            # Waiting for our own reader is no fault of the provider's: only the total time runs on.
            self._read_paused = True
            self._deadline = self._total_end
            self._transport.pause_reading()
        else:
            self._deadline = min(self._loop.time() + self._provider.idle_timeout_s, self._total_end)
        self._wake_writer()
        answer.wake()

    def _pass_by(self, pieces: list[bytes]) -> None:
        """Count and drop what is no longer wanted; too much of it is not worth a connection."""
        assert self._leftover is not None
        for piece in pieces:
            self._leftover += len(piece)
        pieces.clear()
        if self._leftover > LEFTOVER_BYTES_MAX:
            self.drop()

    def _finish(self, answer: Answer) -> None:
        """End the answer, and rest if the connection can serve again."""
        self._answer = None
        answer.end(None)
        self._deadline = inf
        self._wake_writer()
        if self._reader.keep_alive and answer.sent:
            self._owner.freed(self)
        else:
            self._transport.abort()

    def _fail(self, reason: str, message: str) -> None:
        """End the answer with a failure; the connection is of no more use."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.end(UpstreamFailed(reason, message, sent=answer.sent))
        self._wake_writer()
        self._transport.abort()

    def _look(self) -> None:
        """See whether the deadline has passed; one that has moved on is looked at again when it is due."""
        self._timer = None
        answer, now, name = self._answer, self._loop.time(), self._provider.name
        if answer is None:
            return
        if now < self._deadline:
            self._timer = self._loop.call_at(min(self._deadline, now + self._tick), self._look)
        elif not answer.status:
            self._fail("head_timeout", f"{name} did not start to answer in time")
        elif now >= self._total_end:
            self._fail("idle_timeout", f"{name} did not end its answer within total_timeout_s")
        else:
            self._fail("idle_timeout", f"{name} stopped in the middle of its answer")
