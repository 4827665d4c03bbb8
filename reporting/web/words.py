"""Money, counts, shares and days as people read them; money is rounded half up from whole nano-dollars."""

from datetime import date, datetime

NANO_PER_CENT = 10_000_000

DIMENSION_WORDS = {
    "team": "Team",
    "initiative": "Initiative",
    "application": "Application",
    "request_model": "Model",
    "provider_name": "Provider",
    "response_model": "Answering model",
    "environment": "Environment",
    "workflow": "Workflow",
    "product": "Product",
    "cost_centre": "Cost centre",
    "customer": "Customer",
    "operation": "Operation",
    "state": "How it was settled",
    "source": "Source",
}
"""Every dimension the pages show, and its name. No person and no key: a key is often a person."""

UNNAMED = {
    "team": "No team",
    "initiative": "No initiative named",
    "application": "No application named",
    "environment": "No environment named",
    "workflow": "No workflow named",
    "product": "No product named",
    "cost_centre": "No cost centre",
    "customer": "No customer named",
    "response_model": "No answer",
}
"""What a group is called whose calls said nothing; "Not known" for the others."""

_MONTHS = ("", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


def money(amount: int) -> str:
    """Write money for a sentence: $41,870, then $12.34 below 100, then $0.0042 below a cent."""
    if abs(amount) >= 100 * 100 * NANO_PER_CENT - NANO_PER_CENT // 2:
        return f"{_sign(amount)}${_half_up(abs(amount), 100 * NANO_PER_CENT):,}"
    return cents(amount)


def cents(amount: int) -> str:
    """Write money for a column: two places, or two significant digits where it is less than a cent; zero is $0."""
    size = abs(amount)
    if size == 0:
        return "$0"
    if size >= NANO_PER_CENT:
        whole, rest = divmod(_half_up(size, NANO_PER_CENT), 100)
        return f"{_sign(amount)}${whole:,}.{rest:02d}"
    return f"{_sign(amount)}${_two_digits(size)}"


def cost(amount: int, unknown_calls: int) -> str:
    """Write a cost for a column; nought beside calls of unknown cost is not known."""
    return cents(amount) if amount or not unknown_calls else "not known"


def tick(amount: int) -> str:
    """Write money for an axis: no more places than a round number needs."""
    whole, rest = divmod(amount, 100 * NANO_PER_CENT)
    return f"${whole:,}" if rest == 0 else cents(amount)


def count(number: int) -> str:
    """Write a count: 9,312, or 1.2 M and 3.4 bn where digits would only be noise."""
    for size, unit in ((10**9, "bn"), (10**6, "M")):
        if number >= size:
            tenths = _half_up(number * 10, size)
            return f"{tenths // 10:,}.{tenths % 10} {unit}"
    return f"{number:,}"


def share(part: int, whole: int) -> str:
    """Write a share in whole percent; what is little is not none: "<1%". Empty where there is no whole."""
    if whole <= 0:
        return ""
    percent = _half_up(100 * part, whole)
    return "<1%" if percent == 0 and part > 0 else f"{percent}%"


def change(now: int, before: int) -> str:
    """Say how an amount changed against one before that was not zero: "12% more", "about the same"."""
    percent = _half_up(abs(now - before) * 100, before)
    if percent == 0:
        return "about the same"
    if now > 3 * before:
        tenths = _half_up(10 * now, before)
        return f"{tenths // 10}.{tenths % 10} times as much"
    return f"{percent}% {'more' if now > before else 'less'}"


def plural(number: int, one: str, many: str) -> str:
    """Write a number with its word."""
    return f"{count(number)} {one if number == 1 else many}"


def day(at: date) -> str:
    """Write a day: 24 Nov 2026."""
    return f"{at.day} {_MONTHS[at.month][:3]} {at.year}"


def short_day(at: date) -> str:
    """Write a day for an axis: 24 Nov."""
    return f"{at.day} {_MONTHS[at.month][:3]}"


def weekday(at: date) -> str:
    """Write a day with its weekday: Tue 24 Nov."""
    return f"{('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[at.weekday()]} {short_day(at)}"


def span(first: date, last: date) -> str:
    """Write a period by its first and its last day, saying month and year no oftener than needed."""
    ends = f"{last.day} {_MONTHS[last.month]} {last.year}"
    if first == last:
        return f"on {ends}"
    starts = f"{first.day}"
    if (first.month, first.year) != (last.month, last.year):
        starts += f" {_MONTHS[first.month]}"
    if first.year != last.year:
        starts += f" {first.year}"
    return f"from {starts} to {ends}"


def moment(at: datetime) -> str:
    """Write a moment in UTC: 24 Nov 2026, 09:05 UTC."""
    return f"{day(at.date())}, {at:%H:%M} UTC"


def named(dimension: str, value: str | None) -> str:
    """Name a group's value in the reader's words."""
    if value is not None:
        return value
    return UNNAMED.get(dimension, "Not known")


def _two_digits(size: int) -> str:
    """Write less than a cent with two significant digits."""
    places = 9 - len(str(size)) + 2
    rounded = _half_up(size, 10 ** (9 - places)) if places < 9 else size
    places = min(places, 9)
    text = f"0.{rounded:0{places}d}".rstrip("0")
    return text if len(text) > 3 else f"{text}0"


def _half_up(amount: int, unit: int) -> int:
    """Divide, rounded half up."""
    return (2 * amount + unit) // (2 * unit)


def _sign(amount: int) -> str:
    return "\N{MINUS SIGN}" if amount < 0 else ""
