"""Money is whole nano-dollars; a rate is nano-dollars per stated number of units."""

from decimal import Decimal
from typing import NewType

NanoUsd = NewType("NanoUsd", int)
"""10**-9 US dollars."""

NANO = 1_000_000_000


def priced(quantity: int, rate: NanoUsd, per: int) -> NanoUsd:
    """Price `quantity` units at `rate` for each `per` units, rounded half up, once."""
    assert quantity >= 0
    assert rate >= 0
    assert per > 0
    return NanoUsd((2 * quantity * rate + per) // (2 * per))


def from_usd(amount: str | Decimal) -> NanoUsd:
    """Read dollars, as written by people or providers, exactly; raises ValueError below a nano-dollar."""
    nano = Decimal(amount) * NANO
    if not nano.is_finite() or nano != nano.to_integral_value():
        raise ValueError(f"{amount} USD is not a whole number of nano-dollars")
    return NanoUsd(int(nano))


def to_usd(amount: NanoUsd) -> str:
    """Write dollars exactly, without an exponent and with no trailing zeros: 4210000 is "0.00421"."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), NANO)
    return f"{sign}{whole}.{rest:09d}".rstrip("0").rstrip(".")
