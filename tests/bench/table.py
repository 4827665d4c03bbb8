"""The result as people read it: one table of figures, one of ratios; for the terminal and as Markdown."""

from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figures, ratio

OURS = "weighbridge"
YARDSTICKS = ("nginx", "smg", "ferrogw", "litellm SDK", "fastapi+httpx", "splice")
Column = tuple[str, Callable[[Figures], str]]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _pair(scenario: str, unit: float) -> Callable[[Figures], str]:
    def shown(row: Figures) -> str:
        found = [part.get(scenario) for part in (row.added_p50_us, row.added_p99_us)]
        return " / ".join(_number(None if value is None else value / unit) for value in found)

    return shown


COLUMNS: tuple[Column, ...] = (
    ("gateway", lambda row: row.gateway),
    ("CPU us / request", lambda row: _number(row.cpu_us)),
    ("requests/s", lambda row: _number(row.requests_per_s)),
    ("core busy", lambda row: "-" if row.busy is None else f"{row.busy:.0%}"),
    ("added us c1 p50 / p99", _pair("c1", 1)),
    ("added ms c32", _pair("c32", 1000)),
    ("added ms c256", _pair("c256", 1000)),
    ("CPU us / 100 KB", lambda row: _number(row.cpu_us_100k)),
    ("CPU us / chunk", lambda row: _number(row.cpu_us_chunk)),
    ("added ms to first chunk", _pair("stream64", 1000)),
    ("MB idle / max", lambda row: f"{_number(row.idle_mb)} / {_number(row.memory_mb)}"),
    ("start s", lambda row: _number(row.start_s)),
    ("errors", lambda row: f"{row.errors} / {row.requests:,}"),
)


def ratios(rows: Iterable[Figures]) -> tuple[tuple[str, ...], ...]:
    """Give, for each gateway, its cost as a multiple of each yardstick's in the same run."""
    rows = tuple(rows)
    by_name = {row.gateway: row for row in rows}
    present = [name for name in YARDSTICKS if name in by_name]
    parts: tuple[tuple[str, Callable[[Figures], float | None]], ...] = (
        ("request", lambda row: row.cpu_us),
        ("100 KB", lambda row: row.cpu_us_100k),
        ("chunk", lambda row: row.cpu_us_chunk),
        ("memory", lambda row: row.memory_mb),
    )
    head = ("gateway", *(f"{part} x {name}" for name in present for part, _ in parts))
    body = [
        (row.gateway, *(_number(ratio(of(row), of(by_name[name]))) for name in present for _, of in parts))
        for row in rows
    ]
    return (head, *body)


def figure_rows(rows: Iterable[Figures]) -> tuple[tuple[str, ...], ...]:
    """Give head and rows of the table of figures."""
    return (tuple(name for name, _ in COLUMNS), *(tuple(shown(row) for _, shown in COLUMNS) for row in rows))


def as_markdown(cells: tuple[tuple[str, ...], ...]) -> str:
    """Write a table as GitHub's Markdown has it."""
    head, *body = cells
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    return "\n".join(lines)


def show(cells: tuple[tuple[str, ...], ...], title: str, console: Console) -> None:
    """Print a table for people; Weighbridge's own row stands out."""
    head, *body = cells
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in head:
        table.add_column(name, justify="left" if name == "gateway" else "right")
    for row in body:
        table.add_row(*row, style="bold green" if row[0] == OURS else None)
    console.print(table)
