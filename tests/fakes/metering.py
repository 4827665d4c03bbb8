"""A meter for one answer, and the events such an answer is made of."""

import json

from gateway.providers.provider import Asked, Dialect, Meter, Operation

DONE = b"data: [DONE]\n\n"


def meter(dialect: Dialect, operation: Operation = "chat", *, streamed: bool = True, wants_usage: bool = True) -> Meter:
    return dialect.meter(
        Asked(dialect=dialect.name, operation=operation, model="m", body={}, streamed=streamed, wants_usage=wants_usage)
    )


def data(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def said(text: str, finish: str | None = None) -> bytes:
    return data(
        {"id": "c", "model": "gpt", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    )


def used(usage: object) -> bytes:
    return data({"id": "c", "model": "gpt", "choices": [], "usage": usage})


def whole(dialect: Dialect, value: object, operation: Operation = "chat") -> Meter:
    read = meter(dialect, operation, streamed=False)
    assert read.feed(json.dumps(value).encode()) == b""
    read.finish()
    return read


GOOD = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
