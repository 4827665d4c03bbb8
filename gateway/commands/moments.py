"""Reads the moments people write: dates, RFC 3339, and words such as 7d, today or month. All days are UTC days."""

import re
from datetime import UTC, datetime, timedelta

from gateway.commands.failed import Failed

FORMS = "a date (2026-11-01), a moment (2026-11-01T08:00:00Z), 24h, 7d, 4w, now, today, yesterday, month or last-month"

_AGO = re.compile(r"(\d{1,5})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def moment(said: str, now: datetime, option: str) -> datetime:
    """Give the moment that `said` stands for, in UTC; raises Failed naming the option it came by.

    A count of days or weeks starts at a midnight, so that whole days are shown; hours go back from now.
    """
    try:
        at = _read(said.strip(), now.astimezone(UTC))
    except (ValueError, OverflowError):
        at = None
    if at is not None and at.tzinfo is None:
        raise Failed(f"{option}: {said!r} has no time zone. Add Z for UTC, or an offset such as +01:00.", code=2)
    if at is None or not 2000 <= at.year < 2200:
        raise Failed(f"{option}: {said!r} is no moment. Write {FORMS}.", code=2)
    return at.astimezone(UTC)


def _read(said: str, now: datetime) -> datetime:
    """Give the moment; raises ValueError or OverflowError where there is none."""
    word = said.lower()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if ago := _AGO.fullmatch(word):
        start = now if ago.group(2) == "h" else midnight
        return start - int(ago.group(1)) * _UNITS[ago.group(2)]
    if _DATE.fullmatch(word):
        return datetime.fromisoformat(f"{word}T00:00:00Z")
    match word:
        case "now":
            return now
        case "today":
            return midnight
        case "yesterday":
            return midnight - timedelta(days=1)
        case "month":
            return midnight.replace(day=1)
        case "last-month":
            return (midnight.replace(day=1) - timedelta(days=1)).replace(day=1)
        case _:
            return datetime.fromisoformat(said)


def period(since: str, until: str, now: datetime) -> tuple[datetime, datetime]:
    """Give a half-open period, start <= t < end; raises Failed."""
    start, end = moment(since, now, "--since"), moment(until, now, "--until")
    if start >= end:
        raise Failed(f"--since ({written(start)}) must be before --until ({written(end)}).", code=2)
    return start, end


def written(at: datetime) -> str:
    """Write a moment for people: a midnight as its date, anything else to the second, in UTC."""
    at = at.astimezone(UTC)
    if (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0):
        return at.strftime("%Y-%m-%d")
    return at.strftime("%Y-%m-%d %H:%M:%SZ")


def rfc3339(at: datetime | None) -> str | None:
    """Write a moment for programs, in UTC with a Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
