"""Answers of Anthropic's messages and count_tokens: named events, usage in the first and again before the last.

Events: platform.claude.com/docs/en/build-with-claude/streaming, read 2026-11-23.
"""

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
from gateway.providers.anthropic_usage import MessageUsage, usage_of
from gateway.providers.counts import Counts, Weighed, counts_of
from gateway.providers.provider import Reading
from gateway.providers.stream import Step
from policies.money import NanoUsd
from policies.usage import Usage


class _Delta(msgspec.Struct, gc=False):
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None


class _Block(msgspec.Struct, gc=False):
    text: str | None = None
    thinking: str | None = None
    input: object = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    type: str | None = None
    content: list[_Block] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    input_tokens: msgspec.Raw = msgspec.Raw()


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    delta: _Delta | None = None
    message: _Message | None = None
    usage: msgspec.Raw = msgspec.Raw()


class _Loose(msgspec.Struct, gc=False):
    """The same event or message where a server's shapes are its own."""

    type: object = None
    id: object = None
    model: object = None
    delta: object = None
    content: object = None
    message: msgspec.Raw = msgspec.Raw()
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_event = msgspec.json.Decoder(_Event)
_message = msgspec.json.Decoder(_Message)
_loose = msgspec.json.Decoder(_Loose)


class MessagesReader:
    """Reads events and whole messages."""

    def __init__(self, *, counts_tokens: bool = False) -> None:
        """Start before the first event; `counts_tokens` when the answer is a free count, not a message."""
        self._counts_tokens = counts_tokens
        self._model: str | None = None
        self._id: str | None = None
        self._counts: Counts | None = None
        self._error = False
        self._done = False
        self._final = counts_tokens
        self._bytes = 0

    def take(self, data: bytes) -> Step:
        """Read one event."""
        try:
            event = _event.decode(data)
        except UNREADABLE:
            event = self._loosely(data)
        if event.delta is not None:
            delta = event.delta
            self._bytes += text_bytes(delta.text or delta.partial_json or delta.thinking)
        match event.type:
            case "content_block_delta":
                return Step.CONTENT
            case "message_delta" if event.usage:
                self._add(event.usage)
                self._final = True
                return Step.USAGE
            case "message_start" if event.message is not None:
                self._id, self._model = event.message.id, event.message.model
                self._add(event.message.usage)
            case "message_stop":
                self._done = True
                return Step.LAST
            case "error":
                self._error = self._done = True
                return Step.LAST
            case "ping":
                return Step.ASIDE
        return Step.CONTENT

    def whole(self, body: bytes) -> Reading | None:
        """Read a whole message."""
        try:
            message = _message.decode(body)
        except UNREADABLE:
            try:
                message = self._loose_message(body)
            except Malformed:
                return None
        self._id, self._model = message.id, message.model
        self._error = message.type == "error" or is_there(message.error)
        for block in message.content or ():
            self._bytes += text_bytes(block.text) + text_bytes(block.thinking) + loose_text_bytes(block.input)
        self._add(message.usage)
        self._final = True
        return self.reading()

    def reading(self) -> Reading:
        """Give what is known now."""
        used = usage_of(self._counts, self._model)
        if self._counts_tokens and not self._error:
            used = MessageUsage(Weighed(Usage()))
        flags = flags_of(
            error_in_body=self._error,
            implausible=used.main.implausible,
            partial=used.main.usage is not None and not self._final,
        )
        return Reading(
            usage=used.main.usage,
            response_model=self._model,
            response_id=self._id,
            service_tier=_tier(self._counts),
            further=used.further,
            output_bytes=self._bytes,
            flags=flags,
        )

    def complete(self) -> bool:
        """Say whether the answer may end here: message_stop or an error was seen."""
        return self._done

    def priced(self, event: bytes, cost: NanoUsd) -> bytes:
        """Give the message_delta with `usage.cost`."""
        return with_cost(event, ("usage",), cost)

    def _add(self, raw: msgspec.Raw) -> None:
        """Lay a later report over the earlier ones: each field's last word counts."""
        later = counts_of(raw)
        if later is not None:
            self._counts = later if self._counts is None else self._counts.joined(later)

    def _loosely(self, data: bytes) -> _Event:
        """Read an event in a shape of its own; raises Malformed when it is not JSON."""
        loose = decoded_loosely(_loose, data)
        if loose is None:
            return _Event()
        self._bytes += loose_text_bytes(loose.delta)
        message = None if not is_there(loose.message) else self._loose_message(bytes(loose.message))
        return _Event(text_or_none(loose.type), None, message, loose.usage)

    def _loose_message(self, body: bytes) -> _Message:
        """Read a message in a shape of its own; raises Malformed when it is not JSON."""
        loose = decoded_loosely(_loose, body)
        if loose is None:
            return _Message()
        self._bytes += loose_text_bytes(loose.content)
        return _Message(
            text_or_none(loose.id),
            text_or_none(loose.model),
            text_or_none(loose.type),
            usage=loose.usage,
            error=loose.error,
        )


def _tier(counts: Counts | None) -> str | None:
    """Give the tier the answer was served on; fast mode is a tier of its own."""
    if counts is None:
        return None
    return "fast" if counts.text("speed") == "fast" else counts.text("service_tier")
