"""HTTP in and out: metered routes are caught before the management API, and errors become answers here alone."""

import logging
from collections.abc import Awaitable, Callable

from gateway.client import Client, Headers, Receive, Scope, Send
from gateway.errors import BadBody, ClientGone, Refused
from gateway.flow import carry
from gateway.guard import content_type_refusal, guard_path, guarded
from gateway.house import House
from gateway.ids import new_request_id
from gateway.models_list import listed, wants_models
from gateway.operations import operations
from gateway.reply import refusal_head
from gateway.routes import EXACT, dialect_of, metered
from policies.refusal import Refusal

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("weighbridge.ingress")

NOT_METERED = (
    "There is no such route here. What is not metered does not exist. Metered are: POST /v1/chat/completions, "
    "/v1/responses, /v1/completions, /v1/embeddings, /v1/messages, /v1/messages/count_tokens, "
    "/v1beta/models/MODEL:generateContent, :streamGenerateContent and :countTokens; GET /v1/models lists the models."
)


class Ingress:
    """The gateway as one ASGI callable."""

    def __init__(self, house: House, api: Asgi) -> None:
        """Stand before `api`, which serves /api/."""
        self._house = house
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = "/"
        try:
            path = guard_path(scope["raw_path"])
            headers = guarded(scope)
            if scope["method"] == "POST" and (path in EXACT or not path.startswith("/api/")):
                await self._metered(scope, receive, send, path, headers)
            else:
                await self._other(scope, receive, send, path, headers)
        except Refused as refused:
            await self._refuse(scope, send, path, refused.refusal, refused.request_id)
        except BadBody as bad:
            refusal = Refusal("bad_body", f"The request body cannot be taken: {bad}.")
            await self._refuse(scope, send, path, refusal, None)
        except ClientGone:
            return
        except Exception:
            # The process's edge: the client is told no more than that it is our fault.
            log.exception("unexpected_error")
            await self._refuse(scope, send, path, _OURS, None)

    async def _metered(self, scope: Scope, receive: Receive, send: Send, path: str, headers: Headers) -> None:
        """Carry a request that costs money, or say that there is no such route."""
        asks = metered(path)
        if asks is None:
            raise Refused(Refusal("not_found", NOT_METERED, 404))
        refusal = content_type_refusal(headers)
        if refusal is not None:
            raise Refused(refusal)
        await carry(self._house, Client(scope, receive, send, asks, headers))

    async def _other(self, scope: Scope, receive: Receive, send: Send, path: str, headers: Headers) -> None:
        """Answer what is free: our own API, lists of models, health and metrics."""
        if path.startswith("/api/"):
            await self._api({**scope, "headers": headers}, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            if wants_models(path):
                body, kind = listed(self._house, path, headers, scope["query_string"]), b"application/json"
                status = 200
            else:
                status, body, kind = await operations(self._house, path, headers, scope.get("client"))
            await _answer(send, status, body, kind)
        elif metered(path) is not None:
            raise Refused(Refusal("method_not_allowed", "This route takes POST.", 405))
        else:
            raise Refused(Refusal("not_found", NOT_METERED, 404))

    async def _refuse(self, scope: Scope, send: Send, path: str, refusal: Refusal, request_id: str | None) -> None:
        """Answer with an error in the dialect's own shape."""
        known = request_id or new_request_id()
        if request_id is None:
            self._house.recorder.refused(refusal.code, known, path)
        dialect = dialect_of(path)
        body = dialect.error_body(refusal.status, refusal.code, refusal.message, known)
        head = refusal_head(refusal, known, len(body))
        if scope.get("weighbridge.cycle") is not None and scope["weighbridge.cycle"].response_started:
            return
        await send({"type": "http.response.start", "status": refusal.status, "headers": head})
        await send({"type": "http.response.body", "body": body})


async def _answer(send: Send, status: int, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_OURS = Refusal("internal_error", "The gateway made a mistake; it is logged. Try again, or tell an operator.", 500)
