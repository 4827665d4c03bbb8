"""Every price of the book against litellm's map, by arithmetic of our own on its raw numbers; differences are listed.

The map's words: dollars for one token; `_above_200k_tokens` re-prices the whole prompt; `_batches`, `_flex`,
`_priority` are tiers; a rate that is not listed is its whole's, and so is one listed at its whole's very rate.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import genai_prices
import pytest

from gateway.prices.disagreements import DISAGREEMENTS
from gateway.prices.importer import import_prices
from gateway.prices.names import from_litellm
from gateway.prices.snapshot import SNAPSHOT
from gateway.prices.sources import Sources
from policies.pricing import Price, Tier
from policies.usage import Meter
from tests.contract.price_probes import (
    AS_OF,
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
)
from tests.needs import needs

pytestmark = pytest.mark.heavy

FIELDS: dict[Meter, str] = {
    "input": "input_cost_per_token", "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost", "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "cache_write_12h": "cache_creation_input_token_cost_above_12hr",
    "reasoning": "output_cost_per_reasoning_token", "input_audio": "input_cost_per_audio_token",
    "cache_read_audio": "cache_read_input_audio_token_cost", "output_audio": "output_cost_per_audio_token",
    "input_image": "input_cost_per_image_token", "output_image": "output_cost_per_image_token",
}  # fmt: skip
WHOLE: dict[Meter, Meter] = {
    "cache_read": "input", "cache_write": "input", "cache_write_1h": "cache_write", "cache_write_12h": "cache_write",
    "reasoning": "output", "input_audio": "input", "cache_read_audio": "cache_read", "output_audio": "output",
    "input_image": "input", "output_image": "output",
}  # fmt: skip
SUFFIXES: dict[Tier, str] = {
    "standard": "", "batch": "_batches", "flex": "_flex", "priority": "_priority", "ultrafast": "_ultrafast",
}  # fmt: skip
ABOVE = re.compile(r"_above_([0-9]+)k_tokens")

Entry = Mapping[str, Any]


@pytest.fixture(scope="module")
def entries() -> dict[tuple[str, str], Entry]:
    """The map's entries by provider and model; a second entry of a model adds what the first leaves out."""
    tree = json.loads(needs("litellm_map").read_text("utf-8"), parse_float=Fraction, parse_int=Fraction)
    found: dict[tuple[str, str], Entry] = {}
    for key in sorted(
        tree.keys() - {"sample_spec", "fallback_generalizations"}, key=lambda name: (name.count("/"), name)
    ):
        place = from_litellm(tree[key].get("litellm_provider", ""), key)
        if place not in found or priced(tree[key]):
            earlier = found.get(place, {})
            found[place] = {**tree[key], **(earlier if priced(earlier) else {})}
    return found


def priced(entry: Entry) -> bool:
    """A row of zeros alone, where the provider is not one's own machine, says that nobody entered a price."""
    usd = [usd for meter in FIELDS for tier in SUFFIXES for usd in stated(entry, meter, tier).values()]
    return any(usd) or (bool(usd) and entry["litellm_provider"] in {"ollama", "lemonade"})


def at_hour(entry: Entry, at: datetime) -> Entry:
    """The entry with its cheaper rates where it is their hour."""
    cheaper = entry.get("off_peak_pricing")
    if not cheaper:
        return entry
    minute = at.hour * 60 + at.minute
    for window in cheaper["windows"]:
        spans = window["hours_utc"]
        for span in [spans] if isinstance(spans, str) else spans:
            first, last = (int(part[:2]) * 60 + int(part[3:]) for part in span.split("-"))
            if at.isoweekday() in window["weekdays"] and first <= minute < (last or 24 * 60):
                return {**entry, **{field: cheaper[field] for field in FIELDS.values() if field in cheaper}}
    return entry


def stated(entry: Entry, meter: Meter, tier: Tier) -> dict[int, Fraction]:
    """What the map states for a meter on a tier, by threshold."""
    field, suffix = FIELDS[meter], SUFFIXES[tier]
    found = {0: entry[field + suffix]} if field + suffix in entry else {}
    for name, usd in entry.items():
        parts = ABOVE.search(name)
        if parts and name.replace(parts.group(0), "") == field + suffix:
            found[int(parts.group(1)) * 1000] = usd
    if meter == "cache_read" and not found and tier == "standard" and "input_cost_per_token_cache_hit" in entry:
        found[0] = entry["input_cost_per_token_cache_hit"]
    if tier == "standard":
        found |= {int(band["range"][0]): band[field] for band in entry.get("tiered_pricing", ()) if field in band}
    return found


def highest(found: dict[int, Fraction], prompt: int) -> Fraction | None:
    below = [limit for limit in found if limit < prompt]
    return found[max(below)] if below else None


def per_token(entry: Entry, meter: Meter, tier: Tier, prompt: int) -> Fraction | None:
    """Dollars for one token, by the map."""
    own = highest(stated(entry, meter, tier), prompt)
    if own is not None and tier != "standard":
        return own
    standard, whole = stated(entry, meter, "standard"), WHOLE.get(meter)
    if whole is not None and all(
        usd == per_token(entry, whole, "standard", limit + 1) for limit, usd in standard.items()
    ):
        return per_token(entry, whole, tier, prompt)
    return highest(standard, prompt)


