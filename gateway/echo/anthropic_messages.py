"""The echo's Anthropic messages: whole, streamed, and counted.

Shapes after docs.anthropic.com/en/api/messages, /messages-streaming and /errors, read 2026-11-23.
"""

from gateway.echo.answer import Answer, Finish
from gateway.echo.ask import Ask, BadAsk, bounded, items, plain, prompt_of, tool_call, whole_number
from gateway.echo.speech import Speech, Tree, named
from policies.usage import Usage

_FINISH: dict[Finish, str] = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(status: int, message: str) -> Tree:
    """Write an error as Anthropic does."""
    return {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}, "request_id": None}


def _read(body: Tree, _: str | None) -> Ask:
    messages = items(body.get("messages"))
    if not messages:
        raise BadAsk("messages: at least one message is required")
    user = next((message for message in reversed(messages) if message.get("role") == "user"), messages[-1])
    results = [part for part in items(user.get("content")) if part.get("type") == "tool_result"]
    said = bounded(plain(results[-1].get("content")) if results else plain(user.get("content")))
    prompt = prompt_of(body.get("tools"), body.get("system"), messages)
    marked = b'"cache_control"' in prompt or "cache_control" in body
    thinking = body.get("thinking")
    return Ask(
        model=str(body.get("model", "echo")),
        said=said,
        prompt=prompt,
        streamed=body.get("stream") is True,
        output_tokens_max=whole_number(body.get("max_tokens")),
        reasons="reason" in str(body.get("model"))
        or (isinstance(thinking, dict) and thinking.get("type") in {"enabled", "adaptive"}),
        tool=None if results else tool_call(said, {str(item.get("name")) for item in items(body.get("tools"))}),
        marks_cache=marked,
        cache_for_an_hour=marked and b'"ttl":"1h"' in prompt,
    )


def _whole(answer: Answer) -> Tree:
    ending = {"stop_reason": _FINISH[answer.finish], "stop_sequence": None}
    usage = {"usage": usage_of(answer.usage)} if answer.usage else {}
    return _top(answer) | {"content": _blocks(answer)} | ending | usage


def _frames(answer: Answer) -> list[bytes]:
    began: Tree = {"content": [], "stop_reason": None, "stop_sequence": None}
    if answer.usage:
        began["usage"] = usage_of(answer.usage) | {"output_tokens": 1}
    events: list[Tree] = [{"type": "message_start", "message": _top(answer) | began}]
    for index, block in enumerate(_blocks(answer)):
        events.append({"type": "content_block_start", "index": index, "content_block": block | _EMPTY[block["type"]]})
        if index == 0:
            events.append({"type": "ping"})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in _deltas(answer, block)]
        events.append({"type": "content_block_stop", "index": index})
    ending: Tree = {"delta": {"stop_reason": _FINISH[answer.finish], "stop_sequence": None}}
    if answer.usage:
        ending["usage"] = {"output_tokens": answer.usage.output_tokens}
    return [named(event) for event in (*events, {"type": "message_delta"} | ending, {"type": "message_stop"})]


_EMPTY: dict[str, Tree] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}


def _deltas(answer: Answer, block: Tree) -> list[Tree]:
    match block["type"]:
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": answer.reasoning}
            return [thought, {"type": "signature_delta", "signature": block["signature"]}]
        case "text":
            return [{"type": "text_delta", "text": piece} for piece in answer.pieces]
        case _:
            assert answer.tool is not None
            return [{"type": "input_json_delta", "partial_json": answer.tool.arguments}]


def _blocks(answer: Answer) -> list[Tree]:
    blocks: list[Tree] = []
    if answer.reasoning:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": "ZWNobw=="})
    if answer.tool:
        call = {"id": f"toolu_{answer.id}", "name": answer.tool.name, "input": answer.tool.fields()}
        blocks.append({"type": "tool_use"} | call)
    else:
        blocks.append({"type": "text", "text": answer.text})
    return blocks


def _top(answer: Answer) -> Tree:
    return {"id": f"msg_{answer.id}", "type": "message", "role": "assistant", "model": answer.model}


def usage_of(usage: Usage) -> Tree:
    """Write usage: input is without what was read from or written to the cache."""
    written, hour = usage.cache_creation_input_tokens, usage.cache_creation_1h_input_tokens
    return {
        "input_tokens": usage.input_tokens - usage.cache_read_input_tokens - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour},
        "output_tokens": usage.output_tokens,
        "service_tier": "standard",
    }


MESSAGES = Speech(_read, _whole, _frames, error)
