"""What the answers of every dialect have in common: their text is counted, their cost is written in."""

from typing import TypeVar

import msgspec

from gateway.providers.body import NULL
from gateway.providers.sse import data_of, with_data
from policies.money import NanoUsd, to_usd

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON, or JSON of another shape."""

Shape = TypeVar("Shape")


class Malformed(Exception):
    """What should be JSON is not."""


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder(msgspec.Raw)


def decoded_loosely(decoder: msgspec.json.Decoder[Shape], data: bytes | msgspec.Raw) -> Shape | None:
    """Decode; None for JSON of another shape. Raises Malformed when it is not JSON at all.

    Bytes that are not UTF-8 count only where text is read: a stream's reader replaces them.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        pass
    except UNREADABLE as error:
        raise Malformed from error
    try:
        # The first thing of another shape ended the decoding: what follows it is still unread.
        _anything.decode(data)
    except UNREADABLE as error:
        raise Malformed from error
    return None


def text_bytes(text: str | None) -> int:
    """Give the length of a text in UTF-8; a text cut inside a surrogate pair is still counted."""
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def loose_text_bytes(value: object) -> int:
    """Give the length of all strings inside decoded JSON of any shape."""
    if isinstance(value, str):
        return text_bytes(value)
    if isinstance(value, dict):
        return sum(loose_text_bytes(member) for member in value.values())
    if isinstance(value, list):
        return sum(loose_text_bytes(member) for member in value)
    return 0


def text_or_none(value: object) -> str | None:
    """Give a string as it is; anything else is none."""
    return value if isinstance(value, str) else None


def is_there(raw: msgspec.Raw) -> bool:
    """Say whether a field was given and is not null."""
    return bool(raw) and raw != NULL


def flags_of(**facts: bool) -> tuple[str, ...]:
    """Give the names of the facts that hold."""
    return tuple(name for name, holds in facts.items() if holds)


def with_cost(event: bytes, path: tuple[str, ...], cost: NanoUsd) -> bytes:
    """Give the event with `cost`, in dollars, in the object at `path`; as it was when there is no such object."""
    data = data_of(event)
    assert data is not None
    try:
        priced = _priced(msgspec.Raw(data), path, cost)
    except UNREADABLE:
        return event
    return with_data(event, bytes(priced)) if priced is not None else event


def _priced(raw: msgspec.Raw, path: tuple[str, ...], cost: NanoUsd) -> msgspec.Raw | None:
    """Write the cost into the innermost object; None when the path ends early."""
    fields = _fields.decode(raw)
    if not path:
        fields["cost"] = msgspec.Raw(to_usd(cost).encode())
    else:
        inner = fields.get(path[0])
        priced = None if inner is None or inner == NULL else _priced(inner, path[1:], cost)
        if priced is None:
            return None
        fields[path[0]] = priced
    return msgspec.Raw(b"".join((b"{", b",".join(_pairs(fields)), b"}")))


def _pairs(fields: dict[str, msgspec.Raw]) -> list[bytes]:
    """Write fields; a line end between tokens would end the event's data line, so it becomes a space."""
    return [
        msgspec.json.encode(name) + b":" + bytes(raw).replace(b"\r", b" ").replace(b"\n", b" ")
        for name, raw in fields.items()
    ]
