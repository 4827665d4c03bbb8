"""What one request asks of the mock provider: read from its body, or from a note inside the prompt."""

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from tests.fakes.provider_bill import Tokens

Dialect = Literal["openai", "anthropic", "gemini"]
Fault = Literal[
    "429",
    "500",
    "503",
    "529",
    "reset_before_head",
    "lost_answer",
    "reset_mid",
    "eof_mid",
    "stall",
    "no_usage",
    "malformed_frame",
    "eof_no_done",
    "slow",
]
STATUS_FAULTS = frozenset({"429", "500", "503", "529"})

_NOTE = re.compile(rb'\{\s*(?:\\?"|\\u0022)mock\\?"\s*:\s*(\{[^{}]*\})\s*\}')
_SLOW_CHUNK_MS = 50
_SLOW_FIRST_BYTE_MS = 500


@dataclass(frozen=True, slots=True)
class Spec:
    """How to answer. Tokens are what is charged; `chunks` pieces hold `text_bytes` of text in all.

    `after` is the number of pieces sent before a fault strikes; `times` how often it strikes
    for one `mock_id` before the answer is good (0: each time).
    """

    input: int = 250
    output: int = 200
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    chunks: int = 20
    text_bytes: int = 1024
    chunk_delay_ms: int = 0
    first_byte_ms: int = 0
    fault: Fault | None = None
    after: int | None = None
    times: int = 0

    def __post_init__(self) -> None:
        """Refuse what no provider could answer."""
        assert self.chunks >= 1
        assert self.fault is None or self.fault in get_args(Fault)

    @property
    def tokens(self) -> Tokens:
        """Give what the whole answer is charged for."""
        return Tokens(self.input, self.cached, self.cache_write, self.output, self.reasoning)

    @property
    def strikes_after(self) -> int:
        """Give the number of pieces that are sent before a fault strikes: half of them unless told."""
        return min(self.chunks, self.chunks // 2 if self.after is None else self.after)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, read: who speaks, which model, streamed or not, and how to answer."""

    dialect: Dialect
    model: str
    streamed: bool
    include_usage: bool
    mock_id: str | None
    spec: Spec


class _Options(msgspec.Struct):
    include_usage: bool = False


class _Generation(msgspec.Struct):
    max_output_tokens: int | None = msgspec.field(default=None, name="maxOutputTokens")


class _Body(msgspec.Struct):
    model: str | None = None
    stream: bool = False
    stream_options: _Options | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    generation: _Generation | None = msgspec.field(default=None, name="generationConfig")


_body = msgspec.json.Decoder(_Body)


def read(dialect: Dialect, model: str | None, body: bytes, *, streamed: bool | None = None) -> Asked:
    """Read `body`; `model` and `streamed` come from the path where the dialect has them there.

    Raises msgspec.DecodeError for a body that no provider would take, AssertionError for a note
    that makes no sense, ValueError for a request without a model.
    """
    said = _body.decode(body)
    model = model or said.model
    if not model:
        raise ValueError("the request names no model")
    spec, mock_id = _noted(body)
    bound = said.max_completion_tokens or said.max_tokens
    if bound is None and said.generation is not None:
        bound = said.generation.max_output_tokens
    if bound is not None and spec.output > bound:
        spec = replace(spec, output=bound, reasoning=min(spec.reasoning, bound))
    include_usage = dialect != "openai" or (said.stream_options is not None and said.stream_options.include_usage)
    return Asked(dialect, model, said.stream if streamed is None else streamed, include_usage, mock_id, spec)


def note(**fields: object) -> str:
    """Write the note for a prompt: `note(id="a1", out=30, fault="reset_mid")`."""
    return json.dumps({"mock": fields}, separators=(",", ":"))


def _noted(body: bytes) -> tuple[Spec, str | None]:
    if b"mock" not in body:
        return _DEFAULT, None
    found = _NOTE.findall(body)
    return _parsed(found[-1]) if found else (_DEFAULT, None)


@lru_cache(maxsize=1024)
def _parsed(escaped: bytes) -> tuple[Spec, str | None]:
    # The note is JSON inside a JSON string: undo the outer escapes by reading it as that string.
    text = escaped.decode() if b'\\"' not in escaped else json.loads(b'"' + escaped + b'"')
    said = json.loads(text)
    mock_id = said.pop("id", None)
    names = {"in": "input", "out": "output", "bytes": "text_bytes"}
    spec = Spec(**{names.get(name, name): value for name, value in said.items()})
    if spec.fault == "slow":
        spec = replace(
            spec,
            chunk_delay_ms=spec.chunk_delay_ms or _SLOW_CHUNK_MS,
            first_byte_ms=spec.first_byte_ms or _SLOW_FIRST_BYTE_MS,
        )
    return spec, None if mock_id is None else str(mock_id)


_DEFAULT = Spec()


class Faults:
    """Decides which fault strikes: the note's own, or one drawn by a seeded rate.

    The draw depends on seed, id and attempt only, so that it does not change with the order of arrival.
    """

    def __init__(self, seed: int, setting: Mapping[str, object] | None = None) -> None:
        self._seed = seed
        setting = setting or {}
        self._rate = float(str(setting.get("rate", 0)))
        kinds = setting.get("kinds", ["429", "500", "reset_mid"])
        assert isinstance(kinds, list)
        assert set(kinds) <= set(get_args(Fault)), kinds
        self._kinds: list[Fault] = kinds
        self._attempts: Counter[str] = Counter()

    def applied(self, asked: Asked, number: int) -> Spec:
        """Give the spec to answer `asked` by: its fault set, kept or removed."""
        spec = asked.spec
        if not self._rate and not spec.times:
            return spec
        name = asked.mock_id or str(number)
        self._attempts[name] += 1
        attempt = self._attempts[name]
        if spec.fault is not None:
            return spec if not spec.times or attempt <= spec.times else replace(spec, fault=None)
        draw = random.Random(f"{self._seed}/{name}/{attempt}")
        return replace(spec, fault=draw.choice(self._kinds)) if draw.random() < self._rate else spec
