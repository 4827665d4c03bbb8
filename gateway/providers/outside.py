"""Says whether a request's own bytes bound its cost: pictures, files and a provider's own tools go past them."""

from collections.abc import Mapping
from typing import Literal

import msgspec

FIELDS = frozenset(("previous_response_id", "conversation", "cachedContent", "container", "mcp_servers"))
"""Fields that bring in what is kept at the provider."""

WRITTEN = ("messages", "input", "contents", "system", "systemInstruction", "system_instruction", "instructions")
"""Fields whose text is the prompt, in any dialect."""

NESTED = ("content", "parts", "output")

PLAIN_KINDS = frozenset((
    b'"text"', b'"input_text"', b'"output_text"', b'"message"', b'"refusal"', b'"reasoning"', b'"thinking"',
    b'"redacted_thinking"', b'"tool_use"', b'"tool_result"', b'"function_call"', b'"function_call_output"',
    b'"custom_tool_call"', b'"custom_tool_call_output"', b'"compaction"', b'"summary_text"', b'"reasoning_text"',
))  # fmt: skip
"""Kinds of message parts whose tokens are no more than their bytes."""

PLAIN_KEYS = frozenset((
    "type", "role", "text", "name", "id", "call_id", "arguments", "status", "summary", "encrypted_content", "signature",
    "thinking", "data", "input", "tool_use_id", "is_error", "cache_control", "tool_calls", "tool_call_id", "refusal",
    "reasoning_content", "function_call", "thought", "thoughtSignature", "functionCall", "functionResponse", "phase",
    "annotations", "logprobs", "citations", "caller", *NESTED,
))  # fmt: skip
"""Fields of message parts that hold text or what says how to read it."""

OWN_TOOLS = ("function", "custom", "local_shell", "bash_", "text_editor_", "memory_")
"""Kinds of tools that the client runs itself; all others a provider may run and bill as often as the model likes."""

DEPTH_MAX = 4

PLAIN_BYTES_MAX = 2**16
"""Messages up to this size are first read as plain ones, which copies their text; that takes less time than a look
at each field of each message, and more memory."""


class _Text(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str
    type: Literal["text", "input_text", "output_text"] = "text"


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A message of text and nothing else, as most are."""

    role: str | None = None
    content: str | list[_Text] | None = None
    parts: list[_Text] | None = None


_items = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_plain = msgspec.json.Decoder(list[_Plain])
_item = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Tool(msgspec.Struct):
    type: str | None = None
    function_declarations: msgspec.Raw | None = msgspec.field(default=None, name="functionDeclarations")
    input_schema: msgspec.Raw | None = None


_tools = msgspec.json.Decoder(list[_Tool])


def brings_more(body: Mapping[str, msgspec.Raw]) -> bool:
    """Say whether input may come in that is not in the body: what is not known to be text counts as such."""
    if not FIELDS.isdisjoint(body) or _starts(body.get("prompt"), b"{"):
        return True
    return any(_brings(body[name], 0) for name in WRITTEN if name in body and not _is_plain(body[name]))


def runs_tools(body: Mapping[str, msgspec.Raw]) -> bool:
    """Say whether the provider may run tools of its own for this request, which it bills beside the tokens."""
    if "web_search_options" in body or "plugins" in body:
        return True
    raw = body.get("tools")
    if raw is None or raw == b"null":
        return False
    try:
        tools = _tools.decode(raw)
    except msgspec.DecodeError:
        return True
    return not all(
        tool.type.startswith(OWN_TOOLS)
        if tool.type is not None
        else tool.function_declarations is not None or tool.input_schema is not None
        for tool in tools
    )


def _is_plain(raw: msgspec.Raw) -> bool:
    """Say whether these are messages of text; False also for what is too large to be read for that alone."""
    if len(raw) > PLAIN_BYTES_MAX:
        return False
    try:
        _plain.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _brings(raw: msgspec.Raw, depth: int) -> bool:
    if _starts(raw, b'"') or raw == b"null":
        return False
    try:
        items = _items.decode(raw) if _starts(raw, b"[") else [_item.decode(raw)]
    except msgspec.DecodeError:
        return True
    return depth > DEPTH_MAX or any(_item_brings(item, depth) for item in items)


def _item_brings(item: dict[str, msgspec.Raw], depth: int) -> bool:
    kind = item.get("type")
    if (kind is not None and bytes(kind) not in PLAIN_KINDS) or not item.keys() <= PLAIN_KEYS:
        return True
    return any(_brings(item[name], depth + 1) for name in NESTED if name in item)


def _starts(raw: msgspec.Raw | None, sign: bytes) -> bool:
    return raw is not None and memoryview(raw)[:1] == sign
