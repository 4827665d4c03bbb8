"""What people ask of prices: which there are, how one came to be, what changed, and where the sources disagree."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.prices.book import PriceBook
from gateway.prices.changes import changes_between, largest
from gateway.prices.dated import holding, newest_first
from gateway.prices.disagreements import DISAGREEMENTS as DISAGREEMENTS
from gateway.prices.disagreements import Disagreement as Disagreement
from gateway.prices.disagreements import read_disagreements as read_disagreements
from gateway.prices.names import provider_of
from policies.pricing import Price


@dataclass(frozen=True, slots=True)
class PriceChange:
    """One row that came, went or charges otherwise.

    `percent` is the largest change of one of its rates against the price that held before, rounded away from
    zero; None where a row comes or goes, or a rate comes from or goes to nothing.
    """

    provider_name: str
    model: str
    before: Price | None
    after: Price | None
    percent: int | None


def list_prices(book: PriceBook, *, provider: str | None = None, contains: str | None = None) -> tuple[Price, ...]:
    """Give all rows, or those of a provider, or those whose model's name contains a text in any case."""
    name = provider_of(provider) if provider is not None else None
    wanted = contains.lower() if contains is not None else ""
    return tuple(
        price
        for price in book.rows()
        if (name is None or price.provider_name == name) and wanted in price.model.lower()
    )


def show_price(book: PriceBook, provider: str, model: str, at: datetime) -> tuple[Price, ...]:
    """Give every row of a model, the one that holds at `at` first, then the others as they would be asked."""
    rows = tuple(price for _, price in book.dated(provider, model))
    held = book.find(provider, model, at)
    return rows if held is None else (held, *(price for price in rows if price != held))


def diff_books(old: PriceBook, new: PriceBook) -> tuple[PriceChange, ...]:
    """Give every row of the new book that the old has not, and every row that is gone, by provider and model."""
    before, after = _by_model(old.rows()), _by_model(new.rows())
    found: list[PriceChange] = []
    for key in sorted(before.keys() | after.keys()):
        olds, news = before.get(key, ()), after.get(key, ())
        held = newest_first(olds)
        for price in news:
            if not any(_alike(price, one) for one in olds):
                start = datetime.fromisoformat(price.effective_from).replace(tzinfo=UTC)
                was = next((one for one in olds if _same_time(one, price)), None) or holding(held, start)
                found.append(PriceChange(*key, was, price, largest(changes_between(was, price)) if was else None))
        gone = (price for price in olds if not any(_same_time(price, one) for one in news))
        found += (PriceChange(*key, price, None, None) for price in gone)
    return tuple(found)


def _by_model(prices: Iterable[Price]) -> Mapping[tuple[str, str], list[Price]]:
    """Group rows by provider and model."""
    found: dict[tuple[str, str], list[Price]] = defaultdict(list)
    for price in prices:
        found[price.provider_name, price.model].append(price)
    return found


def _same_time(one: Price, other: Price) -> bool:
    """Say whether two rows begin on the same day and hold in the same hours."""
    return (one.effective_from, one.hours) == (other.effective_from, other.hours)


def _alike(one: Price, other: Price) -> bool:
    """Say whether two rows charge the same at the same times."""
    return _same_time(one, other) and one.rates == other.rates
