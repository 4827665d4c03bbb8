"""Two sources about one model: what both list, what one alone lists, and by which rule a conflict is decided."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from gateway.prices.listing import ALWAYS, Listing
from gateway.prices.rates import said_once, same, sku
from policies.pricing import Rate

Rule = Literal[
    "hours", "regional", "family", "moved_on", "other_door", "moving_alias", "rounding", "checked_by_hand"
]  # fmt: skip

RULES: Mapping[Rule, str] = {
    "hours": "The price depends on the hour: litellm's map states weekdays too, which genai-prices cannot.",
    "regional": "genai-prices lists calls that stay in a region apart, ten percent dearer; litellm's map does not.",
    "family": "genai-prices means this name only as one of a family; litellm's map has an entry for this very name.",
    "moved_on": "litellm's map holds an earlier or later price of genai-prices' dated list: it is not of this day.",
    "other_door": "genai-prices lists the vendor's own API; litellm's map lists this other door to the models apart.",
    "moving_alias": "The name stands for whatever is newest, and litellm's map has an entry of its own for it.",
    "rounding": "Both are within one percent, so one of them rounded. The one that states more digits is taken.",
    "checked_by_hand": "Both name the model; genai-prices enters each price by hand from the provider's page.",
}
"""How a conflict is decided, by the first that fits, and why."""

LITELLM_ALONE = frozenset({"other_door", "family", "moving_alias"})
"""Rules by which genai-prices does not speak of this model at all, so nothing of it is taken."""

AUDIO = re.compile(r"(^|[-/])audio($|-)")
"""A model named for sound, of which the one source that has it prices text alone: its sound would go too cheap."""

OTHER_DOORS = ("vertex", "azure_ai")
"""Providers whose models genai-prices lists once, for another door of the same vendor."""

REGIONAL = ("bedrock",)
"""Providers that charge more for a call that stays in a region."""

GENAI_PROVIDERS: Mapping[str, str] = {
    "gemini": "google",
    "vertex": "google",
    "bedrock": "aws",
    "xai": "x-ai",
    "moonshot": "moonshotai",
    "voyage": "voyageai",
    "github_copilot": "github-copilot",
    "azure_ai": "azure",
}
"""What genai-prices calls our providers, where it is another name."""


@dataclass(frozen=True, slots=True)
class Known:
    """What both sources say of one model; `named` says that genai-prices spells this very name."""

    provider_name: str
    model: str
    litellm: tuple[Listing, ...]
    genai: tuple[Listing, ...]
    named: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """One row for the book, with what it rests on: sources in order of weight, and the rule where they differ."""

    listing: Listing
    sources: tuple[str, ...]
    rule: Rule | None = None
    differing: tuple[str, ...] = ()


def settle(known: Known, as_of: date) -> tuple[Settled, ...]:
    """Give the rows of one model: what held before and what is announced, and between them what both say today."""
    today = current(known.genai, as_of)
    if not known.litellm and AUDIO.search(known.model) and not any(_speaks(one) for one in today):
        return ()
    if not known.litellm or not today:
        return tuple(Settled(one, (name,)) for name, found in _by_source(known) for one in found)
    rows = _both(known, today)
    if rows[0].rule in LITELLM_ALONE:
        return rows
    start = today[0].effective_from
    dated = tuple(replace(row, listing=replace(row.listing, effective_from=start)) for row in rows)
    return (*dated, *(Settled(one, ("genai-prices",)) for one in known.genai if one not in today))


def _speaks(listing: Listing) -> bool:
    """Say whether a listing has a rate for sound."""
    return any(rate.meter in {"input_audio", "output_audio"} for rate in listing.rates)


def current(listings: Sequence[Listing], as_of: date) -> tuple[Listing, ...]:
    """Give the listing that holds on a day, and those of its cheaper or dearer hours."""
    begun = [one for one in listings if one.effective_from <= as_of]
    newest = max((one.effective_from for one in begun), default=ALWAYS)
    return tuple(one for one in begun if one.effective_from == newest)


def conflicts(one: Listing, other: Listing) -> tuple[str, ...]:
    """Name what both list, at different rates."""
    first = {sku(rate): rate for rate in one.rates}
    return tuple(sku(rate) for rate in other.rates if sku(rate) in first and not same(rate, first[sku(rate)]))


def _by_source(known: Known) -> tuple[tuple[str, tuple[Listing, ...]], ...]:
    """Give what each source lists, with its name."""
    return (("litellm", known.litellm), ("genai-prices", known.genai))


def _both(known: Known, today: tuple[Listing, ...]) -> tuple[Settled, ...]:
    """Join what both say today; where they differ one of them wins by the first rule that fits."""
    litellm, genai = _aligned(known.litellm[0], today[0]), _aligned(today[0], known.litellm[0])
    differing = conflicts(litellm, genai)
    if len(known.litellm) > 1 or len(today) > 1:
        return tuple(Settled(one, ("litellm", "genai-prices"), "hours", differing) for one in known.litellm)
    if not differing:
        return (Settled(_joined(litellm, genai), ("litellm", "genai-prices")),)
    rule = _rule(known, genai, differing)
    if rule in LITELLM_ALONE:
        return (Settled(litellm, ("litellm", "genai-prices"), rule, differing),)
    if rule == "moved_on":
        return (Settled(genai, ("genai-prices", "litellm"), rule, differing),)
    if rule == "rounding" and _finer(litellm, genai, differing):
        return (Settled(_joined(litellm, genai), ("litellm", "genai-prices"), rule, differing),)
    return (Settled(_joined(genai, litellm), ("genai-prices", "litellm"), rule, differing),)


def _rule(known: Known, genai: Listing, differing: tuple[str, ...]) -> Rule:
    """Find the first rule that fits a conflict."""
    litellm = known.litellm[0]
    dearer = all(_tenth_dearer(_rate(genai, name), _rate(litellm, name)) for name in differing)
    if dearer and known.provider_name in REGIONAL:
        return "regional"
    if not known.named:
        return "family"
    if any(_agree(litellm, other, differing) for other in known.genai):
        return "moved_on"
    if known.provider_name in OTHER_DOORS:
        return "other_door"
    if known.model.endswith("-latest"):
        return "moving_alias"
    if all(_close(_rate(genai, name), _rate(litellm, name)) for name in differing):
        return "rounding"
    return "checked_by_hand"


def _agree(one: Listing, other: Listing, names: tuple[str, ...]) -> bool:
    """Say whether both list all these rates, and the same."""
    first, second = ({sku(rate): rate for rate in listing.rates} for listing in (one, other))
    return all(name in second and same(first[name], second[name]) for name in names)


def _aligned(one: Listing, other: Listing) -> Listing:
    """Move thresholds that lie one token above the other's down to it: "from" and "above" a round number."""
    lower = {rate.above_input_tokens + 1: rate.above_input_tokens for rate in other.rates if rate.above_input_tokens}
    moved = (
        replace(rate, above_input_tokens=lower.get(rate.above_input_tokens, rate.above_input_tokens))
        for rate in one.rates
    )
    return replace(one, rates=tuple(moved))


