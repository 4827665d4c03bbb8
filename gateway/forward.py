"""The only file that opens an upstream connection: one egress policy, one pool per provider, one way to send.

A request is never sent twice here. When a kept connection turns out dead before any byte of an answer, the provider
may still have read the request and be billing it, so that is `UpstreamFailed(sent=True)` and the caller decides.
"""

import asyncio
import re
import ssl
from collections import deque

from gateway.connection import READ_BYTES, Connection
from gateway.connection import Answer as Answer
from gateway.egress import EgressRefused, Origin, Resolver, SystemResolver, checked_addresses, origin_of
from gateway.errors import UpstreamFailed
from gateway.providers.address import joined
from gateway.providers.provider import Outgoing
from gateway.settings import Provider

IDLE_S = {"https": 55.0, "http": 4.0}
"""A connection rests this long at most, less than the far end would keep it, so that no request runs into its close:
load balancers and nginx keep 60 to 75 s, local model servers on uvicorn 5 s (their documentation, 2026-11-23)."""

_TARGET = re.compile(r"/[!-\"$-~]*")
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade", b"te"))


class Forwarder:
    """Sends requests to providers and gives their answers. Belongs to one event loop."""

    def __init__(self, *, resolver: Resolver | None = None, tls: ssl.SSLContext | None = None) -> None:
        """Have no connection yet. `tls` stands for the system's certificate authorities (SSL_CERT_FILE adds others)."""
        self._resolver: Resolver = resolver or SystemResolver()
        self._tls = tls
        self._pools: dict[str, _Pool] = {}

    async def send(
        self,
        provider: Provider,
        outgoing: Outgoing,
        secret: tuple[bytes, bytes] | None,
        request_id: bytes | None = None,
    ) -> Answer:
        """Send one request and give its answer as soon as the head is there, whatever its status; follow nothing.

        Raises UpstreamFailed: sent=False promises that the provider cannot have the whole request.
        """
        pool = self._pools.get(provider.name)
        if pool is None or pool.provider is not provider:
            pool = self._open_pool(provider)
        head = pool.head(outgoing, secret, request_id)
        connection = pool.rested() or await pool.connection()
        return await connection.ask(head, outgoing.body, bodiless=outgoing.method == "HEAD")

    async def close(self) -> None:
        """Close every connection; answers under way fail."""
        for pool in self._pools.values():
            pool.close(at_once=True)
        self._pools.clear()
        # Transports end in the loop's next round.
        await asyncio.sleep(0)

    def _open_pool(self, provider: Provider) -> "_Pool":
        """Start afresh with a provider that is new or has other settings than before."""
        try:
            origin, headers = origin_of(provider), _own_headers(provider)
        except ValueError as error:
            raise UpstreamFailed("egress_refused", f"{provider.name}: {error}", sent=False) from error
        if origin.scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        old = self._pools.get(provider.name)
        if old is not None:
            old.close(at_once=False)
        pool = _Pool(provider, origin, headers, self._resolver, self._tls if origin.scheme == "https" else None)
        self._pools[provider.name] = pool
        return pool


def _own_headers(provider: Provider) -> tuple[tuple[bytes, bytes], ...]:
    """Give the headers that the configuration adds to each request; raises ValueError for one it cannot set."""
    headers = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in provider.headers)
    for name, _ in headers:
        if name in _FRAMING:
            raise ValueError(f"the header {name.decode('latin-1')} is not set by configuration")
    return headers