def nano(entry: Entry, meter: Meter, tier: Tier, prompt: int) -> Fraction | None:
    """What the map makes of a usage of one meter, in nano-dollars; None where it says nothing."""
    if meter in {"web_search", "request"}:
        fees = set((entry.get("search_context_cost_per_query") or {}).values())
        by_request = entry["litellm_provider"] == "perplexity" and len(fees) > 1
        fee = max(fees) if fees and by_request == (meter == "request") else None
        if meter == "request" and not fees:
            fee = entry.get("input_cost_per_request")
        return None if fee is None else fee * (1_000 if meter == "web_search" else 1) * 10**9
    usd = per_token(entry, meter, tier, prompt)
    return None if usd is None else usd * (UNITS if meter in OUTPUT else prompt) * 10**9


def cases(entries: Mapping[tuple[str, str], Entry]) -> Iterator[tuple[Case, bool]]:
    """Every question both can answer, and whether they answer differently."""
    for (provider_name, model), entry in entries.items():
        by_hour = "off_peak_pricing" in entry or any(row.hours for _, row in BOOK.dated(provider_name, model))
        for at in (NOON, NIGHT, WEEKEND) if by_hour else (NOON,):
            price = BOOK.find(provider_name, model, at)
            if price is not None and priced(entry):
                yield from of_one(price, at_hour(entry, at), at, model)


def of_one(price: Price, entry: Entry, at: datetime, model: str) -> Iterator[tuple[Case, bool]]:
    """The questions about one model at one moment."""
    named = {meter for meter in FIELDS if singled_out(entry, meter)}
    thresholds = {limit for meter in named for tier in SUFFIXES for limit in stated(entry, meter, tier)}
    thresholds |= {rate.above_input_tokens for rate in price.rates}
    for meter in {"web_search", "request", *named, *(rate.meter for rate in price.rates)}:
        for tier in SUFFIXES:
            if tier != "standard" and not any(stated(entry, one, tier) for one in FIELDS):
                continue
            for above, prompt in prompts(thresholds):
                mine, theirs = ours(price, meter, tier, prompt), nano(entry, meter, tier, prompt)
                if mine is not None and theirs is not None:
                    yield case(price, at, meter, tier, above, model), differ(mine, theirs)


def singled_out(entry: Entry, meter: Meter) -> bool:
    """A meter listed at its whole's very rate, on no tier of its own, is no question apart."""
    if any(stated(entry, meter, tier) for tier in SUFFIXES if tier != "standard"):
        return True
    standard, whole = stated(entry, meter, "standard"), WHOLE.get(meter)
    return any(not whole or usd != per_token(entry, whole, "standard", limit + 1) for limit, usd in standard.items())


@pytest.fixture(scope="module")
def answers(entries: dict[tuple[str, str], Entry]) -> dict[Case, bool]:
    return dict(cases(entries))


def test_every_difference_from_the_map_is_listed_with_its_reason(answers: dict[Case, bool]) -> None:
    found = {one for one, differs in answers.items() if differs}
    assert len(answers) > 12_000
    assert not found - listed("litellm"), f"not listed:\n{told(found - listed('litellm'))}"


def test_no_listed_difference_from_the_map_has_gone(answers: dict[Case, bool]) -> None:
    gone = {one for one in listed("litellm") if not answers.get(one, False)}
    assert not gone, f"listed, but they agree:\n{told(gone)}"


def test_every_model_the_map_prices_by_token_has_a_price_and_no_other(entries: dict[tuple[str, str], Entry]) -> None:
    for (provider_name, model), entry in entries.items():
        price = BOOK.find(provider_name, model, NOON)
        if priced(entry):
            assert price is not None, f"{provider_name}/{model} has no price"
        elif price is not None:
            assert "genai-prices" in price.source, f"{provider_name}/{model} has a price out of nothing"


def test_the_same_sources_make_the_same_files_again_byte_for_byte(tmp_path: Path) -> None:
    origins = BOOK.snapshot.header.sources
    genai = Path(genai_prices.__file__).with_name("data.py")
    sources = Sources(
        needs("litellm_map"), origins["l1"].version, genai, origins["g1"].version, date.fromisoformat(AS_OF)
    )
    book, differences = tmp_path / "snapshot.jsonl", tmp_path / "disagreements.jsonl"
    import_prices(sources, into=book, disagreements=differences)
    assert book.read_bytes() == SNAPSHOT.read_bytes()
    assert differences.read_bytes() == DISAGREEMENTS.read_bytes()
    assert not import_prices(sources, into=book, disagreements=differences).added


def test_the_book_was_made_from_this_very_map() -> None:
    origins = [origin for origin in BOOK.snapshot.header.sources.values() if origin.name == "litellm"]
    assert sha256(needs("litellm_map").read_bytes()).hexdigest() in {origin.sha256 for origin in origins}
