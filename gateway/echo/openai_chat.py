"""The echo's OpenAI chat completions and legacy completions.

Shapes after platform.openai.com/docs/api-reference/chat and /completions, read 2026-11-23.
"""

from typing import Any

from gateway.echo.answer import Answer, Finish
from gateway.echo.ask import Ask, BadAsk, bounded, items, plain, prompt_of, tool_call, whole_number
from gateway.echo.speech import Speech, Tree, data
from policies.usage import Usage

_FINISH: dict[Finish, str] = {"stop": "stop", "length": "length", "tool": "tool_calls"}
_KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "invalid_request_error", 429: "requests"}
DONE = b"data: [DONE]\n\n"


def error(status: int, message: str) -> Tree:
    """Write an error as OpenAI does."""
    code = "rate_limit_exceeded" if status == 429 else None
    return {"error": {"message": message, "type": _KINDS.get(status, "server_error"), "param": None, "code": code}}


def usage_of(usage: Usage) -> Tree:
    """Write usage: the prompt includes cached tokens, the completion reasoning."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_input_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_output_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _read_chat(body: Tree, _: str | None) -> Ask:
    messages = items(body.get("messages"))
    if not messages:
        raise BadAsk("messages must be a list with at least one message.")
    last = messages[-1]
    said = bounded(plain(_last_user(messages).get("content")))
    if last.get("role") == "tool":
        said = bounded(plain(last.get("content")))
    names = {str(item["function"].get("name")) for item in items(body.get("tools")) if "function" in item}
    return Ask(
        model=str(body.get("model", "echo")),
        said=said,
        prompt=prompt_of(body.get("tools"), messages),
        streamed=body.get("stream") is True,
        wants_usage=body.get("stream") is not True or _asks_usage(body),
        output_tokens_max=whole_number(body.get("max_completion_tokens"), body.get("max_tokens")),
        reasons=_reasons(body),
        tool=None if last.get("role") == "tool" else tool_call(said, names),
    )


def _read_text(body: Tree, _: str | None) -> Ask:
    prompt = body.get("prompt", "")
    said = prompt if isinstance(prompt, str) else plain(prompt)
    return Ask(
        model=str(body.get("model", "echo")),
        said=bounded(said),
        prompt=prompt_of(prompt),
        streamed=body.get("stream") is True,
        wants_usage=body.get("stream") is not True or _asks_usage(body),
        output_tokens_max=whole_number(body.get("max_tokens")),
    )


def _whole_chat(answer: Answer) -> Tree:
    message: Tree = {"role": "assistant", "content": answer.text or None, "refusal": None, "annotations": []}
    if answer.tool:
        message["tool_calls"] = [_tool_call(answer)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[answer.finish]}
    return _top(answer, "chatcmpl-", "chat.completion") | {"choices": [choice]} | _said_usage(answer)


def _chat_frames(answer: Answer) -> list[bytes]:
    top = _top(answer, "chatcmpl-", "chat.completion.chunk")
    extra: Tree = {"usage": None} if answer.wants_usage and answer.usage else {}

    def frame(delta: Tree, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data(top | {"choices": [choice]} | extra)

    frames = [frame({"role": "assistant", "content": None if answer.tool else "", "refusal": None})]
    frames += [frame({"content": piece}) for piece in answer.pieces]
    if answer.tool:
        frames.append(frame({"tool_calls": [{"index": 0} | _tool_call(answer)]}))
    frames.append(frame({}, _FINISH[answer.finish]))
    if extra and answer.usage:
        frames.append(data(top | {"choices": [], "usage": usage_of(answer.usage)}))
    return [*frames, DONE]


def _whole_text(answer: Answer) -> Tree:
    choice = {"index": 0, "text": answer.text, "logprobs": None, "finish_reason": _FINISH[answer.finish]}
    return _top(answer, "cmpl-", "text_completion") | {"choices": [choice]} | _said_usage(answer)


def _text_frames(answer: Answer) -> list[bytes]:
    top = _top(answer, "cmpl-", "text_completion")

    def frame(text: str, finish: str | None = None) -> bytes:
        return data(top | {"choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]})

    frames = [frame(piece) for piece in answer.pieces] + [frame("", _FINISH[answer.finish])]
    if answer.wants_usage and answer.usage:
        frames.append(data(top | {"choices": [], "usage": usage_of(answer.usage)}))
    return [*frames, DONE]


def _top(answer: Answer, prefix: str, kind: str) -> Tree:
    return {
        "id": prefix + answer.id,
        "object": kind,
        "created": answer.created,
        "model": answer.model,
        "service_tier": "default",
        "system_fingerprint": "fp_echo",
    }


def _said_usage(answer: Answer) -> Tree:
    return {"usage": usage_of(answer.usage)} if answer.usage else {}


def _tool_call(answer: Answer) -> Tree:
    assert answer.tool is not None
    call = {"name": answer.tool.name, "arguments": answer.tool.arguments}
    return {"id": f"call_{answer.id}", "type": "function", "function": call}


def _last_user(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return next((message for message in reversed(messages) if message.get("role") == "user"), messages[-1])


def _asks_usage(body: Tree) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _reasons(body: Tree) -> bool:
    return "reason" in str(body.get("model")) or body.get("reasoning_effort") not in {None, "none"}


CHAT = Speech(_read_chat, _whole_chat, _chat_frames, error)
TEXT = Speech(_read_text, _whole_text, _text_frames, error)
