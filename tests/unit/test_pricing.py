"""Usage times a dated price: thresholds, tiers, meters, what stands in for what, and what stays unknown."""

from dataclasses import fields, replace

import pytest

from policies.money import NanoUsd
from policies.pricing import (
    INPUT_METERS,
    METERS,
    OUTPUT_METERS,
    STANDS_IN,
    TIERS,
    Price,
    Rate,
    Tier,
    Unpriced,
    charge,
    rate_for,
    tier_of,
    total,
    worst_cost,
)
from policies.usage import Meter, Usage

M = 1_000_000


def rate(meter: Meter, usd_per_mtok: int, tier: Tier = "standard", above: int = 0, per: int = M) -> Rate:
    return Rate(meter, NanoUsd(usd_per_mtok * 10**9), per, tier, above)


def price(*rates: Rate) -> Price:
    return Price("acme", "m", "list-1", "a test", "2026-01-01", rates)


def cost(usage: Usage, priced_by: Price, tier: Tier = "standard") -> int:
    lines = charge(usage, priced_by, tier)
    assert not isinstance(lines, Unpriced)
    return total(lines)


LONG = price(rate("input", 1), rate("input", 2, above=200_000), rate("input", 5, above=500_000), rate("output", 10))


@pytest.mark.parametrize(
    ("prompt", "usd"), [(1, 1), (199_999, 1), (200_000, 1), (200_001, 2), (500_000, 2), (500_001, 5), (900_000, 5)]
)
def test_crossing_a_threshold_prices_the_whole_prompt_anew(prompt: int, usd: int) -> None:
    assert cost(Usage(input_tokens=prompt), LONG) == prompt * usd * 1_000


def test_cached_tokens_count_towards_a_threshold() -> None:
    usage = Usage(input_tokens=200_001, cache_read_input_tokens=200_000)
    assert cost(usage, LONG) == 200_001 * 2_000


def test_the_output_of_a_long_prompt_takes_its_own_threshold() -> None:
    long = price(rate("input", 1), rate("output", 10), rate("output", 15, above=200_000))
    assert cost(Usage(input_tokens=200_000, output_tokens=M), long) == 200_000 * 1_000 + 10 * 10**9
    assert cost(Usage(input_tokens=200_001, output_tokens=M), long) == 200_001 * 1_000 + 15 * 10**9


EVERY: dict[Meter, tuple[Usage, int]] = {
    "input": (Usage(input_tokens=M), M),
    "cache_read": (Usage(input_tokens=M, cache_read_input_tokens=M), M),
    "cache_write": (Usage(input_tokens=M, cache_creation_input_tokens=M), M),
    "cache_write_1h": (Usage(input_tokens=M, cache_creation_input_tokens=M, cache_creation_1h_input_tokens=M), M),
    "cache_write_12h": (Usage(input_tokens=M, cache_creation_input_tokens=M, cache_creation_12h_input_tokens=M), M),
    "input_audio": (Usage(input_tokens=M, input_audio_tokens=M), M),
    "cache_read_audio": (
        Usage(input_tokens=M, input_audio_tokens=M, cache_read_input_tokens=M, cache_read_audio_tokens=M), M,
    ),
    "input_image": (Usage(input_tokens=M, input_image_tokens=M), M),
    "output": (Usage(output_tokens=M), M),
    "reasoning": (Usage(output_tokens=M, reasoning_output_tokens=M), M),
    "output_audio": (Usage(output_tokens=M, output_audio_tokens=M), M),
    "output_image": (Usage(output_tokens=M, output_image_tokens=M), M),
    "web_search": (Usage(web_search_requests=1_000), 1_000),
}  # fmt: skip


def test_every_count_of_usage_has_a_case_here() -> None:
    assert set(EVERY) == set(METERS) - {"request"}
    assert {*INPUT_METERS, *OUTPUT_METERS, "web_search", "request"} == set(METERS)
    counted = [usage for usage, _ in EVERY.values()]
    assert all(any(getattr(usage, field.name) for usage in counted) for field in fields(Usage))


