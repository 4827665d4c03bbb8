"""What people and programs are shown: tables, JSON, notes. Colour and boxes only where a terminal is.

rich is imported where it is used: most of its cost is not ours to pay when a program reads.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import typer

from gateway.commands.moments import rfc3339
from policies.money import NANO

Row = Sequence[str | None]
Progress = Callable[[int, int | None], None]
"""Told how much is done, and of how much where that is known."""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; figures stand to the right."""

    name: str
    right: bool = False


def table(columns: Sequence[Column], rows: Sequence[Row], *, title: str = "", total: Row | None = None) -> None:
    """Show rows under their headings; what is not known is shown as a dash, never as nothing or zero."""
    cells = [[cell(value) for value in row] for row in rows]
    foot = [cell(value) if value else "" for value in total] if total is not None else None
    if sys.stdout.isatty():
        _rich_table(columns, cells, title, foot)
    else:
        _plain_table(columns, cells, title, foot)


def cell(value: str | None) -> str:
    """Give a value fit for a terminal: no control character of a client's text is passed on (T56)."""
    if value is None or value == "":
        return "-"
    return "".join(sign if sign.isprintable() else "?" for sign in value)


def as_json(value: object) -> None:
    """Write one JSON document to standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str | None:
    """Write what JSON has no form for."""
    assert isinstance(value, datetime), type(value)
    return rfc3339(value)


def say(text: str) -> None:
    """Write a line to standard output."""
    typer.echo(text)


def note(text: str) -> None:
    """Write a remark to standard error, where no program takes it for the result."""
    typer.echo(text, err=True)


def fields(pairs: Mapping[str, str | None]) -> None:
    """Show names and values below each other."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        say(f"{name:<{width}}  {cell(value)}")


def box(title: str, lines: Sequence[str]) -> None:
    """Show lines that must not be overlooked, in a frame."""
    width = max(len(line) for line in (title, *lines))
    say(f"┌─ {title} {'─' * (width - len(title))}┐" if _draws() else f"== {title} ==")
    for line in lines:
        say(f"│ {line:<{width}}  │" if _draws() else f"   {line}")
    if _draws():
        say(f"└{'─' * (width + 3)}┘")


@contextlib.contextmanager
def progress(text: str, unit: str = "") -> Iterator[Progress]:
    """Show on a terminal how far something is; say nothing where there is none, or when it is soon done."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:,}" + (f" {unit}" if unit else "")),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def dollars(amount: int | None, decimals: int | None = None) -> str | None:
    """Write money for people: rounded half up to `decimals`, or as many as its size asks for; None stays unknown.

    What is there but rounds to nothing is shown as below the smallest amount that can be seen.
    """
    if amount is None:
        return None
    places = decimals_for((amount,)) if decimals is None else decimals
    sign, size = ("-", -amount) if amount < 0 else ("", amount)
    unit = NANO // 10**places
    whole = (2 * size + unit) // (2 * unit)
    if size and not whole:
        return f"{sign}<${'0.' + '1'.zfill(places) if places else '1'}"
    units, rest = divmod(whole, 10**places)
    return f"{sign}${units:,}" + (f".{rest:0{places}d}" if places else "")


def decimals_for(amounts: Sequence[int | None]) -> int:
    """Give the decimals in which a column can be read: cents where the largest is in the hundreds, else more.

    Below ten cents the largest is shown to four digits.
    """
    largest = max((abs(amount) for amount in amounts if amount is not None), default=0)
    if largest >= 100 * NANO:
        return 2
    if largest >= NANO // 10 or largest == 0:
        return 4
    return min(9, 13 - len(str(largest)))


def _rich_table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str, foot: Sequence[str] | None
) -> None:
    from rich import box as boxes
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(title) if title else None, title_justify="left", box=boxes.SIMPLE_HEAD, pad_edge=False)
    shown.show_footer = foot is not None
    for number, column in enumerate(columns):
        shown.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            footer=Text(foot[number], style="bold") if foot else "",
            overflow="fold",
            no_wrap=number == 0,  # An id that is broken up cannot be copied.
        )
    for row in rows:
        shown.add_row(*(Text(value) for value in row))
    Console(highlight=False).print(shown)


def _plain_table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str, foot: Sequence[str] | None
) -> None:
    lines = [[column.name for column in columns], *rows, *([foot] if foot else [])]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    if title:
        say(title)
    for line in lines:
        parts = (
            f"{value:>{width}}" if column.right else f"{value:<{width}}"
            for value, width, column in zip(line, widths, columns, strict=True)
        )
        say("  ".join(parts).rstrip())


def _draws() -> bool:
    """Say whether lines can be drawn on standard output."""
    return sys.stdout.isatty() and sys.stdout.encoding.lower().replace("-", "") == "utf8"
