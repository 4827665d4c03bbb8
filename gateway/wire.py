"""A client's connection: uvicorn's, with the deadlines and bounds that keep slow or greedy peers from holding it."""

import asyncio
import re
import time
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.exchange import Exchange

HEAD_BYTES_MAX = 64 * 1024
"""Twice what the guard takes: past it nothing is kept, before it the client gets a sentence."""

GRACE_S = 10.0
"""A request has this long to arrive, and longer only while it comes at BYTES_PER_S or faster (T47)."""

BYTES_PER_S = 8 * 1024
LINGER_S = 10.0
"""What still comes of a refused request is passed by this long: closing at once would reset the connection under a
client that is still sending, and it would never read why."""

WRITE_STALL_S = 60.0
"""A client that takes nothing of its answer for this long is taken to be gone (T35)."""

CONNECTIONS_MAX = 4096
"""Unless the limit of open files allows fewer; see serve."""

CONNECTIONS_PER_PEER_MAX = 2048
SWEEP_S = 1.0


class Wire(HttpToolsProtocol):
    """One connection. What the parser refuses is answered by uvicorn; what takes too long is closed by the sweep."""

    open_wires: ClassVar[set["Wire"]] = set()
    grace_s: ClassVar[float] = GRACE_S
    write_stall_s: ClassVar[float] = WRITE_STALL_S
    linger_s: ClassVar[float] = LINGER_S

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Expect a first request."""
        super().__init__(config, server_state, app_state, _loop)
        self._since = time.monotonic()
        self._received = 0
        self._reading = True
        self._in_head = True
        self._stalled_since: float | None = None
        self._resting_since: float | None = None
        self._spoiled = self._lingers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        self.open_wires.add(self)
        most = self.limit_concurrency or CONNECTIONS_MAX
        if len(self.open_wires) > most or self._of_peer() > CONNECTIONS_PER_PEER_MAX:
            transport.write(_BUSY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.open_wires.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, within bounds."""
        self._received += len(data)
        super().data_received(_without_upgrade(data) if self._in_head and b"pgrade:" in data else data)
        if self._in_head and self._received > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Start a request's time."""
        super().on_message_begin()
        self._since, self._received = time.monotonic(), 0
        self._reading = self._in_head = True
        self._resting_since = None

    def on_headers_complete(self) -> None:
        """Give a metered request an exchange of its own; the rest is uvicorn's."""
        self._in_head = False
        if self.parser.get_method() != b"POST" or self.url.startswith(b"/api/"):
            super().on_headers_complete()
            if not self.url.startswith(b"/") or b"#" in self.url:
                # uvicorn drops scheme, host and fragment of such a target; another server in the chain may go by them.
                self.scope["raw_path"] = self.url
            return
        version = self.parser.get_http_version()
        exchange = Exchange(
            self.url,
            self.headers,
            http_version=version,
            keep_alive=version == "1.1" and self.parser.should_keep_alive(),
            expects_continue=self.expect_100_continue,
            transport=self.transport,
            flow=self.flow,
            on_end=self.on_response_complete,
        )
        before: Exchange | None = self.cycle  # type: ignore[assignment]
        self.cycle = exchange  # type: ignore[assignment]
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_message_complete(self) -> None:
        """Stop the request's time: from here on the answer's own deadlines hold."""
        self._reading = False
        super().on_message_complete()
        if self._lingers:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Go on to the next request, unless what came behind the last one was none."""
        if self._spoiled:
            self.transport.close()
        elif self._reading and self.cycle.response_complete and not self.cycle.keep_alive:
            self._lingers, self._since = True, time.monotonic()
            self.flow.resume_reading()
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            # uvicorn would start a timer here, and stop it again at the next request.
            self._resting_since = time.monotonic()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words; ours are below
        """Refuse what is not HTTP."""
        self._refuse(_NOT_HTTP)

    def pause_writing(self) -> None:
        """Note since when the client takes nothing."""
        self._stalled_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._stalled_since = None
        super().resume_writing()

    def late(self, now: float) -> bool:
        """Say whether the peer has had its time."""
        if self._stalled_since is not None and now - self._stalled_since > self.write_stall_s:
            return True
        if self._lingers:
            return now - self._since > self.linger_s
        if self._resting_since is not None:
            return now - self._resting_since > self.timeout_keep_alive
        return self._reading and now - self._since > self.grace_s + self._received / BYTES_PER_S

    def _refuse(self, answer: bytes) -> None:
        """Answer what cannot be read, and close; an answer that is on its way ends first, untouched (F33)."""
        if self.pipeline or _under_way(self.cycle):
            self._spoiled = True
            return
        self.transport.write(answer)
        self.transport.close()

    def _of_peer(self) -> int:
        peer = self.client[0] if self.client else None
        if len(self.open_wires) <= CONNECTIONS_PER_PEER_MAX:
            return 0
        return sum(1 for wire in self.open_wires if wire.client and wire.client[0] == peer)


async def sweep() -> None:
    """Close what is late, once a second, for as long as the process runs: one timer instead of one a request."""
    while True:
        await asyncio.sleep(SWEEP_S)
        now = time.monotonic()
        for wire in tuple(Wire.open_wires):
            if wire.late(now) and not wire.transport.is_closing():
                wire.transport.abort()


def leave_all() -> None:
    """Close every connection at once: whoever still waits for its client need not any more."""
    for wire in tuple(Wire.open_wires):
        wire.transport.abort()


def _under_way(cycle: RequestResponseCycle | None) -> bool:
    """Say whether a request has come whole and its answer has not gone whole."""
    return cycle is not None and not cycle.more_body and not cycle.response_complete


def _without_upgrade(data: bytes) -> bytes:
    """Give the bytes with the wish for another protocol, which may be ignored, under another name.

    The parser takes it for the end of the request and loses the body. Java's own client wishes for h2c with each
    request it makes over http.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) + end + rest


_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


def _plain(status: int, text: bytes, more: bytes = b"") -> bytes:
    head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n%s\r\n" % (len(text), more)
    return STATUS_LINE[status] + head + text


_BUSY = _plain(503, b"Too many connections. Try again in a second.", b"retry-after: 1\r\n")
_NOT_HTTP = _plain(400, b"This is not HTTP/1.1 as it must be.")
_TOO_LARGE = _plain(431, b"The headers are too large.")
