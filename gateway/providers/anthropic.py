"""The Anthropic dialect: messages and messages/count_tokens."""

from collections.abc import Mapping

import msgspec

from gateway.providers import body as strict
from gateway.providers.anthropic_messages import MessagesReader
from gateway.providers.forbidden import refuse_forbidden
from gateway.providers.headers import allowed, allowed_query
from gateway.providers.provider import Asked, DialectName, Meter, Operation, Outgoing
from gateway.providers.sse import Splitter, event
from gateway.providers.stream import StreamMeter
from gateway.providers.whole import WholeMeter

PATHS: Mapping[Operation, str] = {"chat": "/v1/messages", "count_tokens": "/v1/messages/count_tokens"}

VERSION = (b"anthropic-version", b"2023-06-01")
"""Sent for a client that names none (platform.claude.com/docs/en/api/versioning, read 2026-11-23)."""

_READ = frozenset(("model", "stream", "max_tokens", "service_tier", "speed", "metadata", "thinking"))
_PLAIN = _READ | frozenset((
    "messages", "system", "tools", "tool_choice", "temperature", "top_p", "top_k", "stop_sequences", "container",
    "context_management", "mcp_servers", "output_config", "cache_control",
))  # fmt: skip

_TYPES: Mapping[int, str] = {
    401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error",
}  # fmt: skip


class Anthropic:
    """Implements Dialect."""

    name: DialectName = "anthropic"

    def read(self, operation: Operation, body: bytes, *, model: str | None, streamed: bool) -> Asked:  # noqa: ARG002 - both are in the body
        """Parse a request once; raises BadBody."""
        assert operation in PATHS
        fields = strict.read_object(body)
        refuse_forbidden(fields, _READ, _PLAIN)
        metadata = strict.nested(fields, "metadata")
        strict.nested(fields, "thinking")
        tier = strict.text(fields, "service_tier", chars_max=64)
        fast = strict.text(fields, "speed", chars_max=64) == "fast"
        return Asked(
            dialect="anthropic",
            operation=operation,
            model=strict.model_name(fields),
            body=fields,
            streamed=strict.flag(fields, "stream") and operation == "chat",
            max_output_tokens=strict.whole(fields, "max_tokens"),
            # `auto` and `standard_only` are standard until the answer says otherwise.
            service_tier="fast" if fast else "standard" if tier in {None, "auto", "standard_only"} else str(tier),
            metadata=strict.texts(metadata),
            user=strict.text(metadata, "user_id"),
            input_bytes=len(body),
        )

    def outgoing(self, asked: Asked, model: str, headers: tuple[tuple[bytes, bytes], ...]) -> Outgoing:
        """Write the upstream request for `model`."""
        sent = allowed(headers)
        if not any(name == VERSION[0] for name, _ in sent):
            sent = (*sent, VERSION)
        return Outgoing(
            method="POST",
            path=PATHS[asked.operation] + allowed_query(asked.query),
            headers=sent,
            body=msgspec.json.encode({**asked.body, "model": model}),
        )

    def secret_header(self, secret: str) -> tuple[bytes, bytes]:
        """Give the header that carries the provider's key."""
        return b"x-api-key", secret.encode()

    def meter(self, asked: Asked) -> Meter:
        """Give a fresh meter for the answer."""
        reader = MessagesReader(counts_tokens=asked.operation == "count_tokens")
        return StreamMeter(reader, Splitter()) if asked.streamed else WholeMeter(reader)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:  # noqa: ARG002 - the type says it here
        """Write an error of ours as Anthropic writes its own."""
        kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return msgspec.json.encode(_error(kind, message, request_id))

    def error_event(self, code: str, message: str, request_id: str, *, operation: Operation = "chat") -> bytes:  # noqa: ARG002
        """Write an error of ours as the last event of a stream."""
        return event(_error("api_error", message, request_id), "error")


def _error(kind: str, message: str, request_id: str) -> dict[str, object]:
    """Give the error object (platform.claude.com/docs/en/api/errors, read 2026-11-23)."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


ANTHROPIC = Anthropic()
