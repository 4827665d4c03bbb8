"""What one source says one model costs: the same shape from every source, so that they can be compared."""

from dataclasses import dataclass
from datetime import date

from policies.pricing import Rate

Hours = tuple[tuple[int, int], ...]
"""Half-open ranges of minutes since Monday 00:00 UTC."""

ALWAYS = date(1970, 1, 1)
"""The first day of a price whose beginning no source knows."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One price of one model in one source, from a day on."""

    provider_name: str
    model: str
    rates: tuple[Rate, ...]
    effective_from: date = ALWAYS
    hours: Hours = ()
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """One entry of a source that gives no price, and why."""

    provider_name: str
    model: str
    source: str
    reason: str
