"""Reads the prices of genai-prices as data: the constructor calls in its generated `data.py`, never run."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from gateway.prices.listing import ALWAYS, Hours, Listing, Skipped
from gateway.prices.names import provider_of
from gateway.prices.plain_calls import Made, calls, listed
from gateway.prices.rates import exact, said_once, without_dust
from policies.pricing import Rate, Tier
from policies.usage import Meter

METERS: Mapping[str, tuple[Meter, int]] = {
    "input_mtok": ("input", 1_000_000),
    "cache_read_mtok": ("cache_read", 1_000_000),
    "cache_write_mtok": ("cache_write", 1_000_000),
    "cache_write_1h_mtok": ("cache_write_1h", 1_000_000),
    "output_mtok": ("output", 1_000_000),
    "output_reasoning_mtok": ("reasoning", 1_000_000),
    "input_audio_mtok": ("input_audio", 1_000_000),
    "cache_audio_read_mtok": ("cache_read_audio", 1_000_000),
    "output_audio_mtok": ("output_audio", 1_000_000),
    "input_image_mtok": ("input_image", 1_000_000),
    "output_image_mtok": ("output_image", 1_000_000),
    "web_searches_kcount": ("web_search", 1_000),
    "requests_kcount": ("request", 1_000),
}
"""Its price keys that we meter, with the units each is for (its `data_units.py`)."""

TIERS: Mapping[tuple[str, str], Tier] = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
}
"""Its request contexts that are our tiers; others are not priced apart by us."""

_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider, with the logic that says which names are meant by it."""

    provider_id: str
    id: str
    match: Made
    listings: tuple[Listing, ...]


@dataclass(frozen=True, slots=True)
class GenaiPrices:
    """All models of the file, by provider, in the order in which names are looked up."""

    models: Mapping[str, tuple[Model, ...]]

    def find(self, provider_id: str, model: str) -> Model | None:
        """Give the first model of a provider that is meant by a name."""
        name = model.lower()
        return next((one for one in self.models.get(provider_id, ()) if matches(one.match, name)), None)

    def named(self, model: Model) -> tuple[str, ...]:
        """Give the names the source spells out for a model and means by it: its id, and those compared as a whole."""
        clauses = listed(model.match.fields["or_"]) if model.match.kind == "ClauseOr" else [model.match]
        spelled = (str(clause.fields["equals"]) for clause in clauses if clause.kind == "ClauseEquals")
        return tuple(
            name for name in dict.fromkeys((model.id, *spelled)) if self.find(model.provider_id, name) is model
        )


def read_genai(text: str) -> tuple[GenaiPrices, tuple[Skipped, ...]]:
    """Give every model of the file; raises ValueError for what is not its shape or no price."""
    found: dict[str, tuple[Model, ...]] = {}
    skipped: list[Skipped] = []
    for provider in listed(calls(text, "providers"), "Provider"):
        provider_id = str(provider.fields["id"])
        models: list[Model] = []
        for made in listed(provider.fields.get("models"), "ModelInfo"):
            name = f"{provider_id}/{made.fields['id']}"
            try:
                models.append(_model(provider_id, made))
            except (ValueError, KeyError, AssertionError) as error:
                raise ValueError(f"{name}: {error}") from error
            if not models[-1].listings:
                reason = "not priced by token"
                skipped.append(Skipped(provider_of(provider_id), models[-1].id, "genai-prices", reason))
        found[provider_id] = tuple(models)
    return GenaiPrices(found), tuple(skipped)


def matches(clause: Made, name: str) -> bool:
    """Say whether a model's logic means this name, in lower case, as the source's own code does."""
    match clause.kind:
        case "ClauseOr":
            return any(matches(one, name) for one in listed(clause.fields["or_"]))
        case "ClauseAnd":
            return all(matches(one, name) for one in listed(clause.fields["and_"]))
        case "ClauseRegex":
            return re.search(str(clause.fields["regex"]), name) is not None
    wanted = str(next(iter(clause.fields.values()))).lower()
    match clause.kind:
        case "ClauseEquals":
            return name == wanted
        case "ClauseStartsWith":
            return name.startswith(wanted)
        case "ClauseEndsWith":
            return name.endswith(wanted)
        case "ClauseContains":
            return wanted in name
        case _:
            raise ValueError(f"{clause.kind} is no logic we know")


