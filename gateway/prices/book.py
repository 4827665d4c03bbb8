"""The one book of prices: what a model costs at an instant, a house's own prices before the bundled list."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from math import gcd
from pathlib import Path

from gateway.prices.dated import holding, newest_first
from gateway.prices.names import provider_of, undated, untuned
from gateway.prices.overrides import Override, read_overrides
from gateway.prices.snapshot import HASH_DIGITS, SNAPSHOT, Snapshot, read_snapshot, starts_at
from gateway.settings import BadSettings
from policies.money import NanoUsd
from policies.pricing import Price, Rate

MODELS_MAX = 4096
"""Remembered models: clients name them, so the memory of them has an end."""

Dated = tuple[tuple[datetime, Price], ...]


class PriceBook:
    """Every price known to this process. It never changes: new prices are a new book."""

    def __init__(self, snapshot: Snapshot, overrides: tuple[Override, ...] = ()) -> None:
        """Put a house's own prices before the list; those of one name before those of many, then the newest."""
        self.snapshot = snapshot
        self.overrides = tuple(sorted(overrides, key=_precedence))
        self.version = snapshot.version
        if overrides:
            written = "".join(one.version for one in self.overrides)
            self.version += f"+{sha256(written.encode()).hexdigest()[:HASH_DIGITS]}"
        self._found: dict[tuple[str, str], Dated] = {}
        self._names: frozenset[str] | None = None

    def find(self, provider: str, model: str, at: datetime) -> Price | None:
        """Give the price that holds at an instant; None where none is known, which is not zero."""
        rows = self._found.get((provider, model))
        if rows is None:
            if len(self._found) >= MODELS_MAX:
                self._found.clear()
            rows = self._found[provider, model] = self.dated(provider, model)
        return holding(rows, at)

    def dated(self, provider: str, model: str) -> Dated:
        """Give all rows of a model in the order in which they are asked, each with the instant it begins."""
        provider_name = provider_of(provider)
        listed = newest_first(self._listed(provider_name, model))
        rows: list[tuple[datetime, Price]] = []
        for one in self.overrides:
            if one.provider_name == provider_name and fnmatchcase(model, one.model):
                rows += _applied(one, model, listed)
        return (*rows, *listed)

    def models(self, provider: str) -> tuple[str, ...]:
        """Give the names a provider's models have here, in order."""
        provider_name = provider_of(provider)
        own = {one.model for one in self.overrides if one.provider_name == provider_name and not _is_glob(one.model)}
        return tuple(sorted(own | set(self.snapshot.names_after(provider_name, ""))))

    def knows(self, model: str) -> bool:
        """Say whether any provider's list has a model of this name."""
        if self._names is None:
            self._names = frozenset(name for _, name in self.snapshot.names()) | {one.model for one in self.overrides}
        return model in self._names

    def rows(self) -> Iterator[Price]:
        """Give every row of every model that is named somewhere, those of one model newest first."""
        named = {(one.provider_name, one.model) for one in self.overrides if one.rates and not _is_glob(one.model)}
        for provider_name, model in sorted(named | set(self.snapshot.names())):
            for _, price in self.dated(provider_name, model):
                yield price

    def _listed(self, provider_name: str, model: str) -> tuple[Price, ...]:
        """Give the list's rows of a model, by its own name or by what its name says exactly.

        A fine-tuned model has its base's fine-tuned rows. A date at the end may be left out where the list
        names at least one other date of that name and all of them cost the same as it: then, and only then,
        the provider has shown that the date makes no difference.
        """
        found = self.snapshot.prices(provider_name, model)
        base, name = untuned(model), undated(model)
        if found or (base is None and name is None):
            return found
        if base is not None:
            return self.snapshot.prices(provider_name, base)
        assert name is not None
        rows = self.snapshot.prices(provider_name, name)
        dates = [other for other in self.snapshot.names_after(provider_name, name) if undated(other) == name]
        alike = all(_money(self.snapshot.prices(provider_name, other)) == _money(rows) for other in dates)
        return rows if dates and alike else ()


def read_book(overrides: Path | None, snapshot: Path = SNAPSHOT) -> PriceBook:
    """Read the bundled list and a house's own prices; raises BadSettings with file, line and what to do."""
    bundled = read_snapshot(snapshot)
    if overrides is None:
        return PriceBook(bundled)
    own = read_overrides(overrides)
    for one in own:
        if one.kept is not None and not _lists(bundled, one):
            raise BadSettings(
                f"{overrides.with_name(one.source)}: no model of {one.provider_name} in the price list is called "
                f"{one.model}, so there is nothing to take a discount on. Give rates instead, or a name that "
                "`weighbridge price list` shows."
            )
    return PriceBook(bundled, own)


def _lists(bundled: Snapshot, one: Override) -> bool:
    """Say whether an override means any model of the list."""
    return any(fnmatchcase(model, one.model) for model in bundled.names_after(one.provider_name, ""))


def _precedence(one: Override) -> tuple[bool, int, int]:
    """Sort a name before a glob, a longer glob before a shorter, and then the newest first."""
    return _is_glob(one.model), -len(one.model), -one.effective_from.toordinal()


def _is_glob(model: str) -> bool:
    return any(sign in model for sign in "*?[")


def _applied(one: Override, model: str, listed: Dated) -> Dated:
    """Give an override as rows: its own rates, or each list price that holds in its time, less the discount."""
    day, limits = one.effective_from.isoformat(), (one.max_input_tokens, one.max_output_tokens)
    start = starts_at(day)
    if one.kept is None:
        return ((start, Price(one.provider_name, model, one.version, one.source, day, one.rates, *limits)),)
    return tuple(
        (max(start, begins), _discounted(one, price, max(day, price.effective_from))) for begins, price in listed
    )


def _discounted(one: Override, price: Price, day: str) -> Price:
    """Give a list price less a discount, exactly; its version names both rows."""
    assert one.kept is not None
    version = f"contract-{sha256(f'{one.version} {price.version}'.encode()).hexdigest()[:HASH_DIGITS]}"
    return replace(
        price,
        version=version,
        source=f"{one.source} on {price.source}",
        effective_from=day,
        rates=tuple(_times(rate, *one.kept) for rate in price.rates),
        max_input_tokens=one.max_input_tokens or price.max_input_tokens,
        max_output_tokens=one.max_output_tokens or price.max_output_tokens,
    )


def _times(rate: Rate, share: int, of: int) -> Rate:
    """Give a fraction of a rate, exactly: for as many more units as it needs to be whole."""
    most = gcd(rate.rate * share, of)
    return replace(rate, rate=NanoUsd(rate.rate * share // most), per=rate.per * (of // most))


def _money(rows: tuple[Price, ...]) -> tuple[object, ...]:
    """Give what rows charge and when, without what they are called."""
    return tuple((row.effective_from, row.hours, row.rates) for row in rows)
