"""Answers of chat/completions, completions and embeddings: the text in them and the usage beside them."""

import msgspec

from gateway.providers.answer import (
    UNREADABLE,
    Malformed,
    decoded_loosely,
    flags_of,
    is_there,
    loose_text_bytes,
    text_bytes,
    text_or_none,
    with_cost,
)
from gateway.providers.counts import Weighed, counts_of
from gateway.providers.openai_usage import usage_of
from gateway.providers.provider import Reading
from gateway.providers.stream import Step
from policies.money import NanoUsd


class _Function(msgspec.Struct, gc=False):
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    function: _Function | None = None


class _Words(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Words | None = None
    message: _Words | None = None
    text: str | None = None
    finish_reason: str | None = None
    usage: object = None


class _Groq(msgspec.Struct, gc=False):
    usage: object = None


class _Answer(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: object = None
    error: object = None
    x_groq: _Groq | None = None


class _Loose(msgspec.Struct):
    """The same answer where a server's shapes are its own."""

    id: object = None
    model: object = None
    service_tier: object = None
    choices: object = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_answer = msgspec.json.Decoder(_Answer)
_loose = msgspec.json.Decoder(_Loose)


class ChatReader:
    """Reads chunks and whole answers; hides the chunk of usage alone when the client did not ask for it."""

    def __init__(self, *, wants_usage: bool) -> None:
        """Start before the first chunk."""
        self._wants_usage = wants_usage
        self._model: str | None = None
        self._id: str | None = None
        self._tier: str | None = None
        self._weighed = Weighed(None)
        self._error = False
        self._done = False
        self._finished = False
        self._bytes = 0

    def take(self, data: bytes) -> Step:
        """Read one chunk."""
        if data[:1] == b"[" and data.strip() == b"[DONE]":
            self._done = True
            return Step.LAST
        answer = self._answer(data)
        if answer.usage is None and answer.x_groq is None and answer.error is None:
            return Step.CONTENT if answer.choices is None else self._beside_choices(answer.choices)
        self._error = self._error or answer.error is not None
        usage = _usage_anywhere(answer)
        return Step.CONTENT if usage is None else self._used(usage, alone=answer.choices == [])

    def whole(self, body: bytes) -> Reading | None:
        """Read a whole answer."""
        try:
            answer = self._answer(body)
        except Malformed:
            return None
        self._error = answer.error is not None
        self._weighed = usage_of(counts_of(_usage_anywhere(answer)))
        self._done = True
        return self.reading()

    def reading(self) -> Reading:
        """Give what is known now."""
        flags = flags_of(
            error_in_body=self._error,
            implausible=self._weighed.implausible,
            partial=self._weighed.usage is not None and not self.complete(),
        )
        return Reading(
            usage=self._weighed.usage,
            response_model=self._model,
            response_id=self._id,
            service_tier=self._tier,
            output_bytes=self._bytes,
            flags=flags,
        )

    def complete(self) -> bool:
        """Say whether the answer may end here: [DONE] or an error was seen, or the usage of a finished answer."""
        return self._done or self._error or (self._finished and self._weighed.usage is not None)

    def priced(self, event: bytes, cost: NanoUsd) -> bytes:
        """Give the chunk with `usage.cost`."""
        return with_cost(event, ("usage",), cost)

    def _answer(self, data: bytes) -> _Answer:
        """Decode and count the text; what has another shape is read loosely."""
        try:
            answer = _answer.decode(data)
        except UNREADABLE:
            return self._loosely(data)
        if self._id is None:
            self._id = answer.id
        if answer.model is not None:
            self._model = answer.model
        if answer.service_tier is not None:
            self._tier = answer.service_tier
        if answer.choices is not None:
            for choice in answer.choices:
                if choice.finish_reason is not None:
                    self._finished = True
                words = choice.delta
                if words is not None and words.content and words.tool_calls is None and words.content.isascii():
                    self._bytes += len(words.content)
                else:
                    self._bytes += _choice_bytes(choice)
        return answer

    def _beside_choices(self, choices: list[_Choice]) -> Step:
        """Look for usage inside a choice, where Moonshot puts it (its API reference, read 2026-11-23)."""
        if choices and choices[0].usage is not None:
            return self._used(choices[0].usage, alone=False)
        return Step.CONTENT

    def _used(self, usage: object, *, alone: bool) -> Step:
        """Take in usage; `alone` when the chunk has no choices, that is, when it was sent for the usage only."""
        self._weighed = usage_of(counts_of(usage))
        self._finished = self._finished or alone
        return Step.HIDDEN if alone and not self._wants_usage else Step.USAGE

    def _loosely(self, data: bytes) -> _Answer:
        """Read an answer in a shape of its own; raises Malformed when it is not JSON."""
        loose = decoded_loosely(_loose, data)
        if loose is None:
            return _Answer()
        self._id = self._id or text_or_none(loose.id)
        self._model = text_or_none(loose.model) or self._model
        self._tier = text_or_none(loose.service_tier) or self._tier
        if isinstance(loose.choices, list):
            self._bytes += sum(_loose_choice_bytes(choice) for choice in loose.choices)
        return _Answer(
            choices=[] if loose.choices == [] else None,
            usage=loose.usage if is_there(loose.usage) else None,
            error=loose.error if is_there(loose.error) else None,
        )


def _usage_anywhere(answer: _Answer) -> object:
    """Give the usage, also where Groq puts it in a stream (its API reference, read 2026-11-23)."""
    if answer.usage is None and answer.x_groq is not None:
        return answer.x_groq.usage
    if answer.usage is None and answer.choices:
        return answer.choices[0].usage
    return answer.usage


def _choice_bytes(choice: _Choice) -> int:
    """Give the bytes of text in one choice."""
    words = choice.delta or choice.message
    if words is None:
        return text_bytes(choice.text)
    found = text_bytes(words.content)
    if words.tool_calls is not None:
        for call in words.tool_calls:
            found += text_bytes(call.function.arguments) if call.function is not None else 0
    if words.reasoning_content is not None or words.reasoning is not None:
        # Some servers send the same reasoning under both names.
        found += max(text_bytes(words.reasoning_content), text_bytes(words.reasoning))
    return found + text_bytes(words.refusal)


def _loose_choice_bytes(choice: object) -> int:
    """Give the bytes of all strings in what a choice says."""
    if not isinstance(choice, dict):
        return 0
    return sum(loose_text_bytes(choice.get(name)) for name in ("delta", "message", "text"))
