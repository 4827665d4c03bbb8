"""What a dialect must be able to do for the echo: read a request, and say an answer whole, in frames, or a fault."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.echo.answer import Answer
from gateway.echo.ask import Ask

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Speech:
    """One operation of one dialect. `read` takes the parsed body and the path's model and raises BadAsk."""

    read: Callable[[Tree, str | None], Ask]
    whole: Callable[[Answer], Tree]
    frames: Callable[[Answer], list[bytes]]
    error: Callable[[int, str], Tree]


def data(value: object) -> bytes:
    """Write one server-sent event without a name."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def named(value: Tree) -> bytes:
    """Write one server-sent event named as its type."""
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
