"""The Spend page's numbers in the page's words: what the template prints, and the same as JSON and CSV."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from gateway.ledger.entry import SpendRow
from gateway.spend_table import added, as_csv, figures, is_known
from reporting.spend import Group, Spend, View, midnight
from reporting.web import words
from reporting.web.chart import SERIES_MAX, Chart, Series, binned, draw
from reporting.web.names import Names
from reporting.web.view import address, periods, short, within, without

GROUPS_SHOWN = 40
PARTS_SHOWN = 8
"""Lines of a table that people read; CSV and JSON have them all."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table, in words."""

    name: str
    id: str
    note: str
    href: str | None
    tone: str
    cost: str
    share: str
    bar: int | None
    calls: str
    input_tokens: str
    cached: str
    output_tokens: str
    unknown: str
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class DayLine:
    """One bar of the chart as a line of the table under it; `unknown` is the number of calls of unknown cost."""

    name: str
    amounts: tuple[str, ...]
    total: str
    unknown: str


BAR_WIDTH = 72


def page(spend: Spend, names: Names) -> dict[str, object]:
    """Give what the template prints."""
    view, today = spend.view, spend.as_of.date()
    series = _series(spend, names)
    unknown = spend.unknown_by_day
    return {
        "view": view,
        "spend": spend,
        "headline": headline(spend),
        "facts": _facts(spend),
        "filters": [_filter(view, name, names) for name in view.where],
        "series": series,
        "chart": _chart(spend, series),
        "days": _days(spend, series),
        "lines": _lines(spend, names),
        "more": max(len(spend.groups) - GROUPS_SHOWN, 0),
        "total": replace(_line(spend.total, spend, name="Total"), bar=None),
        "has_unknown": bool(unknown),
        "periods": [
            (name, address(replace(view, since=since, until=until)), (view.since, view.until) == (since, until))
            for name, since, until in periods(today)
        ],
        "links": {kind: address(view, f"/spend.{kind}") for kind in ("csv", "json")},
        "as_of": words.moment(spend.as_of),
        "by_word": words.DIMENSION_WORDS[view.by],
        "then_word": words.DIMENSION_WORDS[view.then] if view.then else None,
    }


@dataclass(frozen=True, slots=True)
class Headline:
    """The page's one sentence, in the pieces that are set apart: amount, period, change and what it is against."""

    amount: str
    period: str
    change: str
    against: str


def headline(spend: Spend) -> Headline:
    """Say the total and its change against the period before."""
    view, today = spend.view, spend.as_of.date()
    period = words.span(view.since, view.last)
    running = view.since <= today < view.until
    before = words.plural(view.days, "day", "days") if view.days > 1 else "day"
    is_part = (spend.before_until - spend.before_since) < midnight(view.until) - midnight(view.since)
    stretch = f"the {before} before{', up to the same point' if is_part else ''}"
    now, then = spend.total.billed_cost, spend.before.billed_cost
    if not spend.before.calls:
        change, against = "", f"nothing was called in the {before} before"
    elif then <= 0:
        change, against = "", f"no cost is known of the {before} before"
    else:
        change, against = words.change(now, then), f"{stretch} ({words.money(then)})"
    amount = words.money(now) if is_known(spend.total) else "Not known"
    return Headline(amount, f"{period}{', so far' if running else ''}", change, against)


def as_json(spend: Spend) -> dict[str, object]:
    """Give the page's numbers: money in dollars as exact strings, None where not known; moments as RFC 3339."""
    view = spend.view
    by = (view.by, view.then) if view.then else (view.by,)
    return {
        "since": midnight(view.since),
        "until": midnight(view.until),
        "as_of": spend.as_of,
        "currency": "USD",
        "by": by,
        "where": view.where,
        "demo": spend.has_demo,
        "total": figures(spend.total),
        "before": {"since": spend.before_since, "until": spend.before_until, **figures(spend.before)},
        "no_initiative": figures(spend.unnamed),
        "rows": [{"group": dict(zip(by, row.group, strict=True)), **figures(row)} for row in spend.rows],
        "days": [
            {"day": day, "group": {view.by: group.value}, "billed_cost": figures(row)["billed_cost"]}
            for group in spend.groups
            for day, row in sorted(group.by_day.items())
        ],
    }


def csv(spend: Spend) -> str:
    """Give the table as CSV; no value in it is a formula."""
    view = spend.view
    return as_csv((view.by, view.then) if view.then else (view.by,), spend.rows)


def _series(spend: Spend, names: Names) -> list[Series]:
    """Give the chart's colours: the largest groups, all further ones as one, and what named nothing on top."""
    view = spend.view
    named = [group for group in spend.groups if group.value is not None]
    shown = [group for group in named if group.total.billed_cost][:SERIES_MAX]
    series = [_one_series(names.of(view.by, group.value), f"s{n}", [group]) for n, group in enumerate(shown, 1)]
    others = [group for group in named[len(shown) :] if group.total.billed_cost]
    if others:
        series.append(_one_series(words.plural(len(others), "other", "others"), "others", others))
    unnamed = [group for group in spend.groups if group.value is None and group.total.billed_cost]
    if unnamed:
        series.append(_one_series(words.named(view.by, None), "unnamed", unnamed))
    return series


def _one_series(name: str, tone: str, groups: list[Group]) -> Series:
    """Give groups as one colour: their known money by day, and by day the calls whose cost is not known."""
    amounts: dict[date, int] = {}
    unknown: dict[date, int] = {}
    for group in groups:
        for day, row in group.by_day.items():
            amounts[day] = amounts.get(day, 0) + row.billed_cost
            unknown[day] = unknown.get(day, 0) + row.unknown_calls
    return Series(name, tone, amounts, unknown)


