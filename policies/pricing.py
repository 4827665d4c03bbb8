"""Usage times a dated price gives charge lines; what has no rate is unpriced, never free."""

from dataclasses import dataclass
from typing import Literal, get_args

from policies.money import NanoUsd, priced
from policies.usage import Meter, Usage

Tier = Literal["standard", "batch", "flex", "priority", "fast"]
TIERS: tuple[str, ...] = get_args(Tier)

STANDS_IN: dict[Meter, Meter] = {
    "reasoning": "output",
    "output_audio": "output",
    "output_image": "output",
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "cache_write_12h": "cache_write",
    "input_audio": "input",
    "cache_read_audio": "cache_read",
    "input_image": "input",
}
"""The rate a bucket takes when its own is not listed: providers bill what they do not single out as its whole."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Nano-dollars for each `per` units of one meter, from `above_input_tokens` of prompt upward."""

    meter: Meter
    rate: NanoUsd
    per: int = 1_000_000
    tier: Tier = "standard"
    above_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs at one provider from a date on; `version` names the row for ever."""

    provider_name: str
    model: str
    version: str
    source: str
    effective_from: str
    rates: tuple[Rate, ...]
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a bill: a quantity of one meter at one rate."""

    sku_meter: Meter
    consumed_quantity: int
    rate: NanoUsd
    per: int
    tier: Tier
    billed_cost: NanoUsd


@dataclass(frozen=True, slots=True)
class Unpriced:
    """No rate is known for these meters; the money is unknown, not zero."""

    meters: tuple[Meter, ...]


def charge(usage: Usage, price: Price, tier: Tier = "standard") -> tuple[Charge, ...] | Unpriced:
    """Price every bucket of `usage`; a prompt past a threshold is re-priced as a whole.

    The threshold compares `input_tokens`, cached tokens included, as the providers' pages say.
    """
    lines: list[Charge] = []
    missing: list[Meter] = []
    for meter, quantity in usage.buckets():
        rate = rate_for(price, meter, tier, usage.input_tokens)
        if rate is None:
            missing.append(meter)
            continue
        cost = priced(quantity, rate.rate, rate.per)
        lines.append(Charge(meter, quantity, rate.rate, rate.per, rate.tier, cost))
    return Unpriced(tuple(missing)) if missing else tuple(lines)


def total(charges: tuple[Charge, ...]) -> NanoUsd:
    """Sum charge lines."""
    return NanoUsd(sum(line.billed_cost for line in charges))


def rate_for(price: Price, meter: Meter, tier: Tier, input_tokens: int) -> Rate | None:
    """Find the rate that applies: own tier before standard, then the meter that stands in for this one."""
    wanted: Meter | None = meter
    while wanted is not None:
        for name in (tier, "standard") if tier != "standard" else ("standard",):
            best = _highest_band(price, wanted, name, input_tokens)
            if best is not None:
                return best
        wanted = STANDS_IN.get(wanted)
    return None


def _highest_band(price: Price, meter: Meter, tier: str, input_tokens: int) -> Rate | None:
    """Pick the rate with the highest threshold that `input_tokens` is above."""
    best: Rate | None = None
    for rate in price.rates:
        applies = rate.meter == meter and rate.tier == tier
        if applies and (rate.above_input_tokens == 0 or input_tokens > rate.above_input_tokens):
            if best is None or rate.above_input_tokens > best.above_input_tokens:
                best = rate
    return best
