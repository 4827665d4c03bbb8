"""One question to a running gateway, in whichever dialect its model is served: how it is put and how it is read."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.commands.failed import Failed

TIMEOUT_S = 600.0
"""As long as the gateway waits for the head of a slow answer."""

EVENT_BYTES_MAX = 4 * 2**20
ANSWER_BYTES_MAX = 64 * 2**20

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer: its text, and what is known of tokens and cost by then."""

    text: str = ""
    usage: Fields | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one question is put and how its answer is read."""

    name: str

    def asked(self, model: str, text: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
        """Give path and body."""
        message = {"role": "user", "content": text}
        match self.name:
            case "anthropic":
                return "/v1/messages", {"model": model, "max_tokens": 1024, "messages": [message], "stream": stream}
            case "gemini":
                verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
                path = f"/v1beta/models/{quote(model, safe='')}:{verb}"
                return path, {"contents": [{"role": "user", "parts": [{"text": text}]}]}
            case _:
                options = {"stream_options": {"include_usage": True}} if stream else {}
                body = {"model": model, "messages": [message], "stream": stream, **options}
                return "/v1/chat/completions", body

    def read(self, said: Fields) -> Piece:
        """Give what a whole answer or one event of a stream holds."""
        match self.name:
            case "anthropic":
                blocks = said.get("content") or ()
                text = "".join(block.get("text", "") for block in blocks if isinstance(block, dict))
                text += (said.get("delta") or {}).get("text", "")
                return Piece(text, said.get("usage") or (said.get("message") or {}).get("usage"))
            case "gemini":
                parts = ((_first(said, "candidates").get("content") or {}).get("parts")) or ()
                return Piece("".join(part.get("text", "") for part in parts), said.get("usageMetadata"))
            case _:
                choice = _first(said, "choices")
                message = choice.get("message") or choice.get("delta") or {}
                return Piece(message.get("content") or "", said.get("usage"))


DIALECTS = tuple(map(Dialect, ("openai", "anthropic", "gemini")))


@dataclass(frozen=True, slots=True)
class Refusing:
    """The gateway, or the provider behind it, said no."""

    status: int
    code: str
    message: str
    request_id: str | None


class Gateway:
    """A running gateway as one key sees it."""

    def __init__(self, url: str, key: str, headers: Mapping[str, str] | None = None) -> None:
        """Keep where it is; raises Failed for an address that cannot be one."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Failed(f"{url!r} is no address of a gateway. Write one such as http://127.0.0.1:8080.")
        self.url = url.rstrip("/")
        self._parts = parts
        self._open: list[http.client.HTTPConnection] = []
        self._headers = {"authorization": f"Bearer {key}", "user-agent": "weighbridge-cli", **(headers or {})}

    def close(self) -> None:
        """Leave; an answer that is not read to its end is given up."""
        for connection in self._open:
            connection.close()

    def get(self, path: str) -> Fields:
        """Give a JSON answer; raises Failed."""
        response = self._send("GET", path, None)
        if response.status != 200:
            raise Failed(self._refusing(response).message)
        return _object(response.read(ANSWER_BYTES_MAX))

    def post(self, path: str, body: Fields) -> "http.client.HTTPResponse | Refusing":
        """Give the answer, its head read, or the refusal; raises Failed when nobody answers."""
        response = self._send("POST", path, json.dumps(body).encode())
        return response if response.status == 200 else self._refusing(response)

    def _send(self, method: str, path: str, body: bytes | None) -> http.client.HTTPResponse:
        host, port = self._parts.hostname, self._parts.port
        assert host is not None
        connection: http.client.HTTPConnection
        if self._parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        self._open.append(connection)
        headers = dict(self._headers) | ({"content-type": "application/json"} if body is not None else {})
        try:
            connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Failed(
                f"No gateway answers at {self.url} ({getattr(error, 'strerror', None) or error}). "
                "Start it (weighbridge up), or name it with --url."
            ) from error

    def _refusing(self, response: http.client.HTTPResponse) -> Refusing:
        raw = response.read(ANSWER_BYTES_MAX)
        try:
            error = _object(raw).get("error")
        except Failed:
            error = None
        said = error if isinstance(error, dict) else {}
        message = said.get("message") or f"{self.url} answered with status {response.status}."
        return Refusing(
            response.status, str(said.get("code") or said.get("type")), str(message), response.getheader("x-request-id")
        )


def events(response: http.client.HTTPResponse) -> Iterator[Fields]:
    """Give the events of a stream as they come; raises Failed for one that says an error, or when it breaks off."""
    try:
        while line := response.readline(EVENT_BYTES_MAX):
            if not line.startswith(b"data:") or line[5:].strip() == b"[DONE]":
                continue
            said = _object(line[5:])
            if isinstance(said.get("error"), dict):
                raise Failed(str(said["error"].get("message")))
            yield said
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"The answer broke off: {error}. What came before is booked.") from error


def whole(response: http.client.HTTPResponse) -> Fields:
    """Give an answer that is not streamed; raises Failed when it breaks off."""
    try:
        return _object(response.read(ANSWER_BYTES_MAX))
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"The answer broke off: {error}. What came before is booked.") from error


def _object(raw: bytes) -> Fields:
    try:
        said = json.loads(raw, parse_float=str)  # A cost stays as it is written: money is never a float.
    except ValueError as error:
        raise Failed("What answered is not a gateway: this is not JSON. Check --url.") from error
    if not isinstance(said, dict):
        raise Failed("What answered is not a gateway: this is no JSON object. Check --url.")
    return said


def _first(said: Fields, name: str) -> Fields:
    """Give the first of a list of objects, or an empty one."""
    several = said.get(name)
    return several[0] if isinstance(several, list) and several and isinstance(several[0], dict) else {}
