"""Usages that ask for one meter alone, and what the book charges for them; used by the tests against both oracles."""

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from gateway.prices.book import read_book
from gateway.prices.disagreements import instants, read_disagreements
from gateway.prices.rates import sku_of
from policies.money import priced
from policies.pricing import Price, Tier, Unpriced, charge
from policies.usage import Meter, Usage

BOOK = read_book(None)
AS_OF = BOOK.snapshot.header.as_of
NOON, NIGHT, WEEKEND = instants(AS_OF)
UNITS = 1_000_000

PARTS: dict[Meter, tuple[str, ...]] = {
    "input": (),
    "cache_read": ("cache_read_input_tokens",),
    "cache_write": ("cache_creation_input_tokens",),
    "cache_write_1h": ("cache_creation_input_tokens", "cache_creation_1h_input_tokens"),
    "cache_write_12h": ("cache_creation_input_tokens", "cache_creation_12h_input_tokens"),
    "input_audio": ("input_audio_tokens",),
    "cache_read_audio": ("input_audio_tokens", "cache_read_input_tokens", "cache_read_audio_tokens"),
    "input_image": ("input_image_tokens",),
    "output": (),
    "reasoning": ("reasoning_output_tokens",),
    "output_audio": ("output_audio_tokens",),
    "output_image": ("output_image_tokens",),
}
OUTPUT = ("output", "reasoning", "output_audio", "output_image")

Case = tuple[str, str, str, str]
"""Provider, model, minute and sku: where the book and an oracle may differ."""


def prompts(thresholds: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Give the last prompt below the lowest threshold and the first above each, with the threshold it is above."""
    above = sorted(set(thresholds) - {0})
    return ((0, above[0] if above else UNITS), *((limit, limit + 1) for limit in above))


def alone(meter: Meter, prompt: int) -> Usage:
    """Give a usage whose prompt, or whose answer of a million tokens, is of one meter alone."""
    if meter == "web_search":
        return Usage(input_tokens=prompt, web_search_requests=1_000)
    if meter in OUTPUT:
        return Usage(input_tokens=prompt, output_tokens=UNITS, **dict.fromkeys(PARTS[meter], UNITS))
    return Usage(input_tokens=prompt, **dict.fromkeys(PARTS.get(meter, ()), prompt))


def ours(price: Price, meter: Meter, tier: Tier, prompt: int) -> int | None:
    """Give what the book charges for the line of one meter; None where it knows no rate."""
    usage = alone(meter, prompt)
    lines = charge(usage, price, tier)
    if not isinstance(lines, Unpriced):
        return next((line.billed_cost for line in lines if line.sku_meter == meter), None)
    # Another meter of the same usage has no rate; this one's line is made by hand.
    rate = price.applying(tier, prompt).rates[meter]
    return None if rate is None else priced(dict(usage.buckets()).get(meter, 1), rate.rate, rate.per)


def differ(one: int, other: Fraction) -> bool:
    """Say whether an exact amount of nano-dollars does not round to ours; a hair is left for binary fractions."""
    return abs(one - other) > Fraction(51, 100)


def case(price: Price, at: datetime, meter: Meter, tier: Tier, above: int, model: str) -> Case:
    return price.provider_name, model, at.strftime("%Y-%m-%dT%H:%MZ"), sku_of(meter, tier, above)


def listed(oracle: str) -> set[Case]:
    return {(one.provider_name, one.model, one.at, one.sku) for one in read_disagreements() if one.oracle == oracle}


def told(cases: set[Case]) -> str:
    return "\n".join(map(str, sorted(cases)[:40]))
