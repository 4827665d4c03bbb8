"""Where a source charges something else than the book: every case listed as data, with the reason it is left so."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from gateway.prices.crosscheck import RULES, Known, Rule, Settled
from gateway.prices.dated import holding, newest_first
from gateway.prices.listing import Listing
from gateway.prices.rates import same, sku, sku_of, usd
from gateway.prices.snapshot import starts_at
from gateway.settings import BadSettings
from policies.pricing import TIERS, Price, Rate, Tier, rate_for
from policies.usage import Meter

DISAGREEMENTS = Path(__file__).with_name("disagreements.jsonl")

CATEGORIES: Mapping[str, str] = {
    **{str(rule): reason for rule, reason in RULES.items()},
    "edge": "One source says from, the other above the same number of tokens. The lower of the two is taken.",
    "not_listed": "Only one of the two lists a rate of its own for this; in the other one another rate stands in.",
}
"""Why the book differs from a source: a rule by which a conflict was decided, or silence of the source."""


class Disagreement(msgspec.Struct, frozen=True, order=True):
    """One source that would charge another rate than the book at one instant; rates in dollars as they are listed.

    `sku` is "meter", "meter@tier" or "meter@tier>threshold"; `oracle` is the source.
    """

    provider_name: str
    model: str
    oracle: str
    at: str
    sku: str
    ours: str
    theirs: str
    category: str

    @property
    def explanation(self) -> str:
        """Say why it is left so."""
        return CATEGORIES[self.category]


def instants(as_of: str) -> tuple[datetime, ...]:
    """Give the moments at which book and sources are compared: noon, early morning, and an early Saturday morning."""
    day = starts_at(as_of)
    saturday = day + timedelta(days=(5 - day.weekday()) % 7)
    return (day + timedelta(hours=12), day + timedelta(hours=2), saturday + timedelta(hours=2))


def compare(known: Known, rows: Sequence[Settled], as_of: str) -> Iterator[Disagreement]:
    """Give every rate that a source of a model would charge differently; nights count where a price knows hours."""
    ours = newest_first([_price(row.listing) for row in rows])
    rule = next((row.rule for row in rows if row.rule), None)
    for oracle, listings in (("litellm", known.litellm), ("genai-prices", known.genai)):
        theirs = newest_first([_price(listing) for listing in listings])
        by_hour = any(price.hours for _, price in (*ours, *theirs))
        for at in instants(as_of) if by_hour else instants(as_of)[:1]:
            mine, yours = holding(ours, at), holding(theirs, at)
            if mine is None or yours is None:
                continue
            for name, one, other in _differing(mine, yours):
                moment = at.strftime("%Y-%m-%dT%H:%MZ")
                case = (moment, name, usd(one), usd(other), _category(rule, one, other, yours))
                yield Disagreement(known.provider_name, known.model, oracle, *case)


def read_disagreements(path: Path = DISAGREEMENTS) -> tuple[Disagreement, ...]:
    """Read the list that came with the price list; raises BadSettings."""
    try:
        return tuple(_decoder.decode_lines(path.read_bytes()))
    except (OSError, msgspec.DecodeError) as error:
        raise BadSettings(f"{path}: the list of disagreements cannot be read: {error}.") from error


def disagreements_bytes(found: Iterable[Disagreement]) -> bytes:
    """Write the list, sorted, one a line."""
    return b"".join(msgspec.json.encode(one) + b"\n" for one in sorted(found))


def _differing(ours: Price, theirs: Price) -> Iterator[tuple[str, Rate, Rate]]:
    """Give every meter, tier and side of a threshold that both can charge for and charge differently."""
    for meter, tier, above in _asked(ours, theirs):
        one, other = rate_for(ours, meter, tier, above + 1), rate_for(theirs, meter, tier, above + 1)
        if one is not None and other is not None and not same(one, other):
            yield sku_of(meter, tier, above), one, other


def _asked(ours: Price, theirs: Price) -> Iterator[tuple[Meter, Tier, int]]:
    """Give every meter that either price names, on every tier the other source knows, past every threshold."""
    rates = (*ours.rates, *theirs.rates)
    tiers = {"standard", *(rate.tier for rate in theirs.rates)}
    for meter in dict.fromkeys(rate.meter for rate in rates):
        for tier in (tier for tier in TIERS if tier in tiers):
            for above in sorted({0, *(rate.above_input_tokens for rate in rates)}):
                yield meter, tier, above


def _price(listing: Listing) -> Price:
    """Make a price to compare with."""
    day, hours = listing.effective_from.isoformat(), listing.hours
    return Price(listing.provider_name, listing.model, "", "", day, listing.rates, hours=hours)


def _category(rule: Rule | None, ours: Rate, other: Rate, theirs: Price) -> str:
    """Give the reason for one difference: the row's rule, unless the source is silent or one token apart."""
    if rule == "hours" or (rule and sku(ours) == sku(other)):
        return rule
    named = {(rate.meter, rate.tier, rate.above_input_tokens) for rate in theirs.rates}
    return "edge" if (ours.meter, ours.tier, ours.above_input_tokens + 1) in named else "not_listed"


_decoder = msgspec.json.Decoder(Disagreement)