def _model(provider_id: str, made: Made) -> Model:
    """Read one model with all its dated prices."""
    match, model_id = made.fields["match"], str(made.fields["id"])
    assert isinstance(match, Made)
    limit = made.fields.get("context_window")
    window = limit if isinstance(limit, int) else None
    dated = tuple(_dated(made.fields["prices"]))
    variants = listed(made.fields.get("price_variants"), "PriceVariant")
    listings: list[Listing] = []
    for start, hours, prices in dated:
        end = min((day for day, _, _ in dated if day > start), default=date.max)
        rates = list(_rates(prices, "standard"))
        for variant in variants:
            tier, since = _tier(variant), _since(variant)
            # A tier begins in the source when somebody first looked it up: it holds for all of that price's time.
            if tier is not None and since < end:
                rates += _rates(variant.fields["prices"], tier)
        if any(rate.meter not in {"web_search", "request"} for rate in rates):
            found = said_once(_first_of_each(rates))
            listings.append(Listing(provider_of(provider_id), model_id, found, start, hours, window))
    return Model(provider_id, model_id, match, tuple(listings))


def _dated(prices: object) -> Iterator[tuple[date, Hours, Made]]:
    """Give every price with the day it starts and the hours it holds in.

    Those with hours of the day carry no date; they hold from the last dated price on, as the source's
    comments say of them.
    """
    if isinstance(prices, Made):
        yield ALWAYS, (), prices
        return
    start = ALWAYS
    together: dict[str, tuple[Hours, Made]] = {}
    for conditional in listed(prices, "ConditionalPrice"):
        made, constraint = conditional.fields["prices"], conditional.fields.get("constraint")
        assert isinstance(made, Made)
        if constraint is None:
            yield start, (), made
            continue
        assert isinstance(constraint, Made)
        if constraint.kind == "StartDateConstraint":
            day = constraint.fields["start_date"]
            assert isinstance(day, date)
            start = max(start, day)
            yield day, (), made
            continue
        assert constraint.kind == "TimeOfDateConstraint"
        hours, _ = together.get(repr(made), ((), made))
        together[repr(made)] = (*hours, *_every_day(constraint)), made
    for hours, made in together.values():
        yield start, tuple(sorted(hours)), made


def _every_day(constraint: Made) -> Hours:
    """Turn hours of the day into minutes of the week."""
    start, end = constraint.fields["start_time"], constraint.fields["end_time"]
    assert isinstance(start, time)
    assert isinstance(end, time)
    first, last = (at.hour * 60 + at.minute for at in (start, end))
    assert first < last, "hours that cross midnight are not read"
    return tuple((day * _DAY + first, day * _DAY + last) for day in range(7))


def _rates(prices: object, tier: Tier) -> Iterator[Rate]:
    """Give the rates of a set of prices; each threshold is one."""
    assert isinstance(prices, Made)
    for key, value in prices.fields.items():
        if key not in METERS or value is None:
            continue
        meter, per = METERS[key]
        if isinstance(value, Decimal):
            yield exact(meter, without_dust(value), per=per, tier=tier)
            continue
        assert isinstance(value, Made)
        assert value.kind == "TieredPrices"
        base = value.fields["base"]
        assert isinstance(base, Decimal)
        yield exact(meter, without_dust(base), per=per, tier=tier)
        for step in listed(value.fields["tiers"], "Tier"):
            above, usd = step.fields["start"], step.fields["price"]
            assert isinstance(above, int)
            assert isinstance(usd, Decimal)
            yield exact(meter, without_dust(usd), per=per, tier=tier, above=above)


def _tier(variant: Made) -> Tier | None:
    """Give the tier a variant is the price of."""
    when = variant.fields["when"]
    assert isinstance(when, dict)
    return TIERS.get(next(iter(when.items()))) if len(when) == 1 else None


def _since(variant: Made) -> date:
    """Give the day a variant was first seen."""
    constraint = variant.fields.get("constraint")
    if constraint is None:
        return ALWAYS
    assert isinstance(constraint, Made)
    day = constraint.fields["start_date"]
    assert isinstance(day, date)
    return day


def _first_of_each(rates: Sequence[Rate]) -> Iterator[Rate]:
    """Leave out what was said before: of two variants for one request the first holds."""
    seen: set[tuple[str, str, int]] = set()
    for rate in rates:
        name = (rate.meter, rate.tier, rate.above_input_tokens)
        if name not in seen:
            seen.add(name)
            yield rate
