"""Spend as tables: exact totals, decimal dollars, and CSV from which every value comes back as text."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.entry import FIGURES, SpendRow
from gateway.spend_table import FORMULA, MONEY, added, as_csv, figures, is_known, plain
from policies.money import from_usd

COUNTS = st.integers(0, 2**63 - 1)
ROWS = st.builds(
    SpendRow,
    group=st.tuples(st.none() | st.text(st.characters(codec="utf-8"), max_size=12)),
    **dict.fromkeys(FIGURES, COUNTS),
)


@given(st.lists(ROWS, max_size=6))
def test_the_total_is_the_sum_of_the_rows_to_the_nano_dollar(rows: list[SpendRow]) -> None:
    whole = added(rows)
    for name in FIGURES:
        assert getattr(whole, name) == sum(getattr(row, name) for row in rows)


@given(ROWS)
def test_known_money_in_dollars_comes_back_exactly(row: SpendRow) -> None:
    told = figures(row)
    assert tuple(told) == FIGURES
    for name in MONEY:
        if is_known(row):
            assert from_usd(str(told[name])) == getattr(row, name)
        else:
            assert told[name] is None


@pytest.mark.parametrize(
    ("billed_cost", "unknown_calls", "told", "cell"),
    [(0, 0, "0", "0"), (1, 1, "0.000000001", "0.000000001"), (0, 1, None, ""), (0, 2, None, "")],
)
def test_a_cost_of_which_nothing_is_known_is_never_nought(
    billed_cost: int, unknown_calls: int, told: str | None, cell: str
) -> None:
    counted = dict.fromkeys(FIGURES, 0) | {"calls": 2, "billed_cost": billed_cost, "unknown_calls": unknown_calls}
    row = SpendRow(group=("lost",), **counted)
    assert figures(row)["billed_cost"] == told
    (line,) = csv.DictReader(io.StringIO(as_csv(("team",), [row]), newline=""))
    assert (line["billed_cost"], line["unknown_calls"]) == (cell, str(unknown_calls))


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_T57_every_value_comes_back_from_the_csv_and_none_is_a_formula(rows: list[SpendRow]) -> None:
    text = as_csv(("team",), rows)
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == ["team", *FIGURES]
    assert len(read) == len(rows) + 1
    for row, cells in zip(rows, read[1:], strict=True):
        value = row.group[0] or ""
        assert cells[0] == (f"'{value}" if value.startswith(FORMULA) else value)
        assert cells[1:] == ["" if figure is None else str(figure) for figure in figures(row).values()]


@pytest.mark.parametrize("start", FORMULA)
def test_T57_what_a_spreadsheet_would_run_gets_a_quote_before_it(start: str) -> None:
    assert plain(f"{start}1") == f"'{start}1"
    assert plain(f"1{start}") == f"1{start}"


def test_an_empty_table_has_its_head() -> None:
    assert as_csv((), ()) == ",".join(FIGURES) + "\r\n"
    assert added(()).calls == 0
