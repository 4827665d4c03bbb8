"""Usage times a dated price gives charge lines; what has no rate is unpriced, never free."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from policies.money import NanoUsd, priced
from policies.usage import Meter, Usage

Tier = Literal["standard", "batch", "flex", "priority", "fast", "ultrafast"]
TIERS: tuple[Tier, ...] = get_args(Tier)

_TIER_WORDS: Mapping[str, Tier] = {
    **{tier: tier for tier in TIERS},
    "batches": "batch",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}
"""What providers call the tiers that have rates of their own: OpenAI and Anthropic `service_tier`, Anthropic `speed`,
Gemini `trafficType`. All else costs the standard rates, or (scale, provisioned) was paid for beforehand."""

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

METERS: tuple[Meter, ...] = get_args(Meter)
INPUT_METERS: tuple[Meter, ...] = (
    "input", "cache_read", "cache_write", "cache_write_1h", "cache_write_12h",
    "input_audio", "cache_read_audio", "input_image",
)  # fmt: skip
OUTPUT_METERS: tuple[Meter, ...] = ("output", "reasoning", "output_audio", "output_image")

LINES_MAX = len(INPUT_METERS) + len(OUTPUT_METERS)
"""Lines that tokens can make; each is rounded by at most half a nano-dollar."""


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
    """What one model costs at one provider from a date on; `version` names the row for ever.

    `hours` are half-open ranges of minutes since Monday 00:00 UTC in which the row holds; none means always.
    """

    provider_name: str
    model: str
    version: str
    source: str
    effective_from: str
    rates: tuple[Rate, ...]
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    hours: tuple[tuple[int, int], ...] = ()
    _thresholds: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _applying: dict[tuple[Tier, int], "_Applying"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the thresholds; what applies between two of them is worked out once, when first asked for."""
        assert len({(rate.meter, rate.tier, rate.above_input_tokens) for rate in self.rates}) == len(self.rates)
        above = {rate.above_input_tokens for rate in self.rates}
        object.__setattr__(self, "_thresholds", tuple(sorted(above - {0})))
        object.__setattr__(self, "_applying", {})

    def applying(self, tier: Tier, input_tokens: int) -> "_Applying":
        """Give the rates that apply to a prompt of this size on this tier."""
        band = bisect_left(self._thresholds, input_tokens)
        found = self._applying.get((tier, band))
        if found is None:
            found = self._applying[tier, band] = _Applying.of(self, tier, band)
        return found

    def largest_prompts(self, input_tokens_max: int) -> tuple[int, ...]:
        """Give the largest prompt, up to a maximum, on each side of every threshold it can cross."""
        return (*(above for above in self._thresholds if above < input_tokens_max), input_tokens_max)


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


@dataclass(frozen=True, slots=True)
class _Applying:
    """The rates of one price on one tier between two thresholds, and the dearest of either side."""

    rates: Mapping[Meter, Rate | None]
    dearest_input: Rate | None
    dearest_output: Rate | None

    @staticmethod
    def of(price: Price, tier: Tier, band: int) -> "_Applying":
        """Look every meter up once."""
        limits = (0, *price._thresholds)
        rates = {meter: _found(price, meter, tier, limits[band]) for meter in METERS}
        return _Applying(rates, _dearest(rates, INPUT_METERS), _dearest(rates, OUTPUT_METERS))


def tier_of(name: str | None) -> Tier:
    """Give the tier of a provider's word for it, asked for or answered; a word we do not know is standard."""
    return _TIER_WORDS.get(name.lower(), "standard") if name else "standard"


def charge(usage: Usage, price: Price, tier: Tier = "standard") -> tuple[Charge, ...] | Unpriced:
    """Price every bucket of `usage`, and the request where it has a rate; crossing a threshold re-prices all of it.

    The threshold compares `input_tokens`, cached tokens included, as the providers' pages say.
    """
    rates = price.applying(tier, usage.input_tokens).rates
    buckets = usage.buckets()
    if rates["request"] is not None:
        buckets = (*buckets, ("request", 1))
    lines: list[Charge] = []
    missing: list[Meter] = []
    for meter, quantity in buckets:
        rate = rates[meter]
        if rate is None:
            missing.append(meter)
        else:
            cost = priced(quantity, rate.rate, rate.per)
            lines.append(Charge(meter, quantity, rate.rate, rate.per, rate.tier, cost))
    return Unpriced(tuple(missing)) if missing else tuple(lines)


def total(charges: tuple[Charge, ...]) -> NanoUsd:
    """Sum charge lines."""
    return NanoUsd(sum(line.billed_cost for line in charges))


def worst_cost(price: Price, *, input_tokens_max: int, output_tokens_max: int, tier: Tier) -> NanoUsd | None:
    """Bound what any tokens within these limits can cost on this tier; None where a rate to bound them is missing.

    All tokens are taken at the dearest meter of their side, on the dearest side of each threshold they can
    cross, every line rounded up. Requests of built-in tools are not bounded by tokens and not in it.
    """
    assert min(input_tokens_max, output_tokens_max) >= 0
    worst = 0
    for prompt in price.largest_prompts(input_tokens_max):
        applying = price.applying(tier, prompt)
        given = _at_most(applying.dearest_input, prompt)
        made = _at_most(applying.dearest_output, output_tokens_max)
        if given is None or made is None:
            return None
        per_request = applying.rates["request"]
        fee = priced(1, per_request.rate, per_request.per) if per_request else 0
        worst = max(worst, given + made + fee + LINES_MAX // 2)
    return NanoUsd(worst)


def rate_for(price: Price, meter: Meter, tier: Tier, input_tokens: int) -> Rate | None:
    """Find the rate that applies: own tier before standard, then the meter that stands in for this one."""
    return price.applying(tier, input_tokens).rates[meter]


def _at_most(rate: Rate | None, tokens: int) -> int | None:
    """Price tokens rounded up; none cost nothing, whatever their rate."""
    if rate is None:
        return None if tokens else 0
    return -(-tokens * rate.rate // rate.per)


def _dearest(rates: Mapping[Meter, Rate | None], meters: tuple[Meter, ...]) -> Rate | None:
    """Give the dearest rate of a side; None where its plain tokens, the first of `meters`, have no rate."""
    known = [rate for meter in meters if (rate := rates[meter]) is not None]
    if rates[meters[0]] is None:
        return None
    dearest = known[0]
    for rate in known:
        if rate.rate * dearest.per > dearest.rate * rate.per:
            dearest = rate
    return dearest


def _found(price: Price, meter: Meter, tier: Tier, above: int) -> Rate | None:
    """Look a rate up for prompts of more than `above` tokens, a threshold of the price or zero."""
    wanted: Meter | None = meter
    while wanted is not None:
        for name in (tier, "standard") if tier != "standard" else ("standard",):
            best = _highest_band(price, wanted, name, above)
            if best is not None:
                return best
        wanted = STANDS_IN.get(wanted)
    return None


def _highest_band(price: Price, meter: Meter, tier: str, above: int) -> Rate | None:
    """Pick the rate with the highest threshold up to `above`."""
    best: Rate | None = None
    for rate in price.rates:
        applies = rate.meter == meter and rate.tier == tier and rate.above_input_tokens <= above
        if applies and (best is None or rate.above_input_tokens > best.above_input_tokens):
            best = rate
    return best
