"""How far one price is from another: for the list of changes that people read, and for the guard of an import."""

from dataclasses import dataclass

from gateway.prices.rates import same, sku_of
from policies.pricing import Price, Rate, Tier, rate_for
from policies.usage import Meter


@dataclass(frozen=True, slots=True)
class Change:
    """One rate that differs: by how many percent of what it was, away from zero; None where it was nothing."""

    sku: str
    before: Rate | None
    after: Rate | None
    percent: int | None


def changes_between(before: Price, after: Price) -> tuple[Change, ...]:
    """Give every rate by which two prices charge differently."""
    found: list[Change] = []
    for meter, tier, above in _listed_by(before, after):
        old, new = rate_for(before, meter, tier, above + 1), rate_for(after, meter, tier, above + 1)
        if not same(old, new):
            found.append(Change(sku_of(meter, tier, above), old, new, _percent(old, new)))
    return tuple(found)


def largest(changes: tuple[Change, ...]) -> int | None:
    """Give the change that is furthest from zero; None where one of them has no percentage."""
    percents = [change.percent for change in changes]
    known = [percent for percent in percents if percent is not None]
    return max(known, key=abs, default=0) if len(known) == len(percents) else None


def _listed_by(before: Price, after: Price) -> tuple[tuple[Meter, Tier, int], ...]:
    """Give every meter, tier and threshold that either price names, each once."""
    named = ((rate.meter, rate.tier, rate.above_input_tokens) for price in (before, after) for rate in price.rates)
    return tuple(dict.fromkeys(named))


def _percent(old: Rate | None, new: Rate | None) -> int | None:
    """Give the change in whole percent of the old rate, rounded away from zero."""
    if old is None or new is None or old.rate == 0:
        return None
    was, now = old.rate * new.per, new.rate * old.per
    difference = 100 * (now - was)
    whole = -(-abs(difference) // was)
    return whole if difference >= 0 else -whole
