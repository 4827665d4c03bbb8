"""From an address's parameters to a view, and back; every parameter that cannot be read says which it is and why."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import urlencode

from policies.tags import value_fits
from reporting.spend import View
from reporting.web.words import DIMENSION_WORDS

DAYS_DEFAULT = 28
"""Four whole weeks: the period before has the same weekdays."""

DAYS_MAX = 731
"""Two years and a leap day; longer periods belong in a report."""

PARAMETERS_MAX = 32
FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2199, 12, 31)

SPOKEN = {"model": "request_model", "provider": "provider_name"}
"""Short words for dimensions, as the API takes them."""

_SHORT = {name: short for short, name in SPOKEN.items()}

NEXT = {"team": "initiative", "initiative": "request_model", "application": "request_model", "request_model": "team"}
"""What one asks next about one team, one initiative, one model."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One parameter that cannot be read, and why."""

    parameter: str
    why: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A view and what was wrong with the words for it; with problems the view is the default in those places."""

    view: View
    problems: tuple[Problem, ...] = ()


def asked(pairs: list[tuple[str, str]], today: date) -> Asked:
    """Read the parameters of an address."""
    problems: list[Problem] = []
    said: dict[str, str] = {}
    if len(pairs) > PARAMETERS_MAX:
        problems.append(Problem("address", f"It has more than {PARAMETERS_MAX} parameters."))
    for name, value in pairs[:PARAMETERS_MAX]:
        if name in said:
            problems.append(Problem(name, "It is given twice; give it once."))
        said[name] = value
    since, until = _period(said, today, problems)
    by = _dimension(said, "by", problems) or "team"
    then = _dimension(said, "then", problems)
    if then == by:
        problems.append(Problem("then", f"The groups are by {_word(by)} already; choose another one."))
        then = None
    where = _where(said, problems)
    return Asked(View(since, until, by, then, where), tuple(problems))


def address(view: View, path: str = "/spend") -> str:
    """Give the address of a view; the same view has one address."""
    pairs = [("since", view.since.isoformat()), ("until", view.until.isoformat()), ("by", short(view.by))]
    if view.then:
        pairs.append(("then", short(view.then)))
    pairs += sorted((short(name), value) for name, value in view.where.items())
    return f"{path}?{urlencode(pairs)}"


def within(view: View, dimension: str, value: str) -> View:
    """Give the view of one group alone, grouped by what one asks next."""
    where = view.where | {dimension: value}
    by = view.then or NEXT.get(dimension, "request_model")
    if by in where:
        others = ("initiative", "request_model", "team", *DIMENSION_WORDS)
        by = next((name for name in others if name not in where), by)
    return replace(view, by=by, then=None, where=where)


def without(view: View, dimension: str) -> View:
    """Give the view with one filter less."""
    return replace(view, where={name: value for name, value in view.where.items() if name != dimension})


def short(name: str) -> str:
    """Give a dimension's word in an address."""
    return _SHORT.get(name, name)


def periods(today: date) -> tuple[tuple[str, date, date], ...]:
    """Give the periods people ask for most: what they are called, first day, the day after the last."""
    tomorrow = today + timedelta(days=1)
    month = today.replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    return (
        ("7 days", tomorrow - timedelta(days=7), tomorrow),
        ("28 days", tomorrow - timedelta(days=28), tomorrow),
        ("90 days", tomorrow - timedelta(days=90), tomorrow),
        ("This month", month, tomorrow),
        ("Last month", before, month),
    )


def _period(said: dict[str, str], today: date, problems: list[Problem]) -> tuple[date, date]:
    """Give the days asked for; the last four weeks, today included, where none or no possible ones are."""
    since, until = _day(said, "since", problems), _day(said, "until", problems)
    until = until or (since + timedelta(days=DAYS_DEFAULT) if since else today + timedelta(days=1))
    since = since or until - timedelta(days=DAYS_DEFAULT)
    if since >= until:
        problems.append(Problem("until", f"It must be after since ({since.isoformat()}); that day is not included."))
    elif (until - since).days > DAYS_MAX:
        problems.append(Problem("since", f"The period has {(until - since).days} days; {DAYS_MAX} are the most."))
    else:
        return since, until
    return today - timedelta(days=DAYS_DEFAULT - 1), today + timedelta(days=1)


def _day(said: dict[str, str], name: str, problems: list[Problem]) -> date | None:
    text = said.get(name, "")
    if not text:
        return None
    try:
        found = date.fromisoformat(text) if len(text) == len("2027-01-31") else None
    except ValueError:
        found = None
    if found is None or not FIRST_DAY <= found <= LAST_DAY:
        problems.append(Problem(name, "It must be a day like 2027-01-31."))
        return None
    return found


def _dimension(said: dict[str, str], name: str, problems: list[Problem]) -> str | None:
    text = said.get(name, "")
    if not text:
        return None
    found = SPOKEN.get(text, text)
    if found not in DIMENSION_WORDS:
        offered = ", ".join(short(dimension) for dimension in DIMENSION_WORDS)
        problems.append(Problem(name, f"It must be one of {offered}."))
        return None
    return found


def _where(said: dict[str, str], problems: list[Problem]) -> dict[str, str]:
    """Give the filters; an empty one is none, as forms send it."""
    where: dict[str, str] = {}
    for name, value in said.items():
        dimension = SPOKEN.get(name, name)
        if name in {"since", "until", "by", "then"} or not value:
            continue
        if dimension not in DIMENSION_WORDS:
            problems.append(Problem(name, "There is no such parameter."))
        elif not value_fits(value):
            problems.append(Problem(name, "It must be 1 to 128 visible characters of ASCII."))
        else:
            where[dimension] = value
    return where


def _word(dimension: str) -> str:
    return DIMENSION_WORDS[dimension].lower()