def _joined(first: Listing, second: Listing) -> Listing:
    """Add to one listing the rates that only the other has, and its limits."""
    said = {sku(rate) for rate in first.rates}
    return replace(
        first,
        rates=said_once((*first.rates, *(rate for rate in second.rates if sku(rate) not in said))),
        max_input_tokens=first.max_input_tokens or second.max_input_tokens,
        max_output_tokens=first.max_output_tokens or second.max_output_tokens,
    )


def _tenth_dearer(one: Rate, other: Rate) -> bool:
    """Say whether one rate is ten percent above another, exactly."""
    return 10 * one.rate * other.per == 11 * other.rate * one.per


def _close(one: Rate, other: Rate) -> bool:
    """Say whether two rates are within one percent of each other."""
    a, b = one.rate * other.per, other.rate * one.per
    return 100 * abs(a - b) <= max(a, b)


def _finer(one: Listing, other: Listing, differing: tuple[str, ...]) -> bool:
    """Say whether the first states these rates with more digits than the second."""
    return sum(_digits(_rate(one, name)) for name in differing) > sum(_digits(_rate(other, name)) for name in differing)


def _digits(rate: Rate) -> int:
    """Count the digits of a rate without the zeros at its end."""
    return len(str(rate.rate).rstrip("0"))


def _rate(listing: Listing, name: str) -> Rate:
    """Give a rate by its name."""
    return next(rate for rate in listing.rates if sku(rate) == name)