@pytest.mark.parametrize("meter", EVERY)
@pytest.mark.parametrize("tier", TIERS)
def test_every_meter_is_charged_at_its_own_rate_on_every_tier(meter: Meter, tier: Tier) -> None:
    usage, units = EVERY[meter]
    others = [rate(other, 1_000, other_tier) for other in METERS for other_tier in TIERS if other != "request"]
    table = {(one.meter, one.tier): one for one in others}
    table[meter, tier] = rate(meter, 7, tier, per=units)
    lines = charge(usage, price(*table.values()), tier)
    assert not isinstance(lines, Unpriced)
    (line,) = lines
    assert (line.sku_meter, line.consumed_quantity, line.tier, line.billed_cost) == (meter, units, tier, 7 * 10**9)


@pytest.mark.parametrize("meter", STANDS_IN)
def test_a_meter_without_a_rate_takes_that_of_its_whole(meter: Meter) -> None:
    usage, _ = EVERY[meter]
    wholes = []
    whole: Meter | None = meter
    while (whole := STANDS_IN.get(whole)) is not None:
        wholes.append(whole)
    for number, name in enumerate(wholes):
        rates = [rate(later, 1 + later_number) for later_number, later in enumerate(wholes) if later_number >= number]
        assert cost(usage, price(*rates)) == (1 + number) * 10**9, f"{name} stands in for {meter}"


@pytest.mark.parametrize("meter", [meter for meter in METERS if meter not in STANDS_IN and meter != "request"])
def test_F67_what_has_no_rate_is_unknown_and_never_free(meter: Meter) -> None:
    usage, _ = EVERY[meter]
    others = [rate(other, 1) for other in METERS if other != meter and STANDS_IN.get(other) != meter]
    assert charge(usage, price(*others)) == Unpriced((meter,))


def test_one_unknown_line_makes_the_whole_unknown() -> None:
    assert charge(Usage(input_tokens=5, output_tokens=5), price(rate("input", 1))) == Unpriced(("output",))


def test_an_explicit_zero_is_a_price() -> None:
    free = price(rate("input", 0), rate("output", 0))
    lines = charge(Usage(input_tokens=5, output_tokens=6), free)
    assert not isinstance(lines, Unpriced)
    assert [(line.consumed_quantity, line.billed_cost) for line in lines] == [(5, 0), (6, 0)]


def test_an_explicit_zero_is_not_passed_over_for_the_whole() -> None:
    assert cost(Usage(input_tokens=9, cache_read_input_tokens=9), price(rate("input", 3), rate("cache_read", 0))) == 0


def test_a_fee_for_the_request_is_charged_once_whatever_was_used() -> None:
    fee = price(rate("input", 1), Rate("request", NanoUsd(5_000_000), 1))
    assert cost(Usage(), fee) == 5_000_000
    assert cost(Usage(input_tokens=M, cache_read_input_tokens=5), fee) == 10**9 + 5_000_000


def test_a_tier_falls_back_to_the_standard_rate_of_the_same_meter_before_its_whole() -> None:
    tiered = price(rate("input", 8), rate("input", 4, "batch"), rate("cache_read", 1), rate("output", 20))
    usage = Usage(input_tokens=2 * M, cache_read_input_tokens=M, output_tokens=M)
    assert cost(usage, tiered, "batch") == (4 + 1 + 20) * 10**9
    assert cost(usage, tiered, "flex") == (8 + 1 + 20) * 10**9


def test_a_tier_has_thresholds_of_its_own() -> None:
    tiered = price(rate("input", 2), rate("input", 4, above=100), rate("input", 1, "batch"))
    assert rate_for(tiered, "input", "batch", 101) == rate("input", 1, "batch")
    assert rate_for(tiered, "input", "standard", 101) == rate("input", 4, above=100)


