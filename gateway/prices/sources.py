"""Reads both source files and puts together what they say of each model."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path

from gateway.prices.crosscheck import GENAI_PROVIDERS, Known
from gateway.prices.genai_prices import GenaiPrices, read_genai
from gateway.prices.listing import Listing, Skipped
from gateway.prices.litellm_map import read_litellm
from gateway.prices.names import provider_of
from gateway.prices.snapshot import Origin
from gateway.settings import BadSettings

MODELS_MIN = 1_000
"""Fewer models than this in a source mean that the file is broken off, not that prices went away."""

FILE_BYTES_MAX = 64 * 2**20
"""Twenty times the larger source."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The two source files, the versions they came from, and the day on which they were read."""

    litellm: Path
    litellm_version: str
    genai: Path
    genai_version: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Said:
    """What both files say: of each model, of what has no price, and where it stands."""

    known: tuple[Known, ...]
    skipped: tuple[Skipped, ...]
    litellm: Origin
    genai: Origin


def read_sources(sources: Sources, *, models_min: int = MODELS_MIN) -> Said:
    """Give all that two source files say; raises BadSettings for a file that cannot be right."""
    text, litellm = _text(sources.litellm, "litellm", sources.litellm_version)
    try:
        listings, no_price = read_litellm(text)
    except (ValueError, RecursionError) as error:
        raise BadSettings(f"{sources.litellm}: {error}. Nothing was changed.") from error
    text, genai = _text(sources.genai, "genai-prices", sources.genai_version)
    try:
        prices, no_price_either = read_genai(text)
        known = tuple(_known(listings, prices))
    except (ValueError, SyntaxError, RecursionError) as error:
        raise BadSettings(f"{sources.genai}: {error}. Nothing was changed.") from error
    for path, count in (
        (sources.litellm, sum(1 for one in known if one.litellm)),
        (sources.genai, sum(1 for one in known if one.genai)),
    ):
        if count < models_min:
            raise BadSettings(f"{path} is not whole: only {count} models have a price in it. Nothing was changed.")
    return Said(known, (*no_price, *no_price_either), litellm, genai)


def _known(listings: Iterable[Listing], prices: GenaiPrices) -> Iterable[Known]:
    """Give what both sources say of every model that one of them names."""
    by_name: dict[tuple[str, str], list[Listing]] = defaultdict(list)
    for listing in listings:
        by_name[listing.provider_name, listing.model].append(listing)
    spelled = {
        (provider_of(provider_id), name)
        for provider_id, models in prices.models.items()
        for model in models
        if model.listings
        for name in prices.named(model)
    }
    for provider_name, model in sorted(by_name.keys() | spelled):
        meant = prices.find(GENAI_PROVIDERS.get(provider_name, provider_name), model)
        said = meant.listings if meant else ()
        yield Known(
            provider_name,
            model,
            litellm=tuple(by_name.get((provider_name, model), ())),
            genai=tuple(replace(one, provider_name=provider_name, model=model) for one in said),
            named=meant is not None and model.lower() in (name.lower() for name in prices.named(meant)),
        )


def _text(path: Path, name: str, version: str) -> tuple[str, Origin]:
    """Give the text of a source file, and what names it for ever."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise BadSettings(f"{path}: more than {FILE_BYTES_MAX} bytes are no price list.")
        raw = path.read_bytes()
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} cannot be read: {error}.") from error
    return text, Origin(name, version, path.name, sha256(raw).hexdigest())
