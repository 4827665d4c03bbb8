"""When the made-up company works: how many calls a stream makes on a day, and at which moments of it."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from gateway.demo.company import BAD_DAYS_AGO_MIN, BAD_WEEKDAY, DAYS, DEAR_WEEKS_AGO, OPUS, Model, Work

Thing = TypeVar("Thing")

HOURS = (1, 1, 1, 1, 1, 2, 6, 14, 30, 44, 48, 42, 28, 38, 46, 44, 36, 24, 12, 7, 5, 4, 3, 2)
"""Weight of each hour, UTC: an office day with a lunch break, and a little at night."""

WEEKDAYS = (100, 108, 106, 102, 84)
"""Percent of a stream's typical day, Monday to Friday."""

HOLIDAY = (10, 6)
"""Month and day of a public holiday at the company: a weekday that looks like a Sunday."""


def calls_on(work: Work, day: date, days_ago: int, chance: random.Random) -> int:
    """Give the number of calls on a day: weekday, growth, and some chance."""
    if days_ago > work.first_days_ago:
        return 0
    percent = work.weekend if day.weekday() > 4 or (day.month, day.day) == HOLIDAY else WEEKDAYS[day.weekday()]
    grown = 100 + work.growth * (DAYS - days_ago) // DAYS
    around = work.calls_a_day * percent * max(grown, 0) // 10_000
    return max(round(chance.gauss(around, around**0.5 / 2)), 0)


def moments(count: int, day: date, chance: random.Random) -> Iterator[datetime]:
    """Give so many moments of a day, by the weight of its hours."""
    midnight = datetime.combine(day, time(), UTC)
    for hour in chance.choices(range(24), HOURS, k=count):
        yield midnight + timedelta(hours=hour, seconds=3600 * chance.random())


def model_for(work: Work, chance: random.Random, *, dear: bool) -> Model:
    """Give the model of one call; on a dear day the search answers run on the wrong one."""
    if dear and work.application == "search-answers":
        return OPUS
    return drawn(work.models, chance)


def drawn(weighted: tuple[tuple[Thing, int], ...], chance: random.Random) -> Thing:
    """Give one of some things by their weights."""
    left = chance.random() * sum(weight for _, weight in weighted)
    for thing, weight in weighted:
        left -= weight
        if left < 0:
            return thing
    return weighted[-1][0]


def is_dear(day: date, today: date) -> bool:
    """Say whether a day is in the week of the wrong model."""
    monday = today - timedelta(days=today.weekday() + 7 * DEAR_WEEKS_AGO)
    return monday <= day < monday + timedelta(days=7)


def is_bad(day: date, today: date) -> bool:
    """Say whether a day is the one when a provider failed."""
    latest = today - timedelta(days=BAD_DAYS_AGO_MIN)
    return day == latest - timedelta(days=(latest.weekday() - BAD_WEEKDAY) % 7)