@pytest.mark.parametrize(
    ("word", "tier"),
    [
        (None, "standard"), ("", "standard"), ("auto", "standard"), ("default", "standard"), ("standard", "standard"),
        ("standard_only", "standard"), ("scale", "standard"), ("provisioned", "standard"), ("on_demand", "standard"),
        ("flex", "flex"), ("priority", "priority"), ("fast", "fast"), ("ultrafast", "ultrafast"), ("batch", "batch"),
        ("batches", "batch"), ("FLEX", "flex"), ("ON_DEMAND_PRIORITY", "priority"), ("ON_DEMAND_FLEX", "flex"),
        ("something new", "standard"),
    ],
)  # fmt: skip
def test_a_providers_word_for_a_tier_is_understood_and_an_unknown_one_is_standard(word: str | None, tier: Tier) -> None:
    assert tier_of(word) == tier


def test_two_rates_for_one_thing_are_no_price() -> None:
    with pytest.raises(AssertionError):
        price(rate("input", 1), rate("input", 2))


def test_what_was_looked_up_before_does_not_make_prices_unequal() -> None:
    one, other = price(rate("input", 1)), price(rate("input", 1))
    charge(Usage(input_tokens=1), one)
    assert one == other
    assert hash(one) == hash(other)
    assert charge(Usage(input_tokens=M), replace(one, rates=(rate("input", 9),))) == charge(
        Usage(input_tokens=M), price(rate("input", 9))
    )


def worst(priced_by: Price, given: int, made: int, tier: Tier = "standard") -> int | None:
    return worst_cost(priced_by, input_tokens_max=given, output_tokens_max=made, tier=tier)


def test_the_worst_cost_takes_the_dearest_meter_of_each_side() -> None:
    dear = price(rate("input", 3), rate("cache_write_1h", 6), rate("output", 15), rate("reasoning", 60))
    assert worst(dear, M, M) == (6 + 60) * 10**9 + 6


def test_the_worst_cost_takes_the_dearest_side_of_each_threshold_it_can_cross() -> None:
    assert worst(LONG, 200_000, 0) == 200_000 * 1_000 + 6
    assert worst(LONG, 200_001, 0) == 200_001 * 2_000 + 6
    cheaper = price(rate("input", 9), rate("input", 1, above=100), rate("output", 1))
    assert worst(cheaper, 101, 0) == 100 * 9_000 + 6


def test_the_worst_cost_holds_though_every_line_is_rounded_up() -> None:
    halves = price(Rate("input", NanoUsd(1), 2), Rate("output", NanoUsd(1), 2))
    usage = Usage(
        input_tokens=8, output_tokens=4, cache_read_input_tokens=2, cache_read_audio_tokens=1, input_audio_tokens=2,
        input_image_tokens=1, cache_creation_input_tokens=3, cache_creation_1h_input_tokens=1,
        cache_creation_12h_input_tokens=1, reasoning_output_tokens=1, output_audio_tokens=1, output_image_tokens=1,
    )  # fmt: skip
    assert len(usage.buckets()) == 12
    assert cost(usage, halves) == 12 == worst(halves, 8, 4)


def test_the_worst_cost_has_the_fee_of_a_request_in_it() -> None:
    assert worst(price(rate("input", 1), rate("output", 1), Rate("request", NanoUsd(77), 1)), 0, 0) == 77 + 6


def test_nothing_bounds_the_cost_where_a_side_has_no_rate() -> None:
    assert worst(price(rate("input", 1)), 10, 1) is None
    assert worst(price(rate("output", 1)), 1, 10) is None
    assert worst(price(rate("input", 1)), 10, 0) == 10_000 + 6
    assert worst(price(rate("cache_read", 1), rate("output", 1)), 10, 10) is None


def test_the_worst_cost_of_a_tier_is_its_own() -> None:
    tiered = price(rate("input", 8), rate("input", 16, "priority"), rate("output", 1))
    assert worst(tiered, M, 0) == 8 * 10**9 + 6
    assert worst(tiered, M, 0, "priority") == 16 * 10**9 + 6
