"""OpenAI's Python SDK, driven over standard input."""

import asyncio
from typing import Any

from lines import Ask, Seen, answer_lines, head
from openai import AsyncOpenAI, OpenAI


def options(ask: Ask) -> dict[str, Any]:
    return {
        "base_url": f"{ask['url']}/v1",
        "api_key": ask["key"],
        "default_headers": ask.get("headers"),
        "max_retries": ask.get("retries", 0),
        "timeout": 20,
    }


def chat_of(ask: Ask) -> dict[str, Any]:
    said: dict[str, Any] = {"model": ask["model"], "messages": [{"role": "user", "content": ask["said"]}]}
    return said | ask.get("more", {})


def keep_chunk(chunk: Any, seen: Seen) -> None:
    for choice in chunk.choices:
        seen["text"] += choice.delta.content or ""
    if chunk.usage is not None:
        seen["usage"] = chunk.usage.model_dump()


def chat(ask: Ask, seen: Seen) -> None:
    raw = OpenAI(**options(ask)).chat.completions.with_raw_response.create(**chat_of(ask))
    head(seen, raw.headers)
    answer = raw.parse()
    seen["text"], seen["usage"] = answer.choices[0].message.content, answer.usage.model_dump()


def chat_streamed(ask: Ask, seen: Seen) -> None:
    stream = OpenAI(**options(ask)).chat.completions.create(
        **chat_of(ask), stream=True, stream_options={"include_usage": True}
    )
    head(seen, stream.response.headers)
    for chunk in stream:
        keep_chunk(chunk, seen)


def chat_streamed_bare(ask: Ask, seen: Seen) -> None:
    stream = OpenAI(**options(ask)).chat.completions.create(**chat_of(ask), stream=True)
    head(seen, stream.response.headers)
    for chunk in stream:
        keep_chunk(chunk, seen)


def chat_left(ask: Ask, seen: Seen) -> None:
    """Leave in the middle of a stream."""
    client = OpenAI(**options(ask))
    stream = client.chat.completions.create(**chat_of(ask), stream=True)
    head(seen, stream.response.headers)
    for number, chunk in enumerate(stream):
        keep_chunk(chunk, seen)
        if number >= 4:
            break
    stream.close()
    client.close()


def chat_async(ask: Ask, seen: Seen) -> None:
    async def run() -> None:
        async with AsyncOpenAI(**options(ask)) as client:
            raw = await client.chat.completions.with_raw_response.create(**chat_of(ask))
        head(seen, raw.headers)
        answer = raw.parse()
        seen["text"], seen["usage"] = answer.choices[0].message.content, answer.usage.model_dump()

    asyncio.run(run())


def chat_async_streamed(ask: Ask, seen: Seen) -> None:
    async def run() -> None:
        async with AsyncOpenAI(**options(ask)) as client:
            stream = await client.chat.completions.create(
                **chat_of(ask), stream=True, stream_options={"include_usage": True}
            )
            head(seen, stream.response.headers)
            async for chunk in stream:
                keep_chunk(chunk, seen)

    asyncio.run(run())


def responses(ask: Ask, seen: Seen) -> None:
    client = OpenAI(**options(ask))
    raw = client.responses.with_raw_response.create(model=ask["model"], input=ask["said"], **ask.get("more", {}))
    head(seen, raw.headers)
    answer = raw.parse()
    seen["text"], seen["usage"] = answer.output_text, answer.usage.model_dump()


def responses_streamed(ask: Ask, seen: Seen) -> None:
    client = OpenAI(**options(ask))
    stream = client.responses.create(model=ask["model"], input=ask["said"], stream=True, **ask.get("more", {}))
    head(seen, stream.response.headers)
    for event in stream:
        if event.type == "response.output_text.delta":
            seen["text"] += event.delta
        if event.type == "response.completed":
            seen["usage"] = event.response.usage.model_dump()


def responses_stream_helper(ask: Ask, seen: Seen) -> None:
    client = OpenAI(**options(ask))
    with client.responses.stream(model=ask["model"], input=ask["said"], **ask.get("more", {})) as stream:
        head(seen, stream._response.headers)
        answer = stream.get_final_response()
    seen["text"], seen["usage"] = answer.output_text, answer.usage.model_dump()


def completions(ask: Ask, seen: Seen) -> None:
    raw = OpenAI(**options(ask)).completions.with_raw_response.create(model=ask["model"], prompt=ask["said"])
    head(seen, raw.headers)
    answer = raw.parse()
    seen["text"], seen["usage"] = answer.choices[0].text, answer.usage.model_dump()


def embeddings(ask: Ask, seen: Seen) -> None:
    raw = OpenAI(**options(ask)).embeddings.with_raw_response.create(model=ask["model"], input=[ask["said"], "b"])
    head(seen, raw.headers)
    answer = raw.parse()
    seen["text"], seen["usage"] = repr([row.embedding[:4] for row in answer.data]), answer.usage.model_dump()


def models(ask: Ask, seen: Seen) -> None:
    seen["text"] = " ".join(model.id for model in OpenAI(**options(ask)).models.list())


answer_lines({
    way.__name__: way
    for way in (
        chat, chat_streamed, chat_streamed_bare, chat_left, chat_async, chat_async_streamed, responses,
        responses_streamed, responses_stream_helper, completions, embeddings, models,
    )
})  # fmt: skip
