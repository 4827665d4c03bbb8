"""The Gemini dialect: generateContent, streamGenerateContent and countTokens; the path names the model."""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from gateway.errors import BadBody
from gateway.providers import body as strict
from gateway.providers.forbidden import refuse_forbidden
from gateway.providers.gemini_content import ContentReader
from gateway.providers.headers import allowed, allowed_query
from gateway.providers.provider import Asked, DialectName, Meter, Operation, Outgoing
from gateway.providers.sse import PICTURES, Splitter, event
from gateway.providers.stream import StreamMeter
from gateway.providers.whole import WholeMeter

_READ = frozenset((
    "model", "generationConfig", "generation_config", "labels", "serviceTier", "service_tier",
))  # fmt: skip
_PLAIN = _READ | frozenset((
    "contents", "systemInstruction", "system_instruction", "tools", "toolConfig", "safetySettings", "cachedContent",
))  # fmt: skip
_CONFIG_READ = frozenset(("maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"))

_STATUS: Mapping[int, str] = {
    401: "UNAUTHENTICATED", 402: "FAILED_PRECONDITION", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


class Gemini:
    """Implements Dialect."""

    name: DialectName = "gemini"

    def read(self, operation: Operation, body: bytes, *, model: str | None, streamed: bool) -> Asked:
        """Parse a request once; raises BadBody."""
        assert operation in {"generate_content", "count_tokens"}
        fields = strict.read_object(body)
        refuse_forbidden(fields, _READ, _PLAIN)
        if not model:
            raise BadBody("the path names no model")
        if strict.text(fields, "model") not in {None, model, f"models/{model}"}:
            raise BadBody("model in the body is another than in the path")
        config = strict.nested(fields, _spelled(fields, "generationConfig", "generation_config"))
        refuse_forbidden(config, _CONFIG_READ, _CONFIG_READ)
        limit = strict.whole(config, _spelled(config, "maxOutputTokens", "max_output_tokens"))
        candidates = strict.whole(config, _spelled(config, "candidateCount", "candidate_count"), high=128)
        tier = strict.text(fields, _spelled(fields, "serviceTier", "service_tier"), chars_max=64)
        return Asked(
            dialect="gemini",
            operation=operation,
            model=model,
            body=fields,
            streamed=streamed and operation == "generate_content",
            max_output_tokens=limit,
            choices=candidates or 1,
            service_tier=(tier or "standard").lower(),
            metadata=strict.texts(strict.nested(fields, "labels")),
            input_bytes=len(body),
        )

    def outgoing(self, asked: Asked, model: str, headers: tuple[tuple[bytes, bytes], ...]) -> Outgoing:
        """Write the upstream request for `model`; a stream is asked for as events, whatever the client wrote."""
        verb = "countTokens" if asked.operation == "count_tokens" else "generateContent"
        always: tuple[tuple[str, str], ...] = ()
        if asked.streamed:
            verb, always = "streamGenerateContent", (("alt", "sse"),)
        body = dict(asked.body)
        if "model" in body:
            body["model"] = strict.encode_text(f"models/{model}")
        return Outgoing(
            method="POST",
            path=f"/v1beta/models/{quote(model, safe='')}:{verb}{allowed_query(asked.query, always)}",
            headers=allowed(headers),
            body=msgspec.json.encode(body),
        )

    def secret_header(self, secret: str) -> tuple[bytes, bytes]:
        """Give the header that carries the provider's key."""
        return b"x-goog-api-key", secret.encode()

    def meter(self, asked: Asked) -> Meter:
        """Give a fresh meter for the answer."""
        reader = ContentReader(counts_tokens=asked.operation == "count_tokens")
        return StreamMeter(reader, Splitter(PICTURES)) if asked.streamed else WholeMeter(reader)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        """Write an error of ours as Google writes its own."""
        return msgspec.json.encode(_error(status, code, message, request_id))

    def error_event(self, code: str, message: str, request_id: str, *, operation: Operation = "chat") -> bytes:  # noqa: ARG002
        """Write an error of ours as the last event of a stream."""
        return event(_error(502, code, message, request_id))


def _spelled(fields: Mapping[str, msgspec.Raw], camel: str, snake: str) -> str:
    """Give the spelling that is used; Google's parser takes both, so both at once would be read by chance."""
    if camel in fields and snake in fields:
        raise BadBody(f"{camel} is given twice, as {camel} and as {snake}")
    return snake if snake in fields else camel


def _error(status: int, code: str, message: str, request_id: str) -> dict[str, object]:
    """Give the error object (google.rpc.Status in JSON: google.aip.dev/193, read 2026-11-23)."""
    info = "type.googleapis.com/google.rpc.ErrorInfo"
    details: list[dict[str, object]] = [
        {"@type": info, "reason": code.upper(), "domain": "weighbridge", "metadata": {"request_id": request_id}}
    ]
    if code.startswith("cap_"):
        # Gemini's own client gives up at once only for a quota that is counted by the day or longer.
        violation = {"subject": code, "description": message, "quotaId": "WeighbridgeCapPerDay"}
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]})
    named = _STATUS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    return {"error": {"code": status, "message": message, "status": named, "details": details}}


GEMINI = Gemini()
