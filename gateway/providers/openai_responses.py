"""Answers of the Responses API: named events, the last of which repeats the whole answer with its usage.

Events and objects: platform.openai.com/docs/api-reference/responses-streaming, read 2026-11-23.
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
from gateway.providers.counts import Weighed, counts_of
from gateway.providers.openai_usage import usage_of
from gateway.providers.provider import Reading
from gateway.providers.stream import Step
from policies.money import NanoUsd

_LAST = frozenset(("response.completed", "response.incomplete", "response.failed"))


class _Action(msgspec.Struct, gc=False):
    type: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str | None = None
    action: _Action | None = None
    arguments: object = None
    content: object = None
    summary: object = None


class _Response(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    output: list[_Item] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    delta: str | None = None
    item: _Item | None = None
    response: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Loose(msgspec.Struct, gc=False):
    type: object = None
    delta: object = None
    response: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _LooseResponse(msgspec.Struct, gc=False):
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_event = msgspec.json.Decoder(_Event)
_loose = msgspec.json.Decoder(_Loose)
_response = msgspec.json.Decoder(_Response)
_loose_response = msgspec.json.Decoder(_LooseResponse)


class ResponsesReader:
    """Reads events and whole responses."""

    def __init__(self) -> None:
        """Start before the first event."""
        self._said = _Response()
        self._searches = 0
        self._weighed = Weighed(None)
        self._error = False
        self._done = False
        self._bytes = 0

    def take(self, data: bytes) -> Step:
        """Read one event."""
        if data.strip() == b"[DONE]":
            return Step.LAST
        event = self._decoded(data)
        kind = event.type
        if event.delta is not None and kind != "response.audio.delta":
            self._bytes += text_bytes(event.delta)
            return Step.CONTENT
        if event.item is not None and kind == "response.output_item.done":
            self._searches += _is_search(event.item)
        if kind == "error" or (kind is None and is_there(event.error)):
            self._error = self._done = True
            return Step.LAST
        if event.response:
            self._respond(event.response, last=kind in _LAST)
        if kind not in _LAST:
            return Step.CONTENT
        self._done = True
        return Step.FINAL

    def whole(self, body: bytes) -> Reading | None:
        """Read a whole response."""
        try:
            self._respond(msgspec.Raw(body), last=True)
        except Malformed:
            return None
        self._bytes = sum(
            loose_text_bytes(part)
            for item in self._said.output or ()
            for part in (item.arguments, item.content, item.summary)
        )
        return self.reading()

    def reading(self) -> Reading:
        """Give what is known now."""
        said = self._said
        flags = flags_of(error_in_body=self._error, implausible=self._weighed.implausible)
        return Reading(
            usage=self._weighed.usage,
            response_model=said.model,
            response_id=said.id,
            service_tier=said.service_tier,
            output_bytes=self._bytes,
            flags=flags,
        )

    def complete(self) -> bool:
        """Say whether the answer may end here: its last event was seen."""
        return self._done

    def priced(self, event: bytes, cost: NanoUsd) -> bytes:
        """Give the last event with `response.usage.cost`."""
        return with_cost(event, ("response", "usage"), cost)

    def _respond(self, raw: msgspec.Raw, *, last: bool) -> None:
        """Read a response object; the last one carries the usage and all items."""
        said = decoded_loosely(_response, raw) or _loosely(raw)
        self._said = _Response(
            said.id or self._said.id, said.model or self._said.model, said.service_tier or self._said.service_tier,
            said.output,
        )  # fmt: skip
        if not last:
            return
        if said.output:
            self._searches = sum(_is_search(item) for item in said.output)
        self._error = is_there(said.error)
        self._weighed = usage_of(counts_of(said.usage), searches=self._searches)

    def _decoded(self, data: bytes) -> _Event:
        """Decode an event; what has another shape is read loosely."""
        try:
            return _event.decode(data)
        except UNREADABLE:
            pass
        loose = decoded_loosely(_loose, data)
        if loose is None:
            return _Event()
        self._bytes += loose_text_bytes(loose.delta)
        return _Event(text_or_none(loose.type), None, None, loose.response, loose.error)


def _loosely(raw: msgspec.Raw) -> _Response:
    """Read the usage of a response whose other fields have another shape."""
    loose = decoded_loosely(_loose_response, raw)
    return _Response() if loose is None else _Response(usage=loose.usage, error=loose.error)


def _is_search(item: _Item) -> bool:
    """Say whether an item is a search that is billed: opening and reading a found page are not.

    Source: platform.openai.com/docs/guides/tools-web-search, "search actions incur a tool call cost", read 2026-11-23.
    """
    if item.type != "web_search_call":
        return False
    return item.action is None or item.action.type in {None, "search"}
