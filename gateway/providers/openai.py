"""The OpenAI dialect: chat/completions, responses, completions and embeddings."""

from collections.abc import Mapping

import msgspec

from gateway.errors import BadBody
from gateway.providers import body as strict
from gateway.providers.forbidden import refuse_forbidden
from gateway.providers.headers import allowed, allowed_query
from gateway.providers.openai_chat import ChatReader
from gateway.providers.openai_responses import ResponsesReader
from gateway.providers.provider import Asked, DialectName, Meter, Operation, Outgoing
from gateway.providers.sse import PICTURES, TEXT, Splitter, event
from gateway.providers.stream import StreamMeter
from gateway.providers.whole import WholeMeter

CHOICES_MAX = 128
"""The API's own bound of `n` (platform.openai.com/docs/api-reference/chat/create, read 2026-11-23)."""

PROMPTS_MAX = 2048
EMBEDDING_NODES_MAX = 2_000_000
"""Clients send embeddings as arrays of token numbers."""

PATHS: Mapping[Operation, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "text_completion": "/v1/completions",
    "embeddings": "/v1/embeddings",
}

_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_READ = frozenset((
    "model", "stream", "stream_options", "n", "best_of", "service_tier", "metadata", "user", "safety_identifier",
    "background", "prompt", *_LIMITS,
))  # fmt: skip
_PLAIN = _READ | frozenset((
    "messages", "input", "instructions", "temperature", "top_p", "tools", "tool_choice", "response_format", "stop",
    "seed", "reasoning", "reasoning_effort", "store", "include", "text", "parallel_tool_calls", "prompt_cache_key",
    "presence_penalty", "frequency_penalty", "logprobs", "previous_response_id", "encoding_format", "dimensions",
))  # fmt: skip

_TYPES: Mapping[int, str] = {
    401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 404: "not_found_error",
    429: "rate_limit_error",
}  # fmt: skip


class OpenAI:
    """Implements Dialect."""

    name: DialectName = "openai"

    def read(self, operation: Operation, body: bytes, *, model: str | None, streamed: bool) -> Asked:  # noqa: ARG002 - both are in the body
        """Parse a request once; raises BadBody."""
        assert operation in PATHS
        nodes_max = EMBEDDING_NODES_MAX if operation == "embeddings" else strict.NODES_MAX
        fields = strict.read_object(body, nodes_max=nodes_max)
        refuse_forbidden(fields, _READ, _PLAIN)
        if strict.flag(fields, "background"):
            raise BadBody("background must be false: an answer fetched later would not be metered")
        streams = strict.flag(fields, "stream")
        return Asked(
            dialect="openai",
            operation=operation,
            model=strict.model_name(fields),
            body=fields,
            streamed=streams,
            wants_usage=_ask_for_usage(fields) if streams and operation in {"chat", "text_completion"} else True,
            max_output_tokens=_output_limit(fields),
            choices=_choices(fields, operation),
            service_tier=_tier(fields),
            metadata=strict.texts(strict.nested(fields, "metadata")),
            user=strict.text(fields, "safety_identifier") or strict.text(fields, "user"),
            input_bytes=len(body),
        )

    def outgoing(self, asked: Asked, model: str, headers: tuple[tuple[bytes, bytes], ...]) -> Outgoing:
        """Write the upstream request for `model`."""
        return Outgoing(
            method="POST",
            path=PATHS[asked.operation] + allowed_query(asked.query),
            headers=allowed(headers),
            body=msgspec.json.encode({**asked.body, "model": model}),
        )

    def secret_header(self, secret: str) -> tuple[bytes, bytes]:
        """Give the header that carries the provider's key."""
        return b"authorization", b"Bearer " + secret.encode()

    def meter(self, asked: Asked) -> Meter:
        """Give a fresh meter for the answer."""
        reader = ResponsesReader() if asked.operation == "responses" else ChatReader(wants_usage=asked.wants_usage)
        if not asked.streamed:
            return WholeMeter(reader)
        return StreamMeter(reader, Splitter(PICTURES if asked.operation == "responses" else TEXT))

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:  # noqa: ARG002 - it is a header here
        """Write an error of ours as OpenAI writes its own."""
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        return msgspec.json.encode({"error": {"message": message, "type": kind, "code": code, "param": None}})

    def error_event(self, code: str, message: str, request_id: str, *, operation: Operation = "chat") -> bytes:
        """Write an error of ours as the last events of a stream.

        The official libraries raise for `error` in the data of any event; the Responses API names the event too.
        Codex passes over that event and shows what a failed response says of itself, so that follows.
        """
        error = {"message": message, "type": "server_error", "code": code, "param": None}
        if operation != "responses":
            return event({"error": error})
        first = {"type": "error", "code": code, "message": message, "param": None, "error": error}
        failed = {"id": request_id, "object": "response", "status": "failed", "output": [],
                  "error": {"code": code, "message": message}}  # fmt: skip
        return event(first, "error") + event({"type": "response.failed", "response": failed}, "response.failed")


def _ask_for_usage(fields: dict[str, msgspec.Raw]) -> bool:
    """Have the usage sent with the stream; gives whether the client had asked for it itself."""
    options = strict.nested(fields, "stream_options")
    wants = strict.flag(options, "include_usage")
    fields["stream_options"] = strict.encode({**options, "include_usage": msgspec.Raw(b"true")})
    return wants


def _output_limit(fields: Mapping[str, msgspec.Raw]) -> int | None:
    """Give the largest of the limits: servers differ in which of them they obey."""
    limits = [limit for name in _LIMITS if (limit := strict.whole(fields, name)) is not None]
    return max(limits) if limits else None


def _choices(fields: Mapping[str, msgspec.Raw], operation: Operation) -> int:
    """Give how many answers are written: choices, times prompts where a list of them may be sent."""
    choices = strict.whole(fields, "n", high=CHOICES_MAX) or 1
    if operation != "text_completion":
        return choices
    best_of = strict.whole(fields, "best_of", high=CHOICES_MAX) or 1
    return max(choices, best_of) * _prompts(fields)


def _prompts(fields: Mapping[str, msgspec.Raw]) -> int:
    """Give the number of prompts: a list of numbers is one, a list of texts or of lists is many."""
    prompt = bytes(fields.get("prompt", b""))
    if prompt[:1] != b"[":
        return 1
    members = strict.elements(msgspec.Raw(prompt), "prompt")
    if not members or bytes(members[0])[:1] not in {b'"', b"["}:
        return 1
    if len(members) > PROMPTS_MAX:
        raise BadBody(f"prompt has more than {PROMPTS_MAX} members")
    return len(members)


def _tier(fields: Mapping[str, msgspec.Raw]) -> str:
    """Give the service tier asked for; what the provider may choose is standard until it says otherwise."""
    tier = strict.text(fields, "service_tier", chars_max=64)
    return "standard" if tier in {None, "auto", "default"} else tier or "standard"


OPENAI = OpenAI()
