"""The mock provider's own bill: what it charges, by arithmetic that shares nothing with the gateway's."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor

RATES_DEFAULT = {
    "*": {
        "input": 2_500_000_000,
        "cache_read": 1_250_000_000,
        "cache_write": 3_125_000_000,
        "output": 10_000_000_000,
    }
}
"""Nano-dollars for each million tokens, by model; `*` is every other model."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one answer; `input` includes cached and cache-written ones, `output` includes reasoning."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int

    def __post_init__(self) -> None:
        """Refuse parts that are larger than their whole."""
        assert min(self.cached, self.cache_write, self.reasoning) >= 0
        assert self.cached + self.cache_write <= self.input
        assert self.reasoning <= self.output

    def after(self, sent: int, pieces: int) -> "Tokens":
        """Give what had been generated when `sent` of `pieces` were out; the input is charged in full."""
        output = self.output * sent // pieces if pieces else 0
        return Tokens(self.input, self.cached, self.cache_write, output, min(self.reasoning, output))


NOTHING = Tokens(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """One request the provider served and what it charges for it.

    `usage_sent` says that the usage frame was handed to an open connection, not that it arrived.
    `request_id` is the `x-request-id` header as received: the key that joins bill and ledger.
    """

    number: int
    request_id: str | None
    mock_id: str | None
    response_id: str
    dialect: str
    model: str
    streamed: bool
    status: int
    outcome: str
    usage_sent: bool
    tokens: Tokens


class Bill:
    """Rows in memory, each also appended to a file before the answer's last bytes are sent."""

    def __init__(self, rates: Mapping[str, Mapping[str, int]], path: str | None, *, kept: bool = True) -> None:
        self.rows: list[str] = []
        self.kept = kept
        self.count = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if path else None
        self._rates = {model: tuple(sorted(of.items())) for model, of in rates.items()}

    def add(self, row: Row) -> None:
        """Book `row` with its price; it is in the file when this returns."""
        self.count += 1
        if not self.kept:
            return
        rates = self._rates.get(row.model) or self._rates.get("*")
        text = _written(row, None if rates is None else charge(row.tokens, rates))
        if self._file is not None:
            os.write(self._file, text.encode() + b"\n")
        self.rows.append(text)

    def as_json(self) -> bytes:
        """Write all rows as one JSON array."""
        return ("[" + ",\n".join(self.rows) + "]").encode()

    def clear(self) -> None:
        """Forget the rows in memory; the file keeps them."""
        self.rows.clear()
        self.count = 0


@lru_cache(maxsize=4096)
def charge(tokens: Tokens, rates: tuple[tuple[str, int], ...]) -> int:
    """Price `tokens` in nano-dollars: each line as an exact fraction, rounded half up, then summed."""
    rate = dict(rates)
    lines = (
        (tokens.input - tokens.cached - tokens.cache_write, rate["input"]),
        (tokens.cached, rate.get("cache_read", rate["input"])),
        (tokens.cache_write, rate.get("cache_write", rate["input"])),
        (tokens.output - tokens.reasoning, rate["output"]),
        (tokens.reasoning, rate.get("reasoning", rate["output"])),
    )
    return sum(
        floor(Fraction(count) * Fraction(per_million, 1_000_000) + Fraction(1, 2)) for count, per_million in lines
    )


def _written(row: Row, nano_usd: int | None) -> str:
    return json.dumps(
        {
            "number": row.number,
            "request_id": row.request_id,
            "mock_id": row.mock_id,
            "response_id": row.response_id,
            "dialect": row.dialect,
            "model": row.model,
            "streamed": row.streamed,
            "status": row.status,
            "outcome": row.outcome,
            "usage_sent": row.usage_sent,
            "input_tokens": row.tokens.input,
            "cached_tokens": row.tokens.cached,
            "cache_write_tokens": row.tokens.cache_write,
            "output_tokens": row.tokens.output,
            "reasoning_tokens": row.tokens.reasoning,
            "nano_usd": nano_usd,
        },
        separators=(",", ":"),
    )
