"""Which of several dated rows of one model holds at an instant."""

from collections.abc import Sequence
from datetime import UTC, datetime

from policies.pricing import Price


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
    moment = at.astimezone(UTC)
    minute = (moment.weekday() * 24 + moment.hour) * 60 + moment.minute
    return any(first <= minute < last for first, last in hours)
