"""Which of several dated rows of one model holds at an instant."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from policies.pricing import Price

MINUTES_OF_A_WEEK = 7 * 24 * 60
_MINUTE = timedelta(minutes=1)
_A_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def newest_first(prices: Sequence[Price]) -> tuple[tuple[datetime, Price], ...]:
    """Sort rows for `holding`, each with the instant it begins; of one day those bound to hours come first."""
    dated = [(datetime.fromisoformat(price.effective_from).replace(tzinfo=UTC), price) for price in prices]
    return tuple(sorted(dated, key=lambda one: (one[0], bool(one[1].hours)), reverse=True))


def holding(rows: Sequence[tuple[datetime, Price]], at: datetime) -> Price | None:
    """Give the newest row that has begun at `at` and whose hours it is, if any."""
    for start, price in rows:
        if start <= at and (not price.hours or _within(price.hours, at)):
            return price
    return None


def _within(hours: tuple[tuple[int, int], ...], at: datetime) -> bool:
    """Say whether an instant lies in one of these half-open ranges of minutes of the week, UTC."""
    minute = (at - _A_MONDAY) // _MINUTE % MINUTES_OF_A_WEEK
    for first, last in hours:  # noqa: SIM110 - a generator costs more than all the rest of a look-up
        if first <= minute < last:
            return True
    return False
