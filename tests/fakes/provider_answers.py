"""The bytes of the mock provider's answers in three dialects, whole and streamed.

Shapes after the providers' own API references, read 2026-11-23: platform.openai.com/docs/api-reference/chat,
docs.anthropic.com/en/api/messages-streaming, ai.google.dev/api/generate-content.
"""

import json
from dataclasses import dataclass
from functools import lru_cache

from tests.fakes.provider_bill import Tokens
from tests.fakes.provider_spec import Dialect, Spec

ID_PLACE = b"IDIDIDIDIDID"
"""Stands for the answer's number in prepared bytes; as long as the twelve digits that replace it."""

_CREATED = 1_795_392_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A prepared answer: the pieces of text, then `closing`, which carries the usage and the end mark.

    `end` is the mark by itself (`closing` ends with it); a whole answer is one piece and no closing.
    """

    opening: bytes
    pieces: tuple[bytes, ...]
    closing: bytes
    end: bytes
    usage_inside: bool


def marked_pieces(chunks: int, text_bytes: int) -> list[str]:
    """Cut `text_bytes` of text into `chunks` pieces, each with its number, so that loss and disorder show."""
    size = max(text_bytes // chunks, 7)
    return [f"@{n:05d}|" + ("lorem ipsum dolor sit amet " * (size // 27 + 1))[: size - 7] for n in range(chunks)]


@lru_cache(maxsize=1024)
def whole(dialect: Dialect, model: str, spec: Spec, usage: bool) -> bytes:
    """Give the JSON body of a whole answer; without `usage` it says nothing of tokens."""
    text = "".join(marked_pieces(spec.chunks, spec.text_bytes))
    place = ID_PLACE.decode()
    body: dict[str, object]
    if dialect == "openai":
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        body = {"id": f"chatcmpl-{place}", "object": "chat.completion", "created": _CREATED, "model": model}
        body |= {"choices": [choice]} | ({"usage": openai_usage(spec.tokens)} if usage else {})
    elif dialect == "anthropic":
        body = {"id": f"msg_{place}", "type": "message", "role": "assistant", "model": model}
        body |= {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None}
        body |= {"usage": anthropic_usage(spec.tokens)} if usage else {}
    else:
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
        body = {"candidates": [candidate], "modelVersion": model, "responseId": place}
        body |= {"usageMetadata": gemini_usage(spec.tokens)} if usage else {}
    return _json(body)


@lru_cache(maxsize=1024)
def streamed(dialect: Dialect, model: str, spec: Spec, usage: bool) -> Answer:
    """Give the frames of a streamed answer; without `usage` no frame says anything of tokens."""
    if dialect == "openai":
        return _openai(model, spec, usage)
    if dialect == "anthropic":
        return _anthropic(model, spec, usage)
    return _gemini(model, spec, usage)


def error(dialect: Dialect, status: int) -> bytes:
    """Give the provider's error body for `status` in its own shape."""
    text = f"mock provider says {status}"
    kinds = {429: "rate_limit_error", 529: "overloaded_error", 400: "invalid_request_error", 404: "not_found_error"}
    kind = kinds.get(status, "api_error")
    if dialect == "anthropic":
        return _json({"type": "error", "error": {"type": kind, "message": text}})
    if dialect == "gemini":
        names = {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 400: "INVALID_ARGUMENT", 404: "NOT_FOUND"}
        return _json({"error": {"code": status, "message": text, "status": names.get(status, "INTERNAL")}})
    return _json({"error": {"message": text, "type": kind, "param": None, "code": None}})


def openai_usage(tokens: Tokens) -> dict[str, object]:
    """Give the usage as OpenAI counts it: prompt includes cached, completion includes reasoning."""
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning, "audio_tokens": 0},
    }


def anthropic_usage(tokens: Tokens) -> dict[str, object]:
    """Give the usage as Anthropic counts it: input is without what was read from or written to the cache."""
    return {
        "input_tokens": tokens.input - tokens.cached - tokens.cache_write,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cached,
        "output_tokens": tokens.output,
    }


def gemini_usage(tokens: Tokens) -> dict[str, object]:
    """Give the usage as Gemini counts it: candidates are without thoughts, the prompt includes cached."""
    return {
        "promptTokenCount": tokens.input,
        "cachedContentTokenCount": tokens.cached,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
    }


def _openai(model: str, spec: Spec, usage: bool) -> Answer:
    top = {"id": f"chatcmpl-{ID_PLACE.decode()}", "object": "chat.completion.chunk", "created": _CREATED}
    top |= {"model": model}

    def frame(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event(top | {"choices": [choice]} | ({"usage": None} if usage else {}))

    closing = frame({}, "stop")
    if usage:
        closing += _event(top | {"choices": [], "usage": openai_usage(spec.tokens)})
    pieces = tuple(frame({"content": text}) for text in marked_pieces(spec.chunks, spec.text_bytes))
    done = b"data: [DONE]\n\n"
    return Answer(frame({"role": "assistant", "content": ""}), pieces, closing + done, done, usage)


def _anthropic(model: str, spec: Spec, usage: bool) -> Answer:
    message: dict[str, object] = {
        "id": f"msg_{ID_PLACE.decode()}",
        "type": "message",
        "role": "assistant",
        "model": model,
    }
    message |= {"content": [], "stop_reason": None, "stop_sequence": None}
    if usage:
        message |= {"usage": anthropic_usage(spec.tokens) | {"output_tokens": 1}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    opening = _named({"type": "message_start", "message": message}) + _named(block) + _named({"type": "ping"})
    pieces = tuple(
        _named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
        for text in marked_pieces(spec.chunks, spec.text_bytes)
    )
    delta: dict[str, object] = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    delta |= {"usage": {"output_tokens": spec.output}} if usage else {}
    stop = _named({"type": "message_stop"})
    closing = _named({"type": "content_block_stop", "index": 0}) + _named(delta) + stop
    return Answer(opening, pieces, closing, stop, usage)


def _gemini(model: str, spec: Spec, usage: bool) -> Answer:
    def frame(text: str, sent: int, *, last: bool) -> bytes:
        candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
        candidate |= {"finishReason": "STOP"} if last else {}
        tokens = spec.tokens if last else spec.tokens.after(sent, spec.chunks)
        said = {"usageMetadata": gemini_usage(tokens)} if usage else {}
        return _event({"candidates": [candidate], "modelVersion": model, "responseId": ID_PLACE.decode()} | said)

    texts = marked_pieces(spec.chunks, spec.text_bytes)
    pieces = tuple(frame(text, n + 1, last=False) for n, text in enumerate(texts))
    # Gemini has no mark of its own: the last event is the one that has a finishReason.
    closing = frame("", spec.chunks, last=True)
    return Answer(b"", pieces, closing, closing, usage)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _event(value: object) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _named(value: dict[str, object]) -> bytes:
    return f"event: {value['type']}\n".encode() + _event(value)
