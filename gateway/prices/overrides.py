"""Reads a house's own prices, contract rates and discounts as people write them: exact, or refused with their line."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.prices.names import provider_of
from gateway.prices.rates import exact, per_of
from gateway.prices.snapshot import HASH_DIGITS
from gateway.settings import BadSettings
from gateway.settings_lines import Keys, Place, lines_of, nearest_line
from policies.pricing import METERS, TIERS, Rate, Tier

FILE_BYTES_MAX = 2**20
"""Thousands of contract rows; more is not written by hand."""

PRICED_TIERS = tuple(tier for tier in TIERS if tier != "standard")
ROW_KEYS = ("provider", "model", "effective_from", "discount_percent", "max_input_tokens", "max_output_tokens")
PERCENT_DECIMALS_MAX = 6
"""A contract states no finer discount; more digits would make rates for more units than anybody reads."""
FEE_PER = 1
"""A fee is stated for one request, as contracts do; all else for the price list's units."""


@dataclass(frozen=True, slots=True)
class Override:
    """One row of a house's own prices: rates, or what a discount leaves of the list price, as a fraction.

    `model` is a name or a glob. `version` names the row for ever; `source` says in which file and line it stands.
    """

    provider_name: str
    model: str
    effective_from: date
    version: str
    source: str
    rates: tuple[Rate, ...] = ()
    kept: tuple[int, int] | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None


