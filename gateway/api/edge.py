"""The API's edge: every answer has a request id and is not stored, every body has an end, every crash is a problem."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.api.problems import problem
from gateway.ids import new_request_id
from gateway.ledger.errors import LedgerDown
from policies.refusal import Refusal

BODY_BYTES_MAX = 64 * 1024
"""A key with every field at its limit is a quarter of this."""

QUERY_BYTES_MAX = 4096

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)

log = logging.getLogger("weighbridge.api")


class Edge:
    """Stands around the API as ASGI middleware."""

    def __init__(self, app: Asgi) -> None:
        """Stand around `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing is raised further."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_request_id()
        answer = _Answer(send, request_id)
        try:
            body = await _whole(receive)
            if body is None:
                return
            if len(body) > BODY_BYTES_MAX or len(scope["query_string"]) > QUERY_BYTES_MAX:
                await problem(_TOO_LARGE, request_id)(scope, receive, answer.send)
                return
            scope.setdefault("state", {}).update(request_id=request_id, body=body)
            await self._app(scope, _again(body, receive), answer.send)
        except LedgerDown:
            log.warning("ledger_down", extra={"request_id": request_id})
            await _end(answer, _LEDGER_DOWN, scope, receive)
        except Exception:
            # The process's edge: the caller learns no more than that it is our fault.
            log.exception("api_failed", extra={"request_id": request_id})
            await _end(answer, _OURS, scope, receive)


class _Answer:
    """Adds to every answer's head what all of them carry."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            head = [*message.get("headers", ()), *SAFE, (b"x-request-id", self.request_id.encode())]
            message = {**message, "headers": head}
        await self._send(message)


async def _end(answer: _Answer, refusal: Refusal, scope: Scope, receive: Receive) -> None:
    """Say that it went wrong, unless an answer is already on its way."""
    if not answer.started:
        await problem(refusal, answer.request_id)(scope, receive, answer.send)


async def _whole(receive: Receive) -> bytes | None:
    """Give the whole body, or one byte more than is allowed; None when the client left before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX or not message.get("more_body"):
            return bytes(body[: BODY_BYTES_MAX + 1])


def _again(body: bytes, receive: Receive) -> Receive:
    """Give the body once more, then whatever the connection still says."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


_TOO_LARGE = Refusal("too_large", f"A request has at most {BODY_BYTES_MAX} bytes of body and a short query.", 413)
_LEDGER_DOWN = Refusal(
    "ledger_down",
    # Of a change that was on its way nobody knows whether it was made; under its Idempotency-Key it is made once.
    "The ledger cannot be reached now. Try again soon; a change is safe to repeat under its Idempotency-Key.",
    503,
    5,
)
_OURS = Refusal("internal_error", "The gateway made a mistake; it is logged. Try again, or tell an operator.", 500)
