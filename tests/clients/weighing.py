"""What a call must cost, worked out from what the client was told and the price list, and not as the gateway does."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from gateway import clock
from gateway.prices.book import read_book
from policies.usage import Usage

Telling = Literal["openai", "responses", "anthropic", "gemini", "langchain", "ai_sdk"]
Counts = Mapping[str, int]
"""Disjoint counts of tokens by the words of the price list."""

NANO = 10**9


def counted(telling: Telling, usage: Mapping[str, Any]) -> Counts:
    """Give the disjoint counts in what a client says was used, in whichever words it says it."""
    match telling:
        case "openai":
            cached = _in(usage, "prompt_tokens_details", "cached_tokens")
            return _split(usage["prompt_tokens"], cached, usage.get("completion_tokens", 0))
        case "responses":
            cached = _in(usage, "input_tokens_details", "cached_tokens")
            return _split(usage["input_tokens"], cached, usage["output_tokens"])
        case "langchain":
            return _split(
                usage["input_tokens"], _in(usage, "input_token_details", "cache_read"), usage["output_tokens"]
            )
        case "ai_sdk":
            return _split(
                usage["inputTokens"], _in(usage, "inputTokenDetails", "cacheReadTokens"), usage["outputTokens"]
            )
        case "gemini":
            made = (usage.get("candidates_token_count") or 0) + (usage.get("thoughts_token_count") or 0)
            return _split(usage["prompt_token_count"], usage.get("cached_content_token_count") or 0, made)
        case "anthropic":
            hour = _in(usage, "cache_creation", "ephemeral_1h_input_tokens")
            return {
                "input": usage["input_tokens"],
                "cache_read": usage.get("cache_read_input_tokens") or 0,
                "cache_write": (usage.get("cache_creation_input_tokens") or 0) - hour,
                "cache_write_1h": hour,
                "output": usage["output_tokens"],
            }


def booked(usage: Usage | None) -> Counts:
    """Give the disjoint counts of a call in the ledger."""
    assert usage is not None
    hour = usage.cache_creation_1h_input_tokens
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    return without_zeros(
        {
            "input": usage.input_tokens - read - written,
            "cache_read": read,
            "cache_write": written - hour,
            "cache_write_1h": hour,
            "output": usage.output_tokens,
        }
    )


def without_zeros(counts: Counts) -> Counts:
    """Give the counts that say something."""
    return {name: count for name, count in counts.items() if count}


def owed(counts: Counts, provider: str, model: str, overrides: Path | None = None) -> Fraction:
    """Give what these tokens cost in dollars by the list, each kind rounded to whole nano-dollars as bills are."""
    price = read_book(overrides).find(provider, model, clock.now())
    assert price is not None, f"{provider} {model} has no price"
    prompt = sum(count for name, count in counts.items() if name != "output")
    assert all(rate.above_input_tokens == 0 or rate.above_input_tokens > prompt for rate in price.rates), "long prompt"
    rates: dict[str, Fraction] = {
        rate.meter: Fraction(rate.rate, rate.per)
        for rate in price.rates
        if rate.tier == "standard" and rate.above_input_tokens == 0
    }
    return Fraction(sum(_half_up(count * rates[name]) for name, count in counts.items() if count), NANO)


def dollars(nano: int | None) -> Fraction:
    """Give what a call cost, by the ledger."""
    assert nano is not None
    return Fraction(nano, NANO)


def _split(given: int, cached: int, made: int) -> Counts:
    return {"input": given - cached, "cache_read": cached, "output": made}


def _in(usage: Mapping[str, Any], inner: str, name: str) -> int:
    return (usage.get(inner) or {}).get(name) or 0


def _half_up(amount: Fraction) -> int:
    return int(amount + Fraction(1, 2))
