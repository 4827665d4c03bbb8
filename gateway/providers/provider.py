"""The port of a dialect: what was asked, what to send upstream, what came back and what it used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from policies.money import NanoUsd
from policies.usage import Usage

DialectName = Literal["openai", "anthropic", "gemini"]
Operation = Literal["chat", "responses", "text_completion", "embeddings", "generate_content", "count_tokens", "models"]
Ending = Literal["complete", "truncated", "malformed", "too_large"]


class Asked(msgspec.Struct, frozen=True):
    """One request as policy reads it and as the provider will: `body` is re-encoded from what was read.

    It and `Reading` are made for each call: as structs in a tenth of a dataclass's time.
    """

    dialect: DialectName
    operation: Operation
    model: str
    body: Mapping[str, msgspec.Raw]
    streamed: bool = False
    wants_usage: bool = True
    max_output_tokens: int | None = None
    choices: int = 1
    service_tier: str = "standard"
    metadata: Mapping[str, str] = {}
    user: str | None = None
    input_bytes: int = 0
    query: bytes = b""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is sent to one target: a path below its base URL, headers without secrets, a body.

    `path` starts with the dialect's own version ("/v1/", "/v1beta/") and ends with the query, if any;
    `address.joined` puts it behind a base URL that may name a version itself.
    """

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Reading(msgspec.Struct, frozen=True):
    """What the meter has read so far; `usage` None means that the provider has not said.

    `further` holds usage of other models inside the same answer, each priced by its own model.
    `output_bytes` counts the text bytes of the answer that have been seen, for estimates. `flags` are from
    "partial" (usage is what was said before the end, a lower bound), "implausible" (counts that could not be
    were left out or cut to fit) and "error_in_body" (the answer is an error under a good status).
    """

    usage: Usage | None
    response_model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    further: tuple[tuple[str, Usage], ...] = ()
    output_bytes: int = 0
    flags: tuple[str, ...] = ()


class Meter(Protocol):
    """Reads one answer as it passes. Whole answers and streams alike: pieces in, pieces out."""

    ended: bool
    """Nothing more is read: the answer's own end was seen, or a fault. What is held waits for `close`."""

    def feed(self, piece: bytes) -> bytes:
        """Take bytes from upstream; give the bytes the client may have now (whole events only).

        The event that carries the final usage, and all after it, are held back until `close`.
        Never raises for what a provider sends: a fault ends in `ending()`.
        """
        ...

    def finish(self) -> None:
        """Upstream has ended the message."""
        ...

    def reading(self) -> Reading:
        """Give what is known now."""
        ...

    def ending(self) -> Ending:
        """Say how the answer ended."""
        ...

    def close(self, cost: NanoUsd | None) -> bytes:
        """Give what was held back, with `usage.cost` (dollars, a JSON number) written in where a stream carries it."""
        ...


class Dialect(Protocol):
    """One provider dialect. Pure: no sockets, no clock, no secrets."""

    name: DialectName

    def read(self, operation: Operation, body: bytes, *, model: str | None, streamed: bool) -> Asked:
        """Parse a request once; `model` and `streamed` come from the path where the dialect has them there.

        Raises BadBody with one sentence that says what is wrong and where.
        """
        ...

    def outgoing(self, asked: Asked, model: str, headers: tuple[tuple[bytes, bytes], ...]) -> Outgoing:
        """Write the upstream request for `model`, with usage asked for and only allow-listed headers."""
        ...

    def secret_header(self, secret: str) -> tuple[bytes, bytes]:
        """Give the header that carries the provider's key."""
        ...

    def meter(self, asked: Asked) -> Meter:
        """Give a fresh meter for the answer to `asked`."""
        ...

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        """Write an error of ours in the dialect's own shape."""
        ...

    def error_event(self, code: str, message: str, request_id: str, *, operation: Operation = "chat") -> bytes:
        """Write an error of ours as the last event of a stream that is already under way."""
        ...
