"""The echo as a raw ASGI application: routes, sizes, and answers sent whole, in frames, slowly or cut short."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import msgspec

from gateway import clock
from gateway.echo import lists
from gateway.echo.answer import Answer, PromptCache, answered, tokens
from gateway.echo.anthropic_messages import MESSAGES
from gateway.echo.ask import Ask, BadAsk, parsed
from gateway.echo.faults import RETRY_AFTER_S, Fault, fault_of
from gateway.echo.gemini_content import CONTENT
from gateway.echo.openai_chat import CHAT, TEXT, error
from gateway.echo.openai_responses import RESPONSES
from gateway.echo.speech import Speech, Tree

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_BYTES_MAX = 32 * 2**20
"""As the gateway before it."""

_SPEECHES = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": TEXT,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
}
_GEMINI = re.compile(r"/v1(?:beta)?/models/([^:]{1,256}):(generateContent|streamGenerateContent|countTokens)")
_MODELS = re.compile(r"/v1(beta)?/models(?:/(.{1,256}))?")


class Echo:
    """The ASGI application; it remembers the beginnings of prompts, and nothing else."""

    def __init__(self) -> None:
        """Start with an empty prompt cache."""
        self._cache = PromptCache()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        reply = _Reply(send, headless=scope["method"] == "HEAD")
        try:
            await self._route(scope, receive, reply)
        except BadAsk as bad:
            speech = _speech_of(scope["path"])
            await reply.json(speech.error(400, str(bad)) if speech else error(400, str(bad)), 400)

    async def _route(self, scope: Scope, receive: Receive, reply: "_Reply") -> None:
        method, path = scope["method"], scope["path"]
        if method in {"GET", "HEAD"}:
            found = _listed(path, dict(scope["headers"]))
            await reply.json(found or _not_found(method, path), 200 if found else 404)
            return
        speech = _speech_of(path)
        if method != "POST" or (speech is None and path != "/v1/embeddings"):
            await reply.json(_not_found(method, path), 404)
            return
        body = parsed(await _body(receive))
        if speech is None:
            await self._embed(body, reply)
            return
        match = _GEMINI.fullmatch(path)
        ask = speech.read(body, unquote(match.group(1)) if match else None)
        if path == "/v1/messages/count_tokens":
            await reply.json({"input_tokens": tokens(ask.prompt)})
        elif match and match.group(2) == "countTokens":
            await reply.json({"totalTokens": tokens(ask.prompt)})
        else:
            streamed = match.group(2) == "streamGenerateContent" if match else ask.streamed
            await self._answer(speech, replace(ask, streamed=streamed), reply)

    async def _embed(self, body: Tree, reply: "_Reply") -> None:
        fault = fault_of(str(body.get("model")))
        if fault.status != 200:
            await reply.refuse(CHAT, fault)
            return
        vectors = lists.embeddings(body)
        if not fault.usage:
            del vectors["usage"]
        await reply.json(vectors)

    async def _answer(self, speech: Speech, ask: Ask, reply: "_Reply") -> None:
        fault = fault_of(ask.model)
        if fault.status != 200:
            await reply.refuse(speech, fault)
            return
        answer = answered(
            ask,
            self._cache,
            id=secrets.token_hex(12),
            created=clock.now_ms() // 1000,
            slowly=fault.pause_s > 0 or fault.cut,
        )
        if not fault.usage:
            answer = replace(answer, usage=None)
        if ask.streamed:
            await reply.frames(speech.frames(answer), fault)
        else:
            await reply.whole(speech, answer, fault)


class _Reply:
    """One answer on its way out."""

    def __init__(self, send: Send, *, headless: bool) -> None:
        """Keep where to send; a HEAD request gets no body."""
        self._send = send
        self._headless = headless

    async def json(self, tree: Tree, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Send a JSON body."""
        body = msgspec.json.encode(tree)
        await self._head(status, b"application/json", (*headers, (b"content-length", b"%d" % len(body))))
        await self._send({"type": "http.response.body", "body": b"" if self._headless else body})

    async def refuse(self, speech: Speech, fault: Fault) -> None:
        """Send the status a model's name asked for."""
        text = f"The model's name asks the echo provider for a status {fault.status}."
        again = ((b"retry-after", b"%d" % RETRY_AFTER_S),) if fault.status in {429, 503, 529} else ()
        await self.json(speech.error(fault.status, text), fault.status, again)

    async def whole(self, speech: Speech, answer: Answer, fault: Fault) -> None:
        """Send an answer in one piece; a cut one ends in its middle, which the length given shows."""
        if fault.pause_s:
            await asyncio.sleep(fault.pause_s * min(len(answer.pieces), 10))
        if not fault.cut:
            await self.json(speech.whole(answer))
            return
        body = msgspec.json.encode(speech.whole(answer))
        await self._head(200, b"application/json", ((b"content-length", b"%d" % len(body)),))
        await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})

    async def frames(self, frames: list[bytes], fault: Fault) -> None:
        """Send an answer event by event; a cut one stops in the middle and never ends."""
        await self._head(200, b"text/event-stream", ((b"cache-control", b"no-cache"),))
        for frame in frames[: len(frames) // 2] if fault.cut else frames:
            if fault.pause_s:
                await asyncio.sleep(fault.pause_s)
            await self._send({"type": "http.response.body", "body": frame, "more_body": True})
        if not fault.cut:
            await self._send({"type": "http.response.body", "body": b""})

    async def _head(self, status: int, content_type: bytes, more: tuple[tuple[bytes, bytes], ...]) -> None:
        name = b"req_echo_" + secrets.token_hex(8).encode()
        headers = [(b"content-type", content_type), (b"x-request-id", name), (b"request-id", name), *more]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


def _speech_of(path: str) -> Speech | None:
    """Give who speaks at an address."""
    if path == "/v1/messages/count_tokens":
        return MESSAGES
    return CONTENT if _GEMINI.fullmatch(path) else _SPEECHES.get(path)


def _listed(path: str, headers: dict[bytes, bytes]) -> Tree | None:
    """Give what a GET finds: that the echo is there, its models, or one of them."""
    if path == "/":
        return {"weighbridge": "echo"}
    match = _MODELS.fullmatch(path)
    if match is None:
        return None
    name = unquote(match.group(2)) if match.group(2) else None
    if match.group(1) or b"x-goog-api-key" in headers:
        return lists.gemini_model(name) if name else lists.gemini_models()
    if b"anthropic-version" in headers:
        return lists.anthropic_model(name) if name else lists.anthropic_models()
    return lists.openai_model(name) if name else lists.openai_models()


def _not_found(method: str, path: str) -> Tree:
    return error(404, f"The echo provider has nothing at {method} {path}.")


async def _body(receive: Receive) -> bytes:
    """Give the whole body; raises BadAsk past the limit."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > BODY_BYTES_MAX:
            raise BadAsk(f"The body is larger than {BODY_BYTES_MAX} bytes.")
        if not message.get("more_body"):
            return b"".join(pieces)
