"""Every way in which a client asks, and what is to be expected of it: one table that all tests of SDKs walk."""

from dataclasses import dataclass

import pytest

from tests.clients.weighing import Telling


@dataclass(frozen=True)
class Way:
    """One call of one client. `whole` names the way in which the same client tells its usage, where this one does not.

    `tells_cost` says where a client shows its users the cost: in a header, in its usage, or not at all.
    """

    program: str
    name: str
    telling: Telling
    family: str
    operation: str
    streamed: bool = False
    tells_cost: str | None = "header"
    whole: str | None = None

    @property
    def dialect(self) -> str:
        return self.telling if self.telling in {"anthropic", "gemini"} else "openai"


def _ways(program: str, telling: Telling, family: str, operation: str, *names: str) -> list[Way]:
    """Give ways: "name" is whole, "name~" streamed and tells the cost in its usage, "name~-" streamed and silent."""
    found = []
    for name in names:
        plain = name.rstrip("~-")
        where = {"": "header", "~": "usage"}.get(name[len(plain) :])
        found.append(Way(program, plain, telling, family, operation, name != plain, where))
    return found


def _bare(program: str, name: str, telling: Telling, family: str, whole: str) -> Way:
    """Give a stream in whose client nobody asks for usage."""
    return Way(program, name, telling, family, "chat", streamed=True, tells_cost=None, whole=whole)


OPENAI_PYTHON = [
    *_ways("openai_python", "openai", "openai", "chat", "chat", "chat_streamed~", "chat_async", "chat_async_streamed~"),
    _bare("openai_python", "chat_streamed_bare", "openai", "openai", "chat"),
    *_ways("openai_python", "responses", "openai", "responses", "responses", "responses_streamed~"),
    *_ways("openai_python", "responses", "openai", "responses", "responses_stream_helper~"),
    *_ways("openai_python", "openai", "openai", "text_completion", "completions"),
]
ANTHROPIC_PYTHON = [
    *_ways("anthropic_python", "anthropic", "anthropic", "chat", "messages", "messages_streamed~", "messages_async"),
    *_ways("anthropic_python", "anthropic", "anthropic", "chat", "messages_async_streamed~"),
    # Its accumulator keeps only the fields of usage that it knows.
    *_ways("anthropic_python", "anthropic", "anthropic", "chat", "messages_stream_helper~-"),
]
GOOGLE_GENAI = [
    *_ways("google_genai", "gemini", "google-genai", "generate_content", "content", "content_async"),
    # Gemini's usage has no place for a cost, and a stream's headers come before it is known.
    *_ways("google_genai", "gemini", "google-genai", "generate_content", "content_streamed~-"),
    *_ways("google_genai", "gemini", "google-genai", "generate_content", "content_async_streamed~-"),
]
LANGCHAIN_PYTHON = [
    *_ways("langchain_python", "langchain", "openai", "chat", "invoke"),
    _bare("langchain_python", "stream", "langchain", "openai", "invoke"),
]
OPENAI_NODE = [
    *_ways("openai_node", "openai", "openai", "chat", "chat", "chat_streamed~"),
    _bare("openai_node", "chat_streamed_bare", "openai", "openai", "chat"),
    *_ways("openai_node", "responses", "openai", "responses", "responses", "responses_streamed~"),
]
AI_SDK_NODE = [
    *_ways("ai_sdk_node", "ai_sdk", "ai-sdk", "chat", "generate"),
    _bare("ai_sdk_node", "stream", "ai_sdk", "ai-sdk", "generate"),
]
EMBEDDINGS = [
    Way("openai_python", "embeddings", "openai", "openai", "embeddings"),
    Way("openai_node", "embeddings", "openai", "openai", "embeddings"),
]
COUNTS = [
    Way("anthropic_python", "count_tokens", "anthropic", "anthropic", "count_tokens"),
    Way("google_genai", "count_tokens", "gemini", "google-genai", "count_tokens"),
]
LEFT = [
    Way("openai_python", "chat_left", "openai", "openai", "chat", streamed=True, whole="chat"),
    Way("anthropic_python", "messages_left", "anthropic", "anthropic", "chat", streamed=True, whole="messages"),
    Way("openai_node", "chat_left", "openai", "openai", "chat", streamed=True, whole="chat"),
]
"""Clients that leave in the middle of a stream."""

SPEAKING = [*OPENAI_PYTHON, *ANTHROPIC_PYTHON, *GOOGLE_GENAI, *LANGCHAIN_PYTHON, *OPENAI_NODE, *AI_SDK_NODE]


def each(ways: list[Way]) -> list[object]:
    """Give the ways as parameters of a test, those of Node marked so that a machine without npm can leave them out."""
    heavy, npm = pytest.mark.heavy, pytest.mark.npm
    return [
        pytest.param(way, id=f"{way.program}.{way.name}", marks=npm if way.program.endswith("_node") else heavy)
        for way in ways
    ]
