"""Google's Python SDK for Gemini, driven over standard input."""

import asyncio
from typing import Any

from google import genai
from lines import Ask, Seen, answer_lines, head


def client(ask: Ask) -> genai.Client:
    """Give a client. It must be held by a name: one that nobody holds closes its connections under its own calls."""
    http = {"base_url": ask["url"], "headers": ask.get("headers") or {}, "timeout": 20_000}
    return genai.Client(api_key=ask["key"], http_options=http)


def keep(answer: Any, seen: Seen) -> None:
    seen["text"] += answer.text or ""
    if answer.usage_metadata is not None:
        seen["usage"] = answer.usage_metadata.model_dump(mode="json")
    head_of(answer, seen)


def head_of(answer: Any, seen: Seen) -> None:
    if answer.sdk_http_response is not None and not seen.get("request_id"):
        head(seen, {name.lower(): value for name, value in (answer.sdk_http_response.headers or {}).items()})


def content(ask: Ask, seen: Seen) -> None:
    gemini = client(ask)
    keep(gemini.models.generate_content(model=ask["model"], contents=ask["said"]), seen)


def content_streamed(ask: Ask, seen: Seen) -> None:
    gemini = client(ask)
    for chunk in gemini.models.generate_content_stream(model=ask["model"], contents=ask["said"]):
        keep(chunk, seen)


def content_async(ask: Ask, seen: Seen) -> None:
    async def run() -> None:
        gemini = client(ask)
        keep(await gemini.aio.models.generate_content(model=ask["model"], contents=ask["said"]), seen)

    asyncio.run(run())


def content_async_streamed(ask: Ask, seen: Seen) -> None:
    async def run() -> None:
        gemini = client(ask)
        stream = await gemini.aio.models.generate_content_stream(model=ask["model"], contents=ask["said"])
        async for chunk in stream:
            keep(chunk, seen)

    asyncio.run(run())


def count_tokens(ask: Ask, seen: Seen) -> None:
    gemini = client(ask)
    answer = gemini.models.count_tokens(model=ask["model"], contents=ask["said"])
    seen["text"] = str(answer.total_tokens)
    head_of(answer, seen)


def models(ask: Ask, seen: Seen) -> None:
    gemini = client(ask)
    seen["text"] = " ".join(model.name for model in gemini.models.list())


answer_lines({
    way.__name__: way
    for way in (content, content_streamed, content_async, content_async_streamed, count_tokens, models)
})  # fmt: skip
