"""What one answer used, in the words of OpenTelemetry, and the disjoint buckets money is made from."""

from dataclasses import dataclass
from typing import Literal

Meter = Literal[
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "cache_write_12h",
    "output",
    "reasoning",
    "input_audio",
    "cache_read_audio",
    "output_audio",
    "input_image",
    "output_image",
    "web_search",
    "request",
]
"""`cache_write` is the provider's default lifetime: 5 minutes at Anthropic, 30 at OpenAI."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token and tool counts of one answer; `input_tokens` includes cached, `output_tokens` reasoning.

    Names follow the OpenTelemetry GenAI conventions (gen_ai.usage.*). Parts are never larger than
    their whole: birth asserts it, so a reader clamps what a provider misstates and flags it.
    """

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

    def __post_init__(self) -> None:
        """Refuse a count below zero and a part larger than its whole."""
        assert self.cache_creation_1h_input_tokens >= 0
        assert self.cache_creation_12h_input_tokens >= 0
        assert self.cache_write_default >= 0
        assert 0 <= self.cache_read_audio_tokens <= self.input_audio_tokens
        assert self.cache_read_audio_tokens <= self.cache_read_input_tokens
        assert min(self.cache_read_input_tokens, self.input_image_tokens, self.web_search_requests) >= 0
        assert min(self.reasoning_output_tokens, self.output_audio_tokens, self.output_image_tokens) >= 0
        assert self.input_plain >= 0
        assert self.output_plain >= 0

    @property
    def cache_write_default(self) -> int:
        """Tokens written to the cache at the provider's default lifetime."""
        return (
            self.cache_creation_input_tokens
            - self.cache_creation_1h_input_tokens
            - self.cache_creation_12h_input_tokens
        )

    @property
    def input_plain(self) -> int:
        """Input that is neither cached nor written to the cache nor audio nor image."""
        return (
            self.input_tokens
            - self.cache_read_input_tokens
            - self.cache_creation_input_tokens
            - (self.input_audio_tokens - self.cache_read_audio_tokens)
            - self.input_image_tokens
        )

    @property
    def output_plain(self) -> int:
        """Output that is neither reasoning nor audio nor image."""
        return self.output_tokens - self.reasoning_output_tokens - self.output_audio_tokens - self.output_image_tokens

    def buckets(self) -> tuple[tuple[Meter, int], ...]:
        """Give the non-empty disjoint buckets; those counted in tokens sum to input plus output."""
        every: tuple[tuple[Meter, int], ...] = (
            ("input", self.input_plain),
            ("cache_read", self.cache_read_input_tokens - self.cache_read_audio_tokens),
            ("cache_read_audio", self.cache_read_audio_tokens),
            ("cache_write", self.cache_write_default),
            ("cache_write_1h", self.cache_creation_1h_input_tokens),
            ("cache_write_12h", self.cache_creation_12h_input_tokens),
            ("input_audio", self.input_audio_tokens - self.cache_read_audio_tokens),
            ("input_image", self.input_image_tokens),
            ("output", self.output_plain),
            ("reasoning", self.reasoning_output_tokens),
            ("output_audio", self.output_audio_tokens),
            ("output_image", self.output_image_tokens),
            ("web_search", self.web_search_requests),
        )
        return tuple(bucket for bucket in every if bucket[1])
