"""Reads litellm's map of models as data: one JSON file, dollars per single token, undated."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from gateway.prices.listing import Hours, Listing, Skipped
from gateway.prices.names import from_litellm
from gateway.prices.rates import exact, said_once, same, sku, without_dust
from gateway.prices.snapshot import FREE_PROVIDERS
from policies.pricing import Rate, Tier
from policies.usage import Meter

NO_MODELS = ("sample_spec", "fallback_generalizations")
"""Keys of the map that are a template and a table of rules."""

METERS: Mapping[str, Meter] = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "cache_creation_input_token_cost_above_12hr": "cache_write_12h",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "input_audio",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_image_token": "output_image",
}
"""Fields that are dollars for one token."""

TIERS: Mapping[str, Tier] = {
    "batches": "batch",
    "flex": "flex",
    "priority": "priority",
    "fast": "fast",
    "ultrafast": "ultrafast",
}
"""Endings of fields that are the rates of a tier."""

_FIELD = re.compile(
    r"([a-z_]+?(?:_above_(?:1|12)hr)?)(?:_above_([0-9]+)k_tokens)?(?:_(batches|flex|priority|ultrafast))?"
)

FEE_PER_REQUEST = ("perplexity",)
"""Providers whose fee, if it goes by size, is due on every request: no answer says the size, so the dearest holds."""

_WEEK = 7 * 24 * 60


def read_litellm(text: str) -> tuple[tuple[Listing, ...], tuple[Skipped, ...]]:
    """Give every model of the map that is priced by token, and those that have no price in it.

    Raises ValueError for what is not JSON, names a model twice, or holds a price that cannot be one.
    """
    tree = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number, object_pairs_hook=_once)
    if not isinstance(tree, dict):
        raise ValueError("the map is no object of models")  # noqa: TRY004 - the file is wrong, not a type of ours
    listings: dict[tuple[str, str], tuple[Listing, ...]] = {}
    skipped: list[Skipped] = []
    for key, entry in sorted(tree.items(), key=lambda item: (item[0].count("/"), item[0])):
        if key in NO_MODELS:
            continue
        provider_name, model = from_litellm(entry.get("litellm_provider", ""), key)
        try:
            found = tuple(_listings(provider_name, model, entry))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{key}: {error}") from error
        reason = _no_price(provider_name, found, entry)
        if reason is not None:
            skipped.append(Skipped(provider_name, model, "litellm", reason))
            continue
        earlier = listings.get((provider_name, model))
        if earlier is not None and (twice := _both_say(earlier[0], found[0])):
            skipped.append(Skipped(provider_name, model, "litellm", f"{key} has another price for {', '.join(twice)}"))
        listings[provider_name, model] = _together(earlier, found)
    return tuple(one for found in listings.values() for one in found), tuple(skipped)


def _listings(provider_name: str, model: str, entry: Mapping[str, Any]) -> Iterator[Listing]:
    """Give the price of an entry, and beside it the one of its cheaper hours."""
    rates = said_once((*_token_rates(entry), *_fees(provider_name, entry)))
    always = Listing(
        provider_name,
        model,
        rates,
        max_input_tokens=_limit(entry, "max_input_tokens"),
        max_output_tokens=_limit(entry, "max_output_tokens"),
    )
    yield always
    off_peak = entry.get("off_peak_pricing")
    if off_peak:
        cheaper = {METERS[name]: usd for name, usd in off_peak.items() if name in METERS}
        kept = (rate for rate in rates if rate.meter not in cheaper)
        lower = (exact(meter, without_dust(usd), per=1) for meter, usd in cheaper.items())
        yield replace(always, rates=said_once((*kept, *lower)), hours=_hours(off_peak["windows"]))


def _both_say(one: Listing, other: Listing) -> tuple[str, ...]:
    """Name what two entries of one model price differently."""
    first = {sku(rate): rate for rate in one.rates}
    return tuple(sku(rate) for rate in other.rates if sku(rate) in first and not same(rate, first[sku(rate)]))


def _together(earlier: tuple[Listing, ...] | None, found: tuple[Listing, ...]) -> tuple[Listing, ...]:
    """Add to the entry read first what only a second entry of the same model says."""
    if earlier is None or len(earlier) > 1 or len(found) > 1:
        return earlier or found
    first, second = earlier[0], found[0]
    said = {sku(rate) for rate in first.rates}
    return (replace(first, rates=said_once((*first.rates, *(r for r in second.rates if sku(r) not in said)))),)


def _token_rates(entry: Mapping[str, Any]) -> Iterator[Rate]:
    """Give the rates of an entry's token fields; a list of ranges stands for thresholds."""
    for name, usd in entry.items():
        parts = _FIELD.fullmatch(name)
        meter = METERS.get(parts.group(1)) if parts else None
        if parts is None or meter is None:
            continue
        above = int(parts.group(2) or 0) * 1000
        yield exact(meter, _number(usd), per=1, tier=TIERS.get(parts.group(3) or "", "standard"), above=above)
    if "input_cost_per_token_cache_hit" in entry and "cache_read_input_token_cost" not in entry:
        yield exact("cache_read", _number(entry["input_cost_per_token_cache_hit"]), per=1)
    for band in entry.get("tiered_pricing", ()):
        for name, usd in band.items():
            if name in METERS:
                yield exact(METERS[name], _number(usd), per=1, above=int(band["range"][0]))


def _fees(provider_name: str, entry: Mapping[str, Any]) -> Iterator[Rate]:
    """Give the fee of a search or of a request."""
    fees = {_number(usd) for usd in (entry.get("search_context_cost_per_query") or {}).values()}
    if fees:
        by_size = len(fees) > 1 and provider_name in FEE_PER_REQUEST
        yield exact("request" if by_size else "web_search", max(fees), per=1)
    elif "input_cost_per_request" in entry:
        yield exact("request", _number(entry["input_cost_per_request"]), per=1)


def _no_price(provider_name: str, found: tuple[Listing, ...], entry: Mapping[str, Any]) -> str | None:
    """Say why an entry gives no price; None where it does."""
    rates = found[0].rates
    if not any(rate.meter != "web_search" for rate in rates):
        return f"not priced by token ({entry.get('mode')})"
    if all(rate.rate == 0 for rate in rates) and provider_name not in FREE_PROVIDERS:
        return "zero throughout, which says that nobody entered a price"
    return None


def _hours(windows: list[Mapping[str, Any]]) -> Hours:
    """Turn weekdays and hours of the day, UTC, into minutes of the week."""
    found: list[tuple[int, int]] = []
    for window in windows:
        spans = window["hours_utc"]
        for day in window["weekdays"]:
            for span in (spans,) if isinstance(spans, str) else spans:
                start, end = (int(part[:2]) * 60 + int(part[3:]) for part in span.split("-"))
                midnight = (int(day) - 1) * 24 * 60
                found.append((midnight + start, midnight + (end or 24 * 60)))
    assert all(0 <= start < end <= _WEEK for start, end in found)
    return tuple(sorted(found))


def _limit(entry: Mapping[str, Any], name: str) -> int | None:
    """Give a limit in tokens; some entries hold words there."""
    value = entry.get(name)
    return int(value) if isinstance(value, Decimal) and value > 0 else None


def _number(value: object) -> Decimal:
    """Read a price, without the dust of binary fractions."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is not a number")
    return without_dust(value)


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a price")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object whose keys are all different."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{twice}" stands twice in the same object')
    return found
