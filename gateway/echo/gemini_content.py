"""The echo's Gemini generateContent, streamGenerateContent and countTokens.

Shapes after ai.google.dev/api/generate-content and /api/tokens, read 2026-11-23.
"""

from gateway.echo.answer import Answer, Finish
from gateway.echo.ask import Ask, BadAsk, bounded, items, plain, prompt_of, tool_call, whole_number
from gateway.echo.speech import Speech, Tree, data
from policies.usage import Usage

_FINISH: dict[Finish, str] = {"stop": "STOP", "length": "MAX_TOKENS", "tool": "STOP"}
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
_STATUS |= {503: "UNAVAILABLE"}


def error(status: int, message: str) -> Tree:
    """Write an error as Gemini does."""
    return {"error": {"code": status, "message": message, "status": _STATUS.get(status, "INTERNAL")}}


def _read(body: Tree, model: str | None) -> Ask:
    inner = body.get("generateContentRequest")
    body = inner if isinstance(inner, dict) else body
    contents = items(body.get("contents"))
    if not contents:
        raise BadAsk("contents is not specified")
    user = next((content for content in reversed(contents) if content.get("role", "user") != "model"), contents[-1])
    results = [part["functionResponse"] for part in items(user.get("parts")) if "functionResponse" in part]
    said = str(results[-1].get("response")) if results else plain(user.get("parts"))
    config = body.get("generationConfig")
    config = config if isinstance(config, dict) else {}
    thinking = config.get("thinkingConfig")
    return Ask(
        model=model or "echo",
        said=bounded(said),
        prompt=prompt_of(body.get("tools"), body.get("systemInstruction"), contents),
        output_tokens_max=whole_number(config.get("maxOutputTokens")),
        reasons="reason" in str(model) or (isinstance(thinking, dict) and thinking.get("thinkingBudget") != 0),
        tool=None if results else tool_call(said, _offered(body)),
    )


def _offered(body: Tree) -> set[str]:
    declared = (items(tool.get("functionDeclarations")) for tool in items(body.get("tools")))
    return {str(function.get("name")) for functions in declared for function in functions}


def _whole(answer: Answer) -> Tree:
    usage = {"usageMetadata": usage_of(answer.usage)} if answer.usage else {}
    return _part(answer, _parts(answer, answer.text), last=True) | usage


def _frames(answer: Answer) -> list[bytes]:
    trees = [_part(answer, [{"text": piece}], last=False) for piece in answer.pieces[:-1]]
    last = _part(answer, _parts(answer, answer.pieces[-1] if answer.pieces else ""), last=True)
    if answer.usage:
        # What is known while an answer runs: the prompt. The whole count comes with the last event.
        for tree in trees:
            tree["usageMetadata"] = {"promptTokenCount": answer.usage.input_tokens}
        last["usageMetadata"] = usage_of(answer.usage)
    return [data(tree) for tree in (*trees, last)]


def _parts(answer: Answer, text: str) -> list[Tree]:
    if answer.tool:
        return [{"functionCall": {"id": answer.id, "name": answer.tool.name, "args": answer.tool.fields()}}]
    return [{"text": text}]


def _part(answer: Answer, parts: list[Tree], *, last: bool) -> Tree:
    candidate: Tree = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = _FINISH[answer.finish]
    return {"candidates": [candidate], "modelVersion": answer.model, "responseId": answer.id}


def usage_of(usage: Usage) -> Tree:
    """Write usage: candidates are without thoughts, the prompt includes cached tokens."""
    said: Tree = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_output_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input_tokens}],
    }
    if usage.cache_read_input_tokens:
        said["cachedContentTokenCount"] = usage.cache_read_input_tokens
    if usage.reasoning_output_tokens:
        said["thoughtsTokenCount"] = usage.reasoning_output_tokens
    return said


CONTENT = Speech(_read, _whole, _frames, error)
