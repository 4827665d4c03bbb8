"""Every price of the book against the calculator of genai-prices; each difference is listed as data, with its reason.

The other oracle, litellm's map, has its own file: it needs a file that only `./weighbridge test --all` installs.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction

import pytest
from genai_prices import types as genai
from genai_prices.data_snapshot import get_snapshot

from gateway.prices.disagreements import CATEGORIES, read_disagreements
from policies.pricing import Price, Tier, Unpriced, charge, total
from policies.usage import Meter, Usage
from tests.contract.price_probes import (
    BOOK,
    NIGHT,
    NOON,
    OUTPUT,
    UNITS,
    WEEKEND,
    Case,
    case,
    differ,
    listed,
    ours,
    prompts,
    told,
)  # fmt: skip

GENAI = {
    "gemini": "google", "vertex": "google", "bedrock": "aws", "xai": "x-ai", "moonshot": "moonshotai",
    "voyage": "voyageai", "github_copilot": "github-copilot", "azure_ai": "azure",
}  # fmt: skip
PROVIDERS = {provider.id: provider for provider in get_snapshot().providers}

GENAI_USAGE: dict[Meter, tuple[str, ...]] = {
    "input": (),
    "cache_read": ("cache_read_tokens",),
    "cache_write": ("cache_write_tokens",),
    "cache_write_1h": ("cache_write_tokens", "cache_write_1h_tokens"),
    "input_audio": ("input_audio_tokens",),
    "cache_read_audio": ("input_audio_tokens", "cache_read_tokens", "cache_audio_read_tokens"),
    "input_image": ("input_image_tokens",),
    "output": (),
    "reasoning": ("output_reasoning_tokens",),
    "output_audio": ("output_audio_tokens",),
    "output_image": ("output_image_tokens",),
}
GENAI_KEYS: dict[str, Meter] = {
    "input_mtok": "input", "output_mtok": "output", "cache_read_mtok": "cache_read", "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h", "input_audio_mtok": "input_audio", "output_audio_mtok": "output_audio",
    "cache_audio_read_mtok": "cache_read_audio", "input_image_mtok": "input_image", "output_image_mtok": "output_image",
    "output_reasoning_mtok": "reasoning", "web_searches_kcount": "web_search", "requests_kcount": "request",
}  # fmt: skip
CONTEXTS: dict[Tier, tuple[dict[str, str], ...]] = {
    "standard": ({},),
    "batch": ({"processing": "batch"},),
    "flex": ({"service_tier": "flex"},),
    "priority": ({"service_tier": "priority"},),
    "fast": ({"service_tier": "fast"}, {"speed": "fast"}),
}


def known_to_genai() -> Iterator[tuple[Price, genai.Provider, genai.ModelInfo, str, datetime]]:
    """Every model of the book that the library means by itself, without falling back to another provider's list."""
    for provider_name, model in dict.fromkeys(BOOK.snapshot.names()):
        provider = PROVIDERS.get(GENAI.get(provider_name, provider_name))
        meant = next((one for one in provider.models if one.is_match(model)), None) if provider else None
        if provider is None or meant is None:
            continue
        by_hour = any(row.hours for _, row in BOOK.dated(provider_name, model)) or (
            isinstance(meant.prices, list)
            and any(isinstance(one.constraint, genai.TimeOfDateConstraint) for one in meant.prices)
        )
        for at in (NOON, NIGHT, WEEKEND) if by_hour else (NOON,):
            price = BOOK.find(provider_name, model, at)
            if price is not None:
                yield price, provider, meant, model, at


def genai_nano(
    provider: genai.Provider, meant: genai.ModelInfo, meter: Meter, prompt: int, at: datetime, context: dict[str, str]
) -> Fraction:
    """What the library's own calculator makes of a usage of one meter, in nano-dollars."""
    usage: dict[str, int] = {"input_tokens": prompt}
    if meter == "web_search":
        usage["web_searches"] = 1_000
    elif meter in OUTPUT:
        usage |= {"output_tokens": UNITS, **dict.fromkeys(GENAI_USAGE[meter], UNITS)}
    else:
        usage |= dict.fromkeys(GENAI_USAGE.get(meter, ()), prompt)
    said = meant.calc_price(genai.Usage(**usage), provider, genai_request_timestamp=at, price_context=context or None)
    if meter in {"web_search", "request"}:
        amount = said.total_price - said.input_price - said.output_price
    else:
        amount = said.output_price if meter in OUTPUT else said.input_price
    return Fraction(amount) * 10**9


def genai_cases() -> Iterator[tuple[Case, bool]]:
    """Every question both can answer, and whether they answer differently."""
    for price, provider, meant, model, at in known_to_genai():
        for tier, contexts in CONTEXTS.items():
            variants = [one.when for one in meant.price_variants or () if one.when in contexts]
            if tier != "standard" and not variants:
                continue
            context = variants[0] if variants else {}
            rates = {k: v for k, v in vars(meant.get_prices(at, context)).items() if v is not None and k in GENAI_KEYS}
            thresholds = {t.start for v in rates.values() if isinstance(v, genai.TieredPrices) for t in v.tiers}
            thresholds |= {rate.above_input_tokens for rate in price.rates}
            theirs = {GENAI_KEYS[key] for key in rates}
            for meter in {rate.meter for rate in price.rates} | theirs:
                if meter in {"web_search", "request", "cache_read_audio", "cache_write_12h"} and meter not in theirs:
                    continue
                for above, prompt in prompts(thresholds):
                    mine = ours(price, meter, tier, prompt)
                    yours = genai_nano(provider, meant, meter, prompt, at, context)
                    if mine is not None and (meter in theirs or whole_is_priced(meter, theirs)):
                        yield case(price, at, meter, tier, above, model), differ(mine, yours)


