"""Reads a provider's counts without trust: what is no count is left out, what can't be is brought into bounds."""

from collections.abc import Mapping
from typing import Any

import msgspec

from policies.usage import Usage

COUNT_MAX = 10**9
"""A thousand times the largest context window; a larger count is an error of the provider's."""


class Counts:
    """A usage object as it came, and the objects inside it. Names of fields that can't be counts go to `faults`."""

    __slots__ = ("_fields", "faults")

    def __init__(self, fields: object, faults: list[str] | None = None) -> None:
        """Take decoded JSON; anything but an object has no counts."""
        self._fields: Mapping[str, Any] = fields if isinstance(fields, dict) else {}
        self.faults: list[str] = [] if faults is None else faults

    def known(self, *names: str) -> int | None:
        """Give the first of these counts that is there; None when none is, or it is no count."""
        for name in names:
            value = self._fields.get(name)
            if value is None:
                continue
            if type(value) is int and 0 <= value <= COUNT_MAX:
                return value
            self.faults.append(name)
            return None
        return None

    def count(self, *names: str) -> int:
        """Give the first of these counts that is there, or 0."""
        return (self.known(*names) or 0) if self._fields else 0

    def joined(self, later: "Counts") -> "Counts":
        """Give these counts with those of a later report over them: cumulative counts, field by field."""
        fresh = {name: value for name, value in later._fields.items() if value is not None}
        return Counts({**self._fields, **fresh}, self.faults + later.faults)

    def inside(self, name: str) -> "Counts":
        """Give the counts of an object inside this one; empty when it is not there."""
        return Counts(self._fields.get(name), self.faults)

    def __contains__(self, name: str) -> bool:
        """Say whether a field is there and not null."""
        return self._fields.get(name) is not None

    def text(self, name: str) -> str | None:
        """Give a field that is a string."""
        value = self._fields.get(name)
        return value if isinstance(value, str) else None

    def listed(self, name: str) -> list["Counts"]:
        """Give the members of a list."""
        value = self._fields.get(name)
        return [Counts(member, self.faults) for member in value] if isinstance(value, list) else []


def counts_of(given: object) -> Counts | None:
    """Read a usage object, decoded or not; None when there is none. What is no object has faults and no counts."""
    decoded = given
    if isinstance(given, msgspec.Raw):
        try:
            decoded = msgspec.json.decode(given) if given else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            decoded = ()
    if decoded is None:
        return None
    return Counts(decoded, None if isinstance(decoded, dict) else ["usage"])


class Weighed(msgspec.Struct, frozen=True):
    """Usage as far as it is known, and whether the provider's own numbers could not be so."""

    usage: Usage | None
    implausible: bool = False


class Claimed(msgspec.Struct, frozen=True):
    """What a provider claims was used, before it is held against itself. Fields as in Usage."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    cache_creation_12h_input_tokens: int = 0
    reasoning_output_tokens: int = 0
    input_audio_tokens: int = 0
    cache_read_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    web_search_requests: int = 0

    def weighed(self, faults: list[str]) -> Weighed:
        """Give usage whose parts fit their wholes; implausible when anything had to be cut or left out."""
        cached = min(self.cache_read_input_tokens, self.input_tokens)
        written = min(self.cache_creation_input_tokens, self.input_tokens - cached)
        written_12h = min(self.cache_creation_12h_input_tokens, written)
        written_1h = min(self.cache_creation_1h_input_tokens, written - written_12h)
        plain = self.input_tokens - cached - written
        cached_audio = min(self.cache_read_audio_tokens, cached)
        audio = min(max(self.input_audio_tokens - cached_audio, 0), plain)
        image = min(self.input_image_tokens, plain - audio)
        reasoning = min(self.reasoning_output_tokens, self.output_tokens)
        audio_out = min(self.output_audio_tokens, self.output_tokens - reasoning)
        image_out = min(self.output_image_tokens, self.output_tokens - reasoning - audio_out)
        usage = Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_input_tokens=cached,
            cache_creation_input_tokens=written,
            cache_creation_1h_input_tokens=written_1h,
            cache_creation_12h_input_tokens=written_12h,
            reasoning_output_tokens=reasoning,
            input_audio_tokens=audio + cached_audio,
            cache_read_audio_tokens=cached_audio,
            output_audio_tokens=audio_out,
            input_image_tokens=image,
            output_image_tokens=image_out,
            web_search_requests=self.web_search_requests,
        )
        return Weighed(usage, bool(faults) or self._was_cut(usage))

    def _was_cut(self, usage: Usage) -> bool:
        """Say whether the parts claimed did not fit; details of modality may overlap with cached ones."""
        return (
            usage.cache_read_input_tokens != self.cache_read_input_tokens
            or usage.cache_creation_input_tokens != self.cache_creation_input_tokens
            or usage.cache_creation_1h_input_tokens != self.cache_creation_1h_input_tokens
            or usage.cache_creation_12h_input_tokens != self.cache_creation_12h_input_tokens
            or usage.reasoning_output_tokens != self.reasoning_output_tokens
            or usage.output_audio_tokens != self.output_audio_tokens
            or usage.output_image_tokens != self.output_image_tokens
        )
