"""What holds for every price and every usage: the bound, the sum, the lookup."""

from hypothesis import given
from hypothesis import strategies as st

from policies.money import NanoUsd, from_usd, priced, to_usd
from policies.pricing import METERS, STANDS_IN, TIERS, Price, Rate, Tier, Unpriced, charge, rate_for, total, worst_cost
from policies.usage import Meter, Usage

LIMIT = 300_000
THRESHOLDS = st.sampled_from((0, 0, 0, 1, 999, 128_000, 200_000))


@st.composite
def prices(draw: st.DrawFn) -> Price:
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(METERS), st.sampled_from(TIERS), THRESHOLDS), unique=True, min_size=1, max_size=20
        )
    )
    places += [place for place in (("input", "standard", 0), ("output", "standard", 0)) if place not in places]
    rates = tuple(
        Rate(
            meter,
            NanoUsd(draw(st.integers(0, 10**11))),
            draw(st.sampled_from((1, 1_000, 999_983, 10**6, 10**13))),
            tier,
            above,
        )
        for meter, tier, above in places
    )
    return Price("acme", "m", "v", "a test", "2026-01-01", rates)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Any tokens within LIMIT on either side, parts and all, without requests of tools."""
    left = draw(st.integers(0, LIMIT))
    plain, read, audio, read_audio, image, write, hour, half_day = (draw(st.integers(0, left // 8)) for _ in range(8))
    out_left = draw(st.integers(0, LIMIT))
    text, reasoning, spoken, drawn = (draw(st.integers(0, out_left // 4)) for _ in range(4))
    return Usage(
        input_tokens=plain + read + audio + read_audio + image + write + hour + half_day,
        output_tokens=text + reasoning + spoken + drawn,
        cache_read_input_tokens=read + read_audio,
        cache_creation_input_tokens=write + hour + half_day,
        cache_creation_1h_input_tokens=hour,
        cache_creation_12h_input_tokens=half_day,
        reasoning_output_tokens=reasoning,
        input_audio_tokens=audio + read_audio,
        cache_read_audio_tokens=read_audio,
        output_audio_tokens=spoken,
        input_image_tokens=image,
        output_image_tokens=drawn,
    )


@given(prices(), usages(), st.sampled_from(TIERS), st.integers(0, 1_000), st.integers(0, 1_000))
def test_no_usage_within_the_limits_costs_more_than_the_worst(
    price: Price, usage: Usage, tier: Tier, more_input: int, more_output: int
) -> None:
    bound = worst_cost(
        price,
        input_tokens_max=usage.input_tokens + more_input,
        output_tokens_max=usage.output_tokens + more_output,
        tier=tier,
    )
    lines = charge(usage, price, tier)
    assert bound is not None
    assert not isinstance(lines, Unpriced)
    assert total(lines) <= bound


@given(prices(), st.integers(0, LIMIT), st.integers(0, LIMIT), st.integers(0, LIMIT), st.sampled_from(TIERS))
def test_the_worst_cost_grows_with_its_limits(price: Price, given_: int, made: int, more: int, tier: Tier) -> None:
    bounds = [
        worst_cost(price, input_tokens_max=given_ + a, output_tokens_max=made + b, tier=tier) or 0
        for a, b in ((0, 0), (more, 0), (0, more))
    ]
    assert bounds[0] <= min(bounds[1:])


@given(prices(), usages(), st.integers(0, 50), st.sampled_from(TIERS))
def test_the_lines_are_the_usage_and_each_is_rounded_on_its_own(
    price: Price, usage: Usage, searches: int, tier: Tier
) -> None:
    lines = charge(usage, price, tier)
    assert not isinstance(lines, Unpriced)
    tokens = sum(line.consumed_quantity for line in lines if line.sku_meter not in {"web_search", "request"})
    assert tokens == usage.input_tokens + usage.output_tokens
    assert all(line.billed_cost == priced(line.consumed_quantity, line.rate, line.per) for line in lines)
    assert total(lines) == sum(line.billed_cost for line in lines)


@given(prices(), st.sampled_from(METERS), st.sampled_from(TIERS), st.integers(0, LIMIT))
def test_a_rate_is_found_as_by_looking_through_them_all(price: Price, meter: Meter, tier: Tier, prompt: int) -> None:
    wanted: Meter | None = meter
    expected: Rate | None = None
    while wanted is not None and expected is None:
        for name in (tier, "standard"):
            applying = [
                rate
                for rate in price.rates
                if rate.meter == wanted
                and rate.tier == name
                and (rate.above_input_tokens == 0 or prompt > rate.above_input_tokens)
            ]
            if applying and expected is None:
                expected = max(applying, key=lambda rate: rate.above_input_tokens)
        wanted = STANDS_IN.get(wanted)
    assert rate_for(price, meter, tier, prompt) == expected


@given(st.integers(-(10**20), 10**20))
def test_dollars_are_written_so_that_they_read_back(amount: int) -> None:
    assert from_usd(to_usd(NanoUsd(amount))) == amount
