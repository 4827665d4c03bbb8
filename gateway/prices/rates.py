"""One rate in the snapshot's spelling: "meter@tier>threshold", and whole nano-dollars for a stated number of units."""

import re
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import get_args

from policies.money import NANO, NanoUsd, to_usd
from policies.pricing import STANDS_IN, TIERS, Price, Rate, Tier, rate_for
from policies.usage import Meter

PER: Mapping[str, int] = {"web_search": 1_000, "request": 1_000}
"""Units a rate is for where it does not say; all others are tokens, by the million."""
PER_TOKENS = 1_000_000

PER_MAX = 10**15
"""A rate that is no whole number of nano-dollars for this many units is a slip of the pen, not a price."""

_DOUBLE = Context(prec=15)
"""A double carries 15 decimal digits; what a source writes past them is the dust of its own arithmetic."""

_SKU = re.compile(r"([a-z_0-9]+)(?:@([a-z]+))?(?:>([1-9][0-9]{0,11}))?")


def per_of(meter: Meter) -> int:
    """Give the units a rate of this meter is for unless it says otherwise."""
    return PER.get(meter, PER_TOKENS)


def exact(meter: Meter, dollars: Decimal, *, per: int, tier: Tier = "standard", above: int = 0) -> Rate:
    """Make a rate of so many dollars for `per` units, exactly, for as few units as are whole; raises ValueError."""
    if not dollars.is_finite() or dollars < 0:
        raise ValueError(f"{dollars} USD is not a price")
    nano, units = dollars * NANO * per_of(meter) / per, per_of(meter)  # Decimal
    while nano != nano.to_integral_value():
        nano, units = nano * 10, units * 10
        if units > PER_MAX:
            raise ValueError(f"{dollars} USD for {per} units has too many digits")
    return Rate(meter, NanoUsd(int(nano)), units, tier, above)


def without_dust(dollars: Decimal) -> Decimal:
    """Give a price that went through a binary fraction at its source as it was before."""
    return _DOUBLE.plus(dollars)


def sku(rate: Rate) -> str:
    """Name what a rate is for: "input", "input@batch", "output@flex>272000"."""
    return sku_of(rate.meter, rate.tier, rate.above_input_tokens)


def sku_of(meter: Meter, tier: Tier = "standard", above: int = 0) -> str:
    """Name a meter on a tier past a threshold."""
    return meter + (f"@{tier}" if tier != "standard" else "") + (f">{above}" if above else "")


def read_rate(name: str, value: int | tuple[int, int]) -> Rate:
    """Read a rate from its name and its value, nano-dollars or (nano-dollars, units); raises ValueError."""
    parts = _SKU.fullmatch(name)
    meter = next((known for known in get_args(Meter) if parts and known == parts.group(1)), None)
    tier = next((known for known in TIERS if parts and known == (parts.group(2) or "standard")), None)
    if parts is None or meter is None or tier is None:
        raise ValueError(f"{name} names no rate")
    amount, per = value if isinstance(value, tuple) else (value, per_of(meter))
    if amount < 0 or not 0 < per <= PER_MAX:
        raise ValueError(f"{name} cannot cost {amount} for {per}")
    return Rate(meter, NanoUsd(amount), per, tier, int(parts.group(3) or 0))


def write_rate(rate: Rate) -> int | tuple[int, int]:
    """Give the value that `read_rate` reads."""
    return rate.rate if rate.per == per_of(rate.meter) else (rate.rate, rate.per)


def usd(rate: Rate) -> str:
    """Write a rate in dollars for its meter's usual units, or for those it needs to be exact."""
    nano, rest = divmod(rate.rate * per_of(rate.meter), rate.per)
    return f"{to_usd(rate.rate)} per {rate.per}" if rest else to_usd(NanoUsd(nano))


def same(one: Rate | None, other: Rate | None) -> bool:
    """Say whether two rates charge the same, whatever units they are stated for."""
    if one is None or other is None:
        return one is other
    return one.rate * other.per == other.rate * one.per


def said_once(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """Give the rates in order, without a meter's standard ones where they only repeat what stands in for it.

    Sources list reasoning or pictures at the rate of their whole and then leave tiers and thresholds out: those
    of the whole hold for them.
    """
    kept = tuple(sorted(rates, key=_order))
    price = Price("", "", "", "", "", kept)
    own = {meter: [rate for rate in kept if rate.meter == meter and rate.tier == "standard"] for meter in STANDS_IN}
    repeats = {
        meter
        for meter, listed in own.items()
        if all(
            same(rate, rate_for(price, STANDS_IN[meter], "standard", rate.above_input_tokens + 1)) for rate in listed
        )
    }
    return tuple(rate for rate in kept if rate.tier != "standard" or rate.meter not in repeats)


def _order(rate: Rate) -> tuple[int, int, int]:
    """Sort by meter, tier and threshold, as the vocabulary lists them."""
    return get_args(Meter).index(rate.meter), TIERS.index(rate.tier), rate.above_input_tokens
