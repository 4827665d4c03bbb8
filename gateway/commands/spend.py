"""weighbridge spend: what was spent, by whom and for what, from the ledger."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.failed import Failed
from gateway.commands.moments import FORMS, period, rfc3339, written
from gateway.commands.opening import Json, book
from gateway.commands.pairs import pairs
from gateway.commands.printing import Column, as_json, decimals_for, dollars, note, say, table

if TYPE_CHECKING:
    from gateway.ledger.entry import SpendQuery, SpendRow

Figure = Callable[["SpendRow"], str | None]

NONE = "(none)"
"""The group of calls that have no value for a dimension."""


def spend(
    ctx: typer.Context,
    *,
    by: Annotated[
        str, typer.Option(metavar="NAMES", help="Up to 4 dimensions, such as team,initiative,model,day.")
    ] = "team",
    since: Annotated[str, typer.Option(metavar="WHEN", help=f"Start: {FORMS}.")] = "month",
    until: Annotated[str, typer.Option(metavar="WHEN", help="End, not in the period; same forms.")] = "now",
    where: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Keep only these calls; repeatable.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV, exact and safe to open in a spreadsheet.")] = False,
    json: Json = False,
) -> None:
    """Show what was spent, by whom and for what.

    A table rounded for people; --csv and --json have every amount exactly.
    """
    from gateway import clock
    from gateway.ledger.entry import SpendQuery
    from gateway.spend_table import as_csv

    if csv and json:
        raise Failed("--csv and --json exclude each other. Give one.", 2)
    names = _names(by.split(","), "--by")
    filters = pairs(where or (), "--where")
    wanted = dict(zip(_names(filters, "--where"), filters.values(), strict=True))
    start, end = period(since, until, clock.now())
    query = SpendQuery(since=start, until=end, by=names, where=wanted)
    with book(ctx) as ledger:
        rows = ledger.spend(query)
    if csv:
        typer.echo(as_csv(names, rows), nl=False)
    elif json:
        as_json(told(query, rows))
    else:
        _show(query, rows)


def told(query: "SpendQuery", rows: "tuple[SpendRow, ...]") -> dict[str, object]:
    """Give the groups and their total in the words of the API; money is exact, in decimal dollars, or None."""
    from gateway.spend_table import added, figures

    return {
        "since": rfc3339(query.since),
        "until": rfc3339(query.until),
        "currency": "USD",
        "by": list(query.by),
        "rows": [{"group": dict(zip(query.by, row.group, strict=True)), **figures(row)} for row in rows],
        "total": figures(added(rows)),
    }


def _names(said: "list[str] | dict[str, str]", option: str) -> tuple[str, ...]:
    """Give dimensions by their full names; raises Failed."""
    from gateway.spend_table import BY_MAX, OFFERED, SHORT, SPOKEN

    words = [word.strip().lower() for word in said if word.strip()]
    names = tuple(dict.fromkeys(SPOKEN.get(word, word) for word in words))
    for name in names:
        if name not in OFFERED:
            known = ", ".join((*SHORT, *OFFERED))
            raise Failed(f"{option}: {name[:40]!a} is no dimension of spend. There are: {known}.", 2)
    if option == "--by" and len(names) > BY_MAX:
        raise Failed(f"--by: group by at most {BY_MAX} dimensions at once.", 2)
    return names


def _show(query: "SpendQuery", rows: "tuple[SpendRow, ...]") -> None:
    """Show a table; columns in which everything is zero are left out."""
    from gateway.spend_table import added, is_known

    title = f"Spend {span(query.since, query.until)}"
    if not rows:
        say(f"{title}: no calls.")
        return
    whole = added(rows)
    decimals = decimals_for([whole.billed_cost])
    optional: dict[str, Figure] = {
        "ESTIMATED": lambda row: dollars(row.estimated_cost, decimals) if row.estimated_cost else None,
        "COST NOT KNOWN": lambda row: f"{row.unknown_calls:,}" if row.unknown_calls else None,
    }
    figures: dict[str, Figure] = {
        "CALLS": lambda row: f"{row.calls:,}",
        "COST": lambda row: dollars(row.billed_cost, decimals) if is_known(row) else None,
        **{name: figure for name, figure in optional.items() if figure(whole) is not None},
        "INPUT": lambda row: f"{row.input_tokens:,}",
        "CACHED": lambda row: f"{row.cache_read_input_tokens:,}",
        "OUTPUT": lambda row: f"{row.output_tokens:,}",
    }
    headings = [Column(name.upper().replace("_", " ")) for name in query.by]
    headings += [Column(name, right=True) for name in figures]
    lines = [(*(value or NONE for value in row.group), *(figure(row) for figure in figures.values())) for row in rows]
    total = (*(("TOTAL", *[""] * (len(query.by) - 1)) if query.by else ()), *(one(whole) for one in figures.values()))
    table(headings, lines, title=title, total=total if len(rows) > 1 else None)
    if whole.unknown_calls:
        calls, are = ("call has", "is") if whole.unknown_calls == 1 else ("calls have", "are")
        note(
            f"{whole.unknown_calls:,} {calls} no known cost and {are} not in COST; "
            "weighbridge spend --by model,state shows which."
        )


def span(since: datetime, until: datetime) -> str:
    """Say a half-open period."""
    return f"from {written(since)} to before {written(until)} (UTC)"