def whole_is_priced(meter: Meter, theirs: set[Meter]) -> bool:
    """A library that has no price for a side at all says nothing about its parts."""
    return ("output" if meter in OUTPUT else "input") in theirs


@pytest.fixture(scope="module")
def against_genai() -> dict[Case, bool]:
    return dict(genai_cases())


def test_every_difference_from_genai_prices_is_listed_with_its_reason(against_genai: dict[Case, bool]) -> None:
    found = {one for one, differs in against_genai.items() if differs}
    assert len(against_genai) > 10_000
    assert not found - listed("genai-prices"), f"not listed:\n{told(found - listed('genai-prices'))}"


def test_no_listed_difference_from_genai_prices_has_gone(against_genai: dict[Case, bool]) -> None:
    gone = {one for one in listed("genai-prices") if not against_genai.get(one, False)}
    assert not gone, f"listed, but they agree:\n{told(gone)}"


MIXED = {
    "plain": Usage(input_tokens=1_234, output_tokens=567),
    "cached": Usage(input_tokens=12_345, output_tokens=678, cache_read_input_tokens=11_111),
    "written for 5 minutes": Usage(input_tokens=9_876, output_tokens=54, cache_creation_input_tokens=9_000),
    "written for an hour": Usage(
        input_tokens=9_876, output_tokens=54, cache_read_input_tokens=800, cache_creation_input_tokens=9_000,
        cache_creation_1h_input_tokens=7_000,
    ),
    "long": Usage(input_tokens=400_001, output_tokens=1_001, cache_read_input_tokens=300_000),
    "reasoning": Usage(input_tokens=777, output_tokens=5_555, reasoning_output_tokens=5_000),
    "spoken": Usage(input_tokens=3_333, output_tokens=999, input_audio_tokens=3_000, output_audio_tokens=900),
    "nothing": Usage(),
}  # fmt: skip


@pytest.mark.parametrize("usage", MIXED.values(), ids=MIXED)
def test_a_whole_answer_costs_what_genai_prices_says_it_costs(usage: Usage) -> None:
    known_to_differ = {(provider_name, model) for provider_name, model, _, _ in listed("genai-prices")}
    compared = 0
    for price, provider, meant, model, at in known_to_genai():
        lines = charge(usage, price)
        both_sides = {"input_mtok", "output_mtok"} <= vars(meant.get_prices(at)).keys()
        if (price.provider_name, model) in known_to_differ or isinstance(lines, Unpriced) or not both_sides:
            continue
        theirs = genai.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_input_tokens,
            cache_write_tokens=usage.cache_creation_input_tokens,
            cache_write_1h_tokens=usage.cache_creation_1h_input_tokens,
            output_tokens=usage.output_tokens,
            output_reasoning_tokens=usage.reasoning_output_tokens,
            input_audio_tokens=usage.input_audio_tokens,
            output_audio_tokens=usage.output_audio_tokens,
        )
        said = Fraction(meant.calc_price(theirs, provider, genai_request_timestamp=at).total_price) * 10**9
        # Each line is rounded by half a nano-dollar at most.
        assert abs(total(lines) - said) <= Fraction(len(lines), 2), f"{price.provider_name}/{model} {at}"
        compared += 1
    assert compared > 2_000


def test_prices_change_on_the_days_that_genai_prices_knows() -> None:
    days = 0
    for provider_name, model in dict.fromkeys(BOOK.snapshot.names()):
        provider = PROVIDERS.get(GENAI.get(provider_name, provider_name))
        meant = next((one for one in provider.models if one.is_match(model)), None) if provider else None
        if provider is None or meant is None or not isinstance(meant.prices, list):
            continue
        for conditional in meant.prices:
            if not isinstance(conditional.constraint, genai.StartDateConstraint):
                continue
            start = datetime.combine(conditional.constraint.start_date, time(), UTC)
            for at in (start - timedelta(microseconds=1), start):
                price = BOOK.find(provider_name, model, at)
                if price is None or not price.source.startswith("genai-prices") or "(" in price.source:
                    continue
                for meter in ("input", "output", "cache_read"):
                    mine = ours(price, meter, "standard", 1_000)
                    assert mine is None or not differ(mine, genai_nano(provider, meant, meter, 1_000, at, {})), (
                        f"{model} {at}"
                    )
                days += 1
    assert days > 200


def test_each_listed_difference_says_what_both_sides_charge_and_why() -> None:
    listed_cases = read_disagreements()
    assert {one.category for one in listed_cases} <= CATEGORIES.keys()
    assert all(one.explanation.endswith(".") for one in listed_cases)
    assert all(one.ours != one.theirs for one in listed_cases)
    assert len({(one.provider_name, one.model, one.oracle, one.at, one.sku) for one in listed_cases}) == len(
        listed_cases
    )
    assert against_genai
