"""LangChain's ChatOpenAI, driven over standard input."""

from langchain_openai import ChatOpenAI
from lines import Ask, Seen, answer_lines


def model(ask: Ask) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{ask['url']}/v1",
        api_key=ask["key"],
        model=ask["model"],
        default_headers=ask.get("headers"),
        max_retries=ask.get("retries", 0),
        timeout=20,
        include_response_headers=True,
    )


def keep(message: object, seen: Seen) -> None:
    headers = message.response_metadata.get("headers") or {}
    for name, header in (("request_id", "x-request-id"), ("cost", "x-weighbridge-cost")):
        seen[name] = headers.get(header) or seen.get(name)
    seen["text"] += message.content
    seen["usage"] = dict(message.usage_metadata) if message.usage_metadata else seen.get("usage")


def invoke(ask: Ask, seen: Seen) -> None:
    keep(model(ask).invoke(ask["said"]), seen)


def stream(ask: Ask, seen: Seen) -> None:
    for chunk in model(ask).stream(ask["said"]):
        keep(chunk, seen)


answer_lines({way.__name__: way for way in (invoke, stream)})
