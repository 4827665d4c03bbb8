"""Anthropic's Python SDK, driven over standard input."""

import asyncio
from typing import Any

from anthropic import Anthropic, AsyncAnthropic
from lines import Ask, Seen, answer_lines, head


def options(ask: Ask) -> dict[str, Any]:
    return {
        "base_url": ask["url"],
        "api_key": ask["key"],
        "default_headers": ask.get("headers"),
        "max_retries": ask.get("retries", 0),
        "timeout": 20,
    }


def message_of(ask: Ask) -> dict[str, Any]:
    said: dict[str, Any] = {
        "model": ask["model"],
        "max_tokens": 200,
        "messages": [{"role": "user", "content": ask["said"]}],
    }
    more = dict(ask.get("more", {}))
    if "temperature" in more:
        # No argument of this SDK any more, but servers of other models take it.
        said["extra_body"] = {"temperature": more.pop("temperature")}
    return said | more


def keep(message: Any, seen: Seen) -> None:
    seen["text"] = "".join(block.text for block in message.content if block.type == "text")
    seen["usage"] = message.usage.model_dump()


def keep_event(event: Any, seen: Seen) -> None:
    if event.type == "message_start":
        seen["usage"] = event.message.usage.model_dump()
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        seen["text"] += event.delta.text
    if event.type == "message_delta":
        seen["usage"] |= event.usage.model_dump(exclude_none=True)


def messages(ask: Ask, seen: Seen) -> None:
    raw = Anthropic(**options(ask)).messages.with_raw_response.create(**message_of(ask))
    head(seen, raw.headers)
    keep(raw.parse(), seen)


def messages_streamed(ask: Ask, seen: Seen) -> None:
    stream = Anthropic(**options(ask)).messages.create(**message_of(ask), stream=True)
    head(seen, stream.response.headers)
    for event in stream:
        keep_event(event, seen)


def messages_stream_helper(ask: Ask, seen: Seen) -> None:
    with Anthropic(**options(ask)).messages.stream(**message_of(ask)) as stream:
        head(seen, stream.response.headers)
        keep(stream.get_final_message(), seen)


def messages_left(ask: Ask, seen: Seen) -> None:
    """Leave in the middle of a stream."""
    client = Anthropic(**options(ask))
    stream = client.messages.create(**message_of(ask), stream=True)
    head(seen, stream.response.headers)
    for number, event in enumerate(stream):
        keep_event(event, seen)
        if number >= 6:
            break
    stream.close()
    client.close()


def messages_async(ask: Ask, seen: Seen) -> None:
    async def run() -> None:
        async with AsyncAnthropic(**options(ask)) as client:
            raw = await client.messages.with_raw_response.create(**message_of(ask))
            head(seen, raw.headers)
            keep(await raw.parse(), seen)

    asyncio.run(run())


def messages_async_streamed(ask: Ask, seen: Seen) -> None:
    async def run() -> None:
        async with AsyncAnthropic(**options(ask)) as client:
            stream = await client.messages.create(**message_of(ask), stream=True)
            head(seen, stream.response.headers)
            async for event in stream:
                keep_event(event, seen)

    asyncio.run(run())


def count_tokens(ask: Ask, seen: Seen) -> None:
    said = {name: value for name, value in message_of(ask).items() if name != "max_tokens"}
    raw = Anthropic(**options(ask)).messages.with_raw_response.count_tokens(**said)
    head(seen, raw.headers)
    seen["text"] = str(raw.parse().input_tokens)


def models(ask: Ask, seen: Seen) -> None:
    seen["text"] = " ".join(model.id for model in Anthropic(**options(ask)).models.list())


answer_lines({
    way.__name__: way
    for way in (
        messages, messages_streamed, messages_stream_helper, messages_left, messages_async, messages_async_streamed,
        count_tokens, models,
    )
})  # fmt: skip
