"""What the echo answers and what it counts; every count follows from the request and from what came before it.

A token is four bytes, rounded up: of the prompt's JSON (tools, system, messages) for input, of the text for
output. Of a prompt, blocks of 1,024 tokens that began an earlier prompt to the same model are read from the
cache; in the Anthropic dialect only where the request marks something for it, and what is new is then written.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from gateway.echo.ask import Ask, ToolCall, bounded
from policies.usage import Usage

BYTES_PER_TOKEN = 4
BLOCK_TOKENS = 1_024
"""OpenAI caches from 1,024 tokens upward, in steps; so do we."""

BLOCKS_MAX = 65_536
"""Prompt blocks remembered, 100 bytes each; the one not seen for longest is forgotten."""

PIECES_MAX = 64
PIECE_CHARACTERS = 12
REASONING = "Something was said to me. The plainest good answer is to say it back."

Finish = Literal["stop", "length", "tool"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any dialect. `pieces` is the text as it is streamed; `usage` None where none is told."""

    id: str
    model: str
    created: int
    pieces: tuple[str, ...]
    finish: Finish
    usage: Usage | None
    reasoning: str = ""
    tool: ToolCall | None = None
    wants_usage: bool = True
    output_tokens_max: int | None = None

    @property
    def text(self) -> str:
        """Give the whole text."""
        return "".join(self.pieces)


class PromptCache:
    """Remembers how prompts began, so that a repeated beginning is a cache read as it is at a provider."""

    def __init__(self) -> None:
        """Start with nothing remembered."""
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    def read(self, model: str, prompt: bytes) -> tuple[int, int]:
        """Give the tokens of whole blocks seen before and of whole blocks new now; remembers them all."""
        size = BLOCK_TOKENS * BYTES_PER_TOKEN
        digest, known, total = hashlib.sha256(model.encode()).digest(), 0, len(prompt) // size
        for index in range(total):
            digest = hashlib.sha256(digest + prompt[index * size : (index + 1) * size]).digest()
            if digest in self._blocks and known == index:
                known += 1
            self._blocks[digest] = None
            self._blocks.move_to_end(digest)
        while len(self._blocks) > BLOCKS_MAX:
            self._blocks.popitem(last=False)
        return known * BLOCK_TOKENS, (total - known) * BLOCK_TOKENS


def answered(ask: Ask, cache: PromptCache, *, id: str, created: int, slowly: bool = False) -> Answer:
    """Give the answer to `ask`: what was said, said back, or the tool call it asked for."""
    limit = ask.output_tokens_max
    reasoning = _cut(REASONING, limit) if ask.reasons else ""
    left = None if limit is None else max(limit - tokens(reasoning), 0)
    text = "" if ask.tool else _cut(bounded(ask.said), left)
    finish: Finish = "tool" if ask.tool else "stop" if text == bounded(ask.said) else "length"
    output = tokens(text) + (tokens(ask.tool.name) + tokens(ask.tool.arguments) if ask.tool else 0)
    return Answer(
        id=id,
        model=ask.model,
        created=created,
        pieces=_pieces(text, 1 if slowly else PIECE_CHARACTERS),
        finish=finish,
        usage=_usage(ask, cache, output, tokens(reasoning)),
        reasoning=reasoning,
        tool=ask.tool,
        wants_usage=ask.wants_usage,
        output_tokens_max=limit,
    )


def tokens(text: str | bytes) -> int:
    """Count tokens: four bytes each, rounded up."""
    size = len(text if isinstance(text, bytes) else text.encode())
    return -(-size // BYTES_PER_TOKEN)


def _usage(ask: Ask, cache: PromptCache, output: int, reasoning: int) -> Usage:
    """Count what was read, cached, said and thought."""
    count = tokens(ask.prompt)
    known, new = cache.read(ask.model, ask.prompt)
    if ask.model == "echo-cached":
        known, new = count // 2, 0
    written = new if ask.marks_cache else 0
    return Usage(
        input_tokens=count,
        output_tokens=output + reasoning,
        cache_read_input_tokens=known,
        cache_creation_input_tokens=written,
        cache_creation_1h_input_tokens=written if ask.cache_for_an_hour else 0,
        reasoning_output_tokens=reasoning,
    )


def _cut(text: str, limit: int | None) -> str:
    """Give the beginning of `text` that is at most `limit` tokens long."""
    if limit is None:
        return text
    return text.encode()[: limit * BYTES_PER_TOKEN].decode(errors="ignore")


def _pieces(text: str, least: int) -> tuple[str, ...]:
    """Cut `text` for streaming: pieces of a word or two, and not more of them than a short answer has."""
    size = max(least, -(-len(text) // PIECES_MAX))
    return tuple(text[at : at + size] for at in range(0, len(text), size))
