"""The client's side of one request: what it sent, and how its answer goes back; no rule lives here."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import ClientGone, Refused
from gateway.providers.provider import Dialect, Operation
from policies.refusal import Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Asks:
    """What the address of a request says: dialect and operation, and for some the model, the stream, the work."""

    dialect: Dialect
    operation: Operation
    model: str | None = None
    streamed: bool = False
    initiative: str | None = None


class Client:
    """One request being answered, over ASGI. After its end, or once the client has left, sending does nothing."""

    __slots__ = ("_cycle", "_receive", "_send", "asks", "family", "headers", "query", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send, asks: Asks, headers: Headers) -> None:
        """Take over a request whose headers the guard has passed."""
        self.asks = asks
        self.headers = tuple(headers)
        self.query: bytes = scope["query_string"]
        self.family = family_of(headers)
        self.started = False
        self._receive = receive
        self._send = send
        self._cycle = scope.get("weighbridge.cycle")

    @property
    def gone(self) -> bool:
        """Say whether the client is known to have left."""
        return self._cycle is not None and bool(self._cycle.disconnected)

    async def body(self, bytes_max: int) -> bytes:
        """Give the whole body; raises Refused past `bytes_max`, and ClientGone when it will never be whole."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            return body if len(body) <= bytes_max else _refuse_size(bytes_max)
        pieces: list[bytes] = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                # A body cut short is no body: acting on what came so far would act on another request (T42).
                raise ClientGone
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > bytes_max:
                _refuse_size(bytes_max)
            pieces.append(piece)
            if not message.get("more_body"):
                return b"".join(pieces)
            message = await self._receive()

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head."""
        assert not self.started
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, piece: bytes) -> None:
        """Send some of the body; waits while the client is slow to read."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def finish(self, piece: bytes) -> None:
        """Send the last of the body."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": False})


FAMILIES = (
    "claude-cli", "codex", "gemini-cli", "openai", "anthropic", "google-genai", "ai-sdk", "langchain", "litellm",
    "pydantic-ai", "aider", "opencode", "curl", "python-httpx", "node", "python",
)  # fmt: skip
"""Closed, so that a client's own words never become a dimension without end."""


def family_of(headers: Headers) -> str | None:
    """Give the program family a client's User-Agent names; "other" for one that is not known."""
    for name, value in headers:
        if name == b"user-agent":
            return _family(value)
    return None


def _family(agent: bytes) -> str:
    known = _families.get(agent)
    if known is None:
        text = agent.decode("latin-1").lower()
        known = next((family for family in FAMILIES if family in text), "other")
        if len(_families) < FAMILIES_REMEMBERED_MAX:
            _families[agent] = known
    return known


FAMILIES_REMEMBERED_MAX = 1024
_families: dict[bytes, str] = {}


def _refuse_size(bytes_max: int) -> bytes:
    """Refuse a body that is too large."""
    raise Refused(
        Refusal("body_too_large", f"The body is larger than {bytes_max} bytes (server.body_bytes_max). Send less.", 413)
    )
