"""The echo's OpenAI responses: whole, and as the events that a stream of them is made of.

Shapes after platform.openai.com/docs/api-reference/responses and /responses-streaming, read 2026-11-23.
"""

from typing import Any

from gateway.echo.answer import Answer
from gateway.echo.ask import Ask, BadAsk, bounded, items, plain, prompt_of, tool_call, whole_number
from gateway.echo.openai_chat import error
from gateway.echo.speech import Speech, Tree, named
from policies.usage import Usage


def _read(body: Tree, _: str | None) -> Ask:
    asked = body.get("input")
    if not asked:
        raise BadAsk("input must be a text or a list of items.")
    sent = items(asked)
    last = sent[-1] if sent else {}
    returned = last.get("type") == "function_call_output"
    said = asked if isinstance(asked, str) else plain(last.get("output") if returned else _last_user(sent))
    names = {str(item.get("name")) for item in items(body.get("tools"))}
    effort = body["reasoning"].get("effort") if isinstance(body.get("reasoning"), dict) else None
    return Ask(
        model=str(body.get("model", "echo")),
        said=bounded(said),
        prompt=prompt_of(body.get("tools"), body.get("instructions"), asked),
        streamed=body.get("stream") is True,
        output_tokens_max=whole_number(body.get("max_output_tokens")),
        reasons="reason" in str(body.get("model")) or effort not in {None, "none"},
        tool=None if returned else tool_call(said, names),
    )


def _last_user(sent: list[dict[str, Any]]) -> object:
    user = (item.get("content") for item in reversed(sent) if item.get("role") == "user")
    return next(user, sent[-1].get("content") if sent else None)


def _whole(answer: Answer) -> Tree:
    return _response(answer, _ending(answer), _output(answer))


def _frames(answer: Answer) -> list[bytes]:
    events: list[Tree] = [
        {"type": f"response.{name}", "response": _response(answer, "in_progress", [])}
        for name in ("created", "in_progress")
    ]
    for index, item in enumerate(_output(answer)):
        began = item | ({"status": "in_progress"} if "status" in item else {})
        empty: dict[str, Tree] = {
            "message": {"content": []},
            "function_call": {"arguments": ""},
            "reasoning": {"summary": []},
        }
        events.append(_item_event("added", index, began | empty[item["type"]]))
        events += _inside(answer, item, index)
        events.append(_item_event("done", index, item))
    ending = _ending(answer)
    events.append({"type": f"response.{ending}", "response": _response(answer, ending, _output(answer))})
    return [named(event | {"sequence_number": number}) for number, event in enumerate(events)]


def _item_event(what: str, index: int, item: Tree) -> Tree:
    return {"type": f"response.output_item.{what}", "output_index": index, "item": item}


def _inside(answer: Answer, item: Tree, index: int) -> list[Tree]:
    """Give the events between an item's beginning and its end."""
    at: Tree = {"item_id": item["id"], "output_index": index}
    if item["type"] == "function_call":
        kind = "response.function_call_arguments"
        delta = {"type": f"{kind}.delta", "delta": item["arguments"]}
        return [delta | at, {"type": f"{kind}.done", "name": item["name"], "arguments": item["arguments"]} | at]
    if item["type"] == "reasoning":
        return []
    at["content_index"] = 0
    text, part = "response.output_text", "response.content_part"
    return [
        {"type": f"{part}.added", "part": _text_part("")} | at,
        *({"type": f"{text}.delta", "delta": piece, "logprobs": []} | at for piece in answer.pieces),
        {"type": f"{text}.done", "text": answer.text, "logprobs": []} | at,
        {"type": f"{part}.done", "part": _text_part(answer.text)} | at,
    ]


def _output(answer: Answer) -> list[Tree]:
    output: list[Tree] = []
    if answer.reasoning:
        summary = [{"type": "summary_text", "text": answer.reasoning}]
        output.append({"id": f"rs_{answer.id}", "type": "reasoning", "summary": summary})
    if answer.tool:
        call = {"call_id": f"call_{answer.id}", "name": answer.tool.name, "arguments": answer.tool.arguments}
        output.append({"id": f"fc_{answer.id}", "type": "function_call", "status": "completed"} | call)
    else:
        message = {"role": "assistant", "content": [_text_part(answer.text)]}
        output.append({"id": f"msg_{answer.id}", "type": "message", "status": "completed"} | message)
    return output


def _response(answer: Answer, status: str, output: list[Tree]) -> Tree:
    ended = status in {"completed", "incomplete"}
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": answer.output_tokens_max,
        "metadata": {},
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(answer.usage) if ended and answer.usage else None,
    }


def _ending(answer: Answer) -> str:
    return "incomplete" if answer.finish == "length" else "completed"


def _usage(usage: Usage) -> Tree:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read_input_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _text_part(text: str) -> Tree:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


RESPONSES = Speech(_read, _whole, _frames, error)