def _chart(spend: Spend, series: list[Series]) -> Chart | None:
    if not series and not spend.unknown_by_day:
        return None
    return draw(series, spend.view.since, spend.view.until, spend.unknown_by_day)


def _days(spend: Spend, series: list[Series]) -> list[DayLine]:
    lines = []
    for days in reversed(binned(spend.view.since, spend.view.until)):
        amounts = [_over(days, one.by_day) for one in series]
        unknown = _over(days, spend.unknown_by_day)
        name = (
            words.weekday(days[0]) if len(days) == 1 else f"{words.short_day(days[0])} to {words.short_day(days[-1])}"
        )
        lacking = [_over(days, one.unknown_by_day) for one in series]
        texts = tuple(words.cost(*pair) for pair in zip(amounts, lacking, strict=True))
        lines.append(DayLine(name, texts, words.cost(sum(amounts), unknown), f"{unknown:,}" if unknown else ""))
    return lines


def _over(days: list[date], by_day: Mapping[date, int]) -> int:
    return sum(by_day.get(day, 0) for day in days)


def _lines(spend: Spend, names: Names) -> list[tuple[Line, list[Line]]]:
    """Give the table: each group with its parts."""
    view = spend.view
    named = [group.value for group in spend.groups if group.value is not None and group.total.billed_cost]
    tones = {value: f"s{n}" for n, value in enumerate(named[:SERIES_MAX], 1)}
    lines = []
    for group in spend.groups[:GROUPS_SHOWN]:
        tone = "unnamed" if group.value is None else tones.get(group.value, "others")
        line = replace(
            _line(group.total, spend, name=names.of(view.by, group.value)),
            id=names.id_of(view.by, group.value),
            note=names.note(view.by, group.value),
            href=address(within(view, view.by, group.value)) if group.value is not None else None,
            tone=tone,
        )
        lines.append((line, _parts(group, spend, names)))
    return lines


def _parts(group: Group, spend: Spend, names: Names) -> list[Line]:
    """Give the lines below a group; many small ones become one."""
    then = spend.view.then
    if then is None:
        return []
    lines = [
        replace(_line(row, spend, name=names.of(then, row.group[1])), note=names.note(then, row.group[1]), is_part=True)
        for row in group.parts[:PARTS_SHOWN]
    ]
    rest = group.parts[PARTS_SHOWN:]
    if rest:
        name = words.plural(len(rest), "other", "others")
        lines.append(replace(_line(added(rest), spend, name=name), is_part=True))
    return lines


def _line(row: SpendRow, spend: Spend, *, name: str) -> Line:
    known = is_known(row)
    whole = spend.total.billed_cost
    return Line(
        name=name,
        id="",
        note="",
        href=None,
        tone="",
        cost=words.cost(row.billed_cost, row.unknown_calls),
        share=words.share(row.billed_cost, whole) if known else "",
        bar=_scaled(row.billed_cost, whole),
        calls=f"{row.calls:,}",
        input_tokens=words.count(row.input_tokens),
        cached=words.share(row.cache_read_input_tokens, row.input_tokens),
        output_tokens=words.count(row.output_tokens),
        unknown=f"{row.unknown_calls:,}" if row.unknown_calls else "",
    )


def _scaled(part: int, whole: int) -> int:
    if whole <= 0 or part <= 0:
        return 0
    return max((2 * part * BAR_WIDTH + whole) // (2 * whole), 1)


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure beside the sentence: what it is, how much, and what belongs to it."""

    name: str
    value: str
    note: str
    tone: str = ""


def _facts(spend: Spend) -> list[Fact]:
    """Give what a reader asks next; what is not known is said with its count, never as 0."""
    total = spend.total
    cached = words.share(total.cache_read_input_tokens, total.input_tokens)
    facts = [
        Fact("Calls", f"{total.calls:,}", _each(total)),
        Fact("Input tokens", words.count(total.input_tokens), f"{cached} read from the cache" if cached else ""),
        Fact("Output tokens", words.count(total.output_tokens), _reasoning(total)),
    ]
    if spend.unnamed.calls:
        cost = words.money(spend.unnamed.billed_cost) if is_known(spend.unnamed) else "not known"
        of_all = words.share(spend.unnamed.billed_cost, total.billed_cost)
        facts.append(Fact("No initiative named", cost, f"{of_all} of all" if of_all else "", "warn"))
    if total.unknown_calls:
        calls = words.plural(total.unknown_calls, "call", "calls")
        facts.append(Fact("Cost not known", calls, "not in the total", "warn"))
    if total.estimated_cost:
        of_all = words.share(total.estimated_cost, total.billed_cost)
        facts.append(Fact("Estimated", words.money(total.estimated_cost), f"{of_all} of all"))
    return facts


def _each(total: SpendRow) -> str:
    """Give the mean cost of the calls whose cost is known."""
    known = total.calls - total.unknown_calls
    return f"{words.money(total.billed_cost // known)} each" if known > 0 and total.billed_cost > 0 else ""


def _reasoning(total: SpendRow) -> str:
    thought = words.share(total.reasoning_output_tokens, total.output_tokens)
    return f"{thought} of it reasoning" if total.reasoning_output_tokens else ""


def _filter(view: View, name: str, names: Names) -> dict[str, str]:
    return {
        "word": words.DIMENSION_WORDS[name],
        "name": names.of(name, view.where[name]),
        "parameter": short(name),
        "value": view.where[name],
        "without": address(without(view, name)),
    }
