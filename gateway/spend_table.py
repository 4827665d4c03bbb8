"""Spend rows as tables: totals, decimal dollars, and CSV that a spreadsheet takes as text."""

import csv
import io
from collections.abc import Iterable

from gateway.ledger.entry import DIMENSIONS, FIGURES, SpendRow
from policies.money import NanoUsd, to_usd
from policies.tags import ALIASES

OFFERED = tuple(name for name in DIMENSIONS if name != "person")
"""What spend is grouped and filtered by. A mirror, not a monitor: nobody's spend is shown to others by person."""

BY_MAX = 4
SHORT = {"model": "request_model", "provider": "provider_name", "key": "key_id"}
SPOKEN = {said: name for said, name in ALIASES.items() if name in OFFERED and said not in OFFERED} | SHORT
"""Other words for dimensions: those that a tag may be given by (env, epic), and short ones."""

MONEY = ("billed_cost", "estimated_cost")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
"""What makes a spreadsheet run a cell instead of showing it (OWASP ASVS 5.0, 1.2.10, read 2026-11-25)."""


def is_known(row: SpendRow) -> bool:
    """Say whether a row's cost says anything: where only nought is known beside unknown calls, it does not.

    A call that was refused or failed for sure costs a known 0; beside calls of unknown cost it makes no sum.
    """
    return row.billed_cost != 0 or row.unknown_calls == 0


def figures(row: SpendRow) -> dict[str, int | str | None]:
    """Give a row's figures by name, money in dollars and None where it is not known."""
    return {name: _money(row, name) if name in MONEY else int(getattr(row, name)) for name in FIGURES}


def _money(row: SpendRow, name: str) -> str | None:
    return to_usd(NanoUsd(getattr(row, name))) if is_known(row) else None


def added(rows: Iterable[SpendRow]) -> SpendRow:
    """Give the sum of rows."""
    sums = dict.fromkeys(FIGURES, 0)
    for row in rows:
        for name in FIGURES:
            sums[name] += getattr(row, name)
    return SpendRow(group=(), **sums)


def as_csv(by: tuple[str, ...], rows: Iterable[SpendRow]) -> str:
    """Give rows as CSV (RFC 4180), the dimensions first: unknown money is empty, no value is a formula (T57)."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow((*by, *FIGURES))
    for row in rows:
        table.writerow((*(plain(value or "") for value in row.group), *figures(row).values()))
    return text.getvalue()


def plain(value: str) -> str:
    """Give a value that no spreadsheet runs: one that could be a formula gets a quote before it."""
    return f"'{value}" if value.startswith(FORMULA) else value
