"""Money is whole nano-dollars: rounded once, half up; read and written exactly."""

from decimal import Decimal

import pytest

from policies.money import NANO, NanoUsd, from_usd, priced, to_usd


@pytest.mark.parametrize(
    ("quantity", "rate", "per", "nano"),
    [
        (0, 5, 10, 0),
        (1, 0, 1_000_000, 0),
        (1, 499_999, 1_000_000, 0),
        (1, 500_000, 1_000_000, 1),
        (1, 1_499_999, 1_000_000, 1),
        (1, 1_500_000, 1_000_000, 2),
        (1, 2_500_000, 1_000_000, 3),
        (3, 1, 2, 2),
        (1, 1, 3, 0),
        (2, 1, 3, 1),
        (1_000_000, 2_500_000_000, 1_000_000, 2_500_000_000),
        (1, 1, 1, 1),
        (10**12, 10**12, 1, 10**24),
    ],
)
def test_a_line_is_rounded_once_half_up(quantity: int, rate: int, per: int, nano: int) -> None:
    assert priced(quantity, NanoUsd(rate), per) == nano


@pytest.mark.parametrize(("quantity", "rate", "per"), [(-1, 1, 1), (1, -1, 1), (1, 1, 0), (1, 1, -1)])
def test_nothing_below_zero_is_priced(quantity: int, rate: int, per: int) -> None:
    with pytest.raises(AssertionError):
        priced(quantity, NanoUsd(rate), per)


@pytest.mark.parametrize(
    ("usd", "nano"),
    [
        ("0", 0),
        ("1", NANO),
        ("0.000000001", 1),
        ("-0.000000001", -1),
        ("0.00421", 4_210_000),
        ("123456789.123456789", 123_456_789_123_456_789),
    ],
)
def test_dollars_are_read_and_written_exactly(usd: str, nano: int) -> None:
    assert from_usd(usd) == nano
    assert from_usd(Decimal(usd)) == nano
    assert to_usd(NanoUsd(nano)) == usd


@pytest.mark.parametrize("usd", ["0.0000000001", "1.0000000005", "NaN", "Infinity", "-Infinity"])
def test_what_is_no_whole_number_of_nano_dollars_is_refused(usd: str) -> None:
    with pytest.raises(ValueError, match="nano-dollars"):
        from_usd(usd)


@pytest.mark.parametrize(
    ("nano", "usd"), [(0, "0"), (1, "0.000000001"), (10, "0.00000001"), (-1_500_000_000, "-1.5"), (100 * NANO, "100")]
)
def test_dollars_are_written_without_exponent_or_trailing_zeros(nano: int, usd: str) -> None:
    assert to_usd(NanoUsd(nano)) == usd