class _Pool:
    """The connections to one provider, at most connections_max; the one used last is used next."""

    def __init__(
        self,
        provider: Provider,
        origin: Origin,
        headers: tuple[tuple[bytes, bytes], ...],
        resolver: Resolver,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.provider = provider
        self._origin = origin
        self._resolver = resolver
        self._tls = tls
        self.room = bytearray(READ_BYTES)
        self._loop = asyncio.get_running_loop()
        self._idle_s = IDLE_S[origin.scheme]
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._slots = provider.connections_max
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._fixed_names = frozenset(name for name, _ in headers)
        self._fixed = ((b"host", origin.authority.encode("ascii")), *headers)

    def head(self, outgoing: Outgoing, secret: tuple[bytes, bytes] | None, request_id: bytes | None = None) -> bytes:
        """Write a request's head; the provider's own headers win over the request's."""
        target = joined(self._origin.path, outgoing.path)
        if not _TARGET.fullmatch(target) or "/." in target:
            raise UpstreamFailed("egress_refused", "the path for the provider is not a plain one", sent=False)
        lines = [f"{outgoing.method} {target} HTTP/1.1".encode("ascii")]
        for name, value in self._fixed:
            lines.append(name + b": " + value)
        for name, value in outgoing.headers:
            assert name not in _FRAMING, "a dialect leaves the framing alone"
            if name not in self._fixed_names:
                lines.append(name + b": " + value)
        if request_id is not None:
            lines.append(b"x-request-id: " + request_id)
        if secret is not None:
            lines.append(secret[0] + b": " + secret[1])
        if outgoing.body or outgoing.method not in ("GET", "HEAD"):
            lines.append(b"content-length: %d" % len(outgoing.body))
        lines.append(b"\r\n")
        head = b"\r\n".join(lines)
        # Each line ends once, here: a break inside a value would start a header, or a request, of someone else's.
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise UpstreamFailed("egress_refused", "a header for the provider holds a line break", sent=False)
        return head

    def rested(self) -> Connection | None:
        """Take the connection that was used last, if one is at rest and still good."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable() and self._loop.time() - connection.idle_since < self._idle_s:
                return connection
            connection.close()
        return None

    async def connection(self) -> Connection:
        """Open a connection, or wait for one; raises UpstreamFailed after connect_timeout_s."""
        if self._slots > 0:
            self._slots -= 1
        else:
            given = await self._turn()
            if given is not None:
                return given
        try:
            connection = await self._open()
        except BaseException:
            self._slot_free()
            raise
        self._all.add(connection)
        return connection

    def freed(self, connection: Connection) -> None:
        """Hand a connection to whoever waits longest, or let it rest."""
        if self._closed:
            connection.close()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_at(connection.idle_since + self._idle_s, self._sweep)

    def lost(self, connection: Connection) -> None:
        """Forget a closed connection and let another be opened in its place."""
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._all:
            self._all.remove(connection)
            self._slot_free()

    def close(self, *, at_once: bool) -> None:
        """Close what rests; answers under way fail at once, or end before their connection closes."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._all) if at_once else tuple(self._idle):
            if at_once:
                connection.drop()
            else:
                connection.close()
        self._idle.clear()

    async def _turn(self) -> Connection | None:
        """Wait for a free connection, or with None for the right to open one."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self.provider.connect_timeout_s):
                given = await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._give_back(waiter.result())
            if not isinstance(error, TimeoutError):
                raise
            text = f"all {self.provider.connections_max} connections to {self.provider.name} are in use"
            raise UpstreamFailed("pool_exhausted", text, sent=False) from error
        if given is not None and not given.usable():
            # It was closed between being handed over and being taken; its slot went with it.
            return await self._turn_or_slot()
        return given

    async def _turn_or_slot(self) -> Connection | None:
        if self._slots > 0:
            self._slots -= 1
            return None
        return await self._turn()

    def _give_back(self, given: Connection | None) -> None:
        """Pass on what came too late."""
        if given is None:
            self._slot_free()
        elif given.usable():
            self.freed(given)

    def _slot_free(self) -> None:
        """Let whoever waits longest open a connection, or keep the slot."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._slots += 1

    async def _open(self) -> Connection:
        """Resolve, check and connect; what goes wrong is told apart by name."""
        name, where = self.provider.name, self._origin.authority
        try:
            async with asyncio.timeout(self.provider.connect_timeout_s):
                return await self._connect()
        except EgressRefused as error:
            raise UpstreamFailed("egress_refused", f"{name}: {error}", sent=False) from error
        except TimeoutError as error:
            text = f"{name}: no connection to {where} within connect_timeout_s"
            raise UpstreamFailed("connect_timeout", text, sent=False) from error
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "handshake failed"
            raise UpstreamFailed("tls", f"{name}: TLS to {where}: {reason}", sent=False) from error
        except OSError as error:
            text = f"{name}: cannot connect to {where}: {error.strerror or error}"
            raise UpstreamFailed("unreachable", text, sent=False) from error

    async def _connect(self) -> Connection:
        """Connect to the first checked address that answers; the name itself is not looked up again."""
        origin, loop = self._origin, self._loop
        addresses = await checked_addresses(origin, self._resolver, private_network=self.provider.private_network)
        end = loop.time() + self.provider.connect_timeout_s
        failure: OSError | None = None
        for position, address in enumerate(addresses):
            share = (end - loop.time()) / (len(addresses) - position)
            try:
                async with asyncio.timeout(share):
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop, self, self.provider),
                        address,
                        origin.port,
                        ssl=self._tls,
                        server_hostname=origin.host if self._tls else None,
                    )
            except OSError as error:
                failure = error
            else:
                return connection
        assert failure is not None
        raise failure

    def _sweep(self) -> None:
        """Close what has rested too long."""
        self._sweeper = None
        oldest = self._loop.time() - self._idle_s
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.pop(0).close()
        if self._idle:
            self._sweeper = self._loop.call_at(self._idle[0].idle_since + self._idle_s, self._sweep)
