"""What one request asks of the echo: which model, what to say back, how long, with which tool."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

SAID_CHARACTERS_MAX = 8_000
"""What is said back at most: a page or two; nobody learns more from a longer echo."""

_CALL = re.compile(r"\bcall\s+([A-Za-z0-9_.-]{1,64})(?:\s+(\{.*\}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One of the caller's tools, asked for with these arguments (JSON)."""

    name: str
    arguments: str

    def fields(self) -> dict[str, Any]:
        """Give the arguments as an object."""
        tree = msgspec.json.decode(self.arguments)
        return tree if isinstance(tree, dict) else {}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of any dialect, read. `prompt` is all that was prompted, as bytes, the oldest first."""

    model: str
    said: str
    prompt: bytes
    streamed: bool = False
    wants_usage: bool = True
    output_tokens_max: int | None = None
    reasons: bool = False
    tool: ToolCall | None = None
    marks_cache: bool = False
    cache_for_an_hour: bool = False


class BadAsk(Exception):
    """The request cannot be answered; the text says what is missing."""


def parsed(body: bytes) -> dict[str, Any]:
    """Give a request's JSON object; raises BadAsk."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAsk(f"The body is not JSON: {error}") from error
    if not isinstance(tree, dict):
        raise BadAsk("The body must be a JSON object.")
    return tree


def prompt_of(*parts: object) -> bytes:
    """Give the bytes that are counted: the JSON of every part that was sent, in the order models read them."""
    return b"\n".join(msgspec.json.encode(part) for part in parts if part)


def tool_call(said: str, offered: set[str]) -> ToolCall | None:
    """Give the call that a text asks for: "call NAME" or "call NAME {arguments}", of a tool that was offered."""
    match = _CALL.search(said)
    if match is None or match.group(1) not in offered:
        return None
    return ToolCall(match.group(1), _arguments(match.group(2) or "{}"))


def plain(content: object) -> str:
    """Give the text of a message, whether it is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return ""
    texts = (part if isinstance(part, str) else part.get("text") for part in content if isinstance(part, str | dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def bounded(said: str) -> str:
    """Give what is said back: the text, or its beginning; never nothing."""
    return said[:SAID_CHARACTERS_MAX] or "(nothing was said)"


def items(value: object) -> list[dict[str, Any]]:
    """Give the objects of a list; anything else has none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def whole_number(*values: object) -> int | None:
    """Give the first of these that is a count."""
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), None)


def _arguments(text: str) -> str:
    """Give `text` when it is JSON, and no arguments otherwise."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return "{}"
    return text