def read_overrides(path: Path) -> tuple[Override, ...]:
    """Give the rows of a file in its order; raises BadSettings with file, line and what to do."""
    try:
        raw = path.read_bytes()
        if len(raw) > FILE_BYTES_MAX:
            raise BadSettings(f"{path}: a file of prices has at most {FILE_BYTES_MAX} bytes.")
        text = raw.decode()
        tree = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: the file of prices cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path} is not valid TOML: {error}.") from error
    reader = _Reader(path, Place(path, lines_of(text)))
    reader.only(tree, (), ("price",))
    found = tuple(reader.row(number, row) for number, row in enumerate(reader.tables(tree, (), "price")))
    seen: dict[tuple[str, str, date], int] = {}
    for number, one in enumerate(found):
        earlier = seen.setdefault((one.provider_name, one.model, one.effective_from), number)
        if earlier != number:
            where = reader.place.at("price", number)
            raise BadSettings(f"{where} prices the same from the same day as price[{earlier}]. Keep one of them.")
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one file; knows where everything stands in it."""

    path: Path
    place: Place

    def row(self, number: int, row: Mapping[str, Any]) -> Override:
        """Read one [[price]]."""
        keys: Keys = ("price", number)
        self.only(row, keys, (*ROW_KEYS, *PRICED_TIERS, "above", *METERS))
        provider_name, model = provider_of(self._text(row, keys, "provider")), self._text(row, keys, "model")
        since = self._day(row, keys)
        rates, kept = tuple(self._rates(row, keys, "standard")), self._kept(row, keys)
        for tier in PRICED_TIERS:
            if tier in row:
                table = self._table(row[tier], (*keys, tier))
                self.only(table, (*keys, tier), ("above", *METERS))
                rates = (*rates, *self._rates(table, (*keys, tier), tier))
        if bool(rates) == (kept is not None):
            raise BadSettings(f"{self.place.at(*keys)}: give either rates or discount_percent.")
        written = repr((provider_name, model, since, rates, kept)).encode()
        return Override(
            provider_name,
            model,
            since,
            version=f"contract-{sha256(written).hexdigest()[:HASH_DIGITS]}",
            source=f"{self.path.name}:{nearest_line(self.place.lines, keys)}",
            rates=rates,
            kept=kept,
            max_input_tokens=self._limit(row, keys, "max_input_tokens"),
            max_output_tokens=self._limit(row, keys, "max_output_tokens"),
        )

    def tables(self, tree: Mapping[str, Any], keys: Keys, name: str) -> list[Mapping[str, Any]]:
        """Give a list of tables; an absent one is empty."""
        found = tree.get(name, [])
        if not isinstance(found, list):
            raise BadSettings(f"{self.place.at(*keys, name)} must be a list of tables.")
        return [self._table(one, (*keys, name, number)) for number, one in enumerate(found)]

    def only(self, table: Mapping[str, Any], keys: Keys, known: tuple[str, ...]) -> None:
        """Refuse a key that means nothing here."""
        for name in table:
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f'; did you mean "{close[0]}"?' if close else "."
                raise BadSettings(
                    f"{self.place.at(*keys, name)} means nothing here{hint} docs/prices.md lists all keys."
                )

    def _rates(self, table: Mapping[str, Any], keys: Keys, tier: Tier) -> Iterator[Rate]:
        """Give the rates of a table, those past a threshold among them."""
        for meter in METERS:
            if meter in table:
                yield self._rate(table[meter], (*keys, meter), tier, 0)
        for number, band in enumerate(self.tables(table, keys, "above")):
            here = (*keys, "above", number)
            self.only(band, here, ("input_tokens", *METERS))
            above = band.get("input_tokens")
            if not isinstance(above, int) or isinstance(above, bool) or above <= 0:
                raise BadSettings(f"{self.place.at(*here, 'input_tokens')} must be a number of tokens above zero.")
            for meter in METERS:
                if meter in band:
                    yield self._rate(band[meter], (*here, meter), tier, above)

    def _rate(self, written: object, keys: Keys, tier: Tier, above: int) -> Rate:
        """Read one rate."""
        meter = next(one for one in METERS if one == keys[-1])
        per = FEE_PER if meter == "request" else per_of(meter)
        try:
            return exact(meter, self._decimal(written, keys), per=per, tier=tier, above=above)
        except ValueError as error:
            raise BadSettings(f"{self.place.at(*keys)}: {error}.") from error

    def _kept(self, row: Mapping[str, Any], keys: Keys) -> tuple[int, int] | None:
        """Give what a discount leaves, as a fraction in lowest terms."""
        if "discount_percent" not in row:
            return None
        here = (*keys, "discount_percent")
        percent = self._decimal(row["discount_percent"], here)
        if not 0 < percent <= 100 or percent != round(percent, PERCENT_DECIMALS_MAX):
            raise BadSettings(
                f"{self.place.at(*here)} must be above 0 and at most 100, with at most {PERCENT_DECIMALS_MAX} decimals."
            )
        return Fraction(100 - Fraction(percent), 100).as_integer_ratio()

    def _decimal(self, written: object, keys: Keys) -> Decimal:
        """Read a decimal that people wrote in quotes, so that no binary fraction comes between."""
        if not isinstance(written, str):
            raise BadSettings(f'{self.place.at(*keys)} must be text in quotes, as "2.50".')
        try:
            found = Decimal(written)
        except InvalidOperation as error:
            raise BadSettings(f'{self.place.at(*keys)}: "{written}" is no number.') from error
        if not found.is_finite() or found < 0:
            raise BadSettings(f'{self.place.at(*keys)}: "{written}" is not an amount that can be paid.')
        return found

    def _day(self, row: Mapping[str, Any], keys: Keys) -> date:
        """Read the day a row begins, midnight UTC."""
        written = row.get("effective_from")
        if isinstance(written, date) and not isinstance(written, datetime):
            return written
        try:
            return date.fromisoformat(written if isinstance(written, str) else "")
        except ValueError as error:
            raise BadSettings(f"{self.place.at(*keys, 'effective_from')} must be a day, as 2026-01-01.") from error

    def _text(self, row: Mapping[str, Any], keys: Keys, name: str) -> str:
        written = row.get(name)
        if not isinstance(written, str) or not written:
            raise BadSettings(f"{self.place.at(*keys, name)} must be text in quotes.")
        return written

    def _limit(self, row: Mapping[str, Any], keys: Keys, name: str) -> int | None:
        written = row.get(name)
        if written is not None and (not isinstance(written, int) or isinstance(written, bool) or written <= 0):
            raise BadSettings(f"{self.place.at(*keys, name)} must be a number of tokens above zero.")
        return written

    def _table(self, found: object, keys: Keys) -> Mapping[str, Any]:
        if not isinstance(found, dict):
            raise BadSettings(f"{self.place.at(*keys)} must be a table.")
        return found
