"""HTTP in and out: metered routes are caught before the management API, and errors become answers here alone."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.client import Client
from gateway.errors import BadBody, ClientGone, Refused
from gateway.exchange import Exchange, Headers
from gateway.flow import carry
from gateway.guard import content_type_refusal, guard_path, guarded
from gateway.house import House
from gateway.ids import new_request_id
from gateway.models_list import listed, wants_models
from gateway.operations import Answered, operations
from gateway.reply import refusal_head
from gateway.routes import dialect_of, metered
from policies.refusal import Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("weighbridge.ingress")

NOT_METERED = (
    "There is no such route here. What is not metered does not exist. Metered are: POST /v1/chat/completions, "
    "/v1/responses, /v1/completions, /v1/embeddings, /v1/messages, /v1/messages/count_tokens, "
    "/v1beta/models/MODEL:generateContent, :streamGenerateContent and :countTokens; GET /v1/models lists the models."
)


class Ingress:
    """The gateway's two doors: metered requests come as exchanges, all others over ASGI."""

    def __init__(self, house: House, api: Asgi) -> None:
        """Stand before `api`, which serves /api/."""
        self._house = house
        self._api = api

    async def metered(self, exchange: Exchange) -> None:
        """Carry a request that costs money, or say in its dialect why not."""
        path = "/"
        try:
            path = guard_path(exchange.raw_path)
            headers = guarded(exchange.headers, exchange.http_version)
            asks = metered(path)
            refusal = _NOT_FOUND if asks is None else content_type_refusal(headers)
            if asks is None or refusal is not None:
                raise Refused(refusal or _NOT_FOUND)
            await carry(self._house, Client(exchange, asks, tuple(headers)))
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the process's edge: logged, and answered
            refusal, request_id = _refusal_of(error)
            if not exchange.started:
                status, head, body = self._refused(path, refusal, request_id)
                await exchange.answer(status, head, body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is free: our own API, lists of models, health and metrics."""
        if scope["type"] != "http":
            return
        path = "/"
        try:
            path = guard_path(scope["raw_path"])
            headers = guarded(scope["headers"], scope["http_version"])
            if path.startswith("/api/"):
                await self._api({**scope, "headers": headers}, receive, send)
                return
            status, body, kind = await self._free(scope, path, headers)
            head = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        except Exception as error:  # noqa: BLE001 - the process's edge: logged, and answered
            status, head, body = self._refused(path, *_refusal_of(error))
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _free(self, scope: Scope, path: str, headers: Headers) -> Answered:
        if scope["method"] not in ("GET", "HEAD"):
            here = metered(path) is not None
            raise Refused(Refusal("method_not_allowed", "This route takes POST.", 405) if here else _NOT_FOUND)
        if wants_models(path):
            return 200, listed(self._house, path, headers, scope["query_string"]), b"application/json"
        return await operations(self._house, path, headers, scope.get("client"))

    def _refused(self, path: str, refusal: Refusal, request_id: str | None) -> tuple[int, Headers, bytes]:
        """Give the answer that says no, in the dialect of the address."""
        known = request_id or new_request_id()
        if request_id is None:
            self._house.recorder.refused(refusal.code, known, path)
        body = dialect_of(path).error_body(refusal.status, refusal.code, refusal.message, known)
        return refusal.status, refusal_head(refusal, known, len(body)), body


def _refusal_of(error: Exception) -> tuple[Refusal, str | None]:
    """Give what a client is told of an error; of one that is our mistake, no more than that it is."""
    match error:
        case Refused():
            return error.refusal, error.request_id
        case BadBody():
            return Refusal("bad_body", f"The request body cannot be taken: {error}."), None
    log.error("unexpected_error", exc_info=error)
    return _OURS, None


_NOT_FOUND = Refusal("not_found", NOT_METERED, 404)
_OURS = Refusal("internal_error", "The gateway made a mistake; it is logged. Try again, or tell an operator.", 500)
