"""What the command line reads and writes for people: moments, pairs, money, tables."""

import io
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.failed import Failed
from gateway.commands.moments import moment, period, rfc3339, written
from gateway.commands.pairs import pairs
from gateway.commands.printing import Column, box, cell, decimals_for, dollars, progress, table
from policies.money import NANO

NOW = datetime(2026, 11, 25, 14, 30, 15, 500, tzinfo=UTC)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("now", NOW),
        ("today", utc(2026, 11, 25)),
        ("Yesterday", utc(2026, 11, 24)),
        ("month", utc(2026, 11, 1)),
        ("last-month", utc(2026, 10, 1)),
        ("0d", utc(2026, 11, 25)),
        ("7d", utc(2026, 11, 18)),
        (" 30D ", utc(2026, 10, 26)),
        ("2w", utc(2026, 11, 11)),
        ("24h", NOW - timedelta(hours=24)),
        ("2026-02-28", utc(2026, 2, 28)),
        ("2024-02-29", utc(2024, 2, 29)),
        ("2000-01-01", utc(2000, 1, 1)),
        ("2199-12-31", utc(2199, 12, 31)),
        ("2026-11-01T08:00:00Z", utc(2026, 11, 1, 8)),
        ("2026-11-01T08:00:00+01:00", utc(2026, 11, 1, 7)),
        ("2026-11-01 08:00Z", utc(2026, 11, 1, 8)),
    ],
)
def test_a_moment_is_read_as_people_write_it(said: str, means: datetime) -> None:
    assert moment(said, NOW, "--since") == means
    assert moment(said, NOW, "--since").tzinfo is UTC


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("", "is no moment"),
        ("soon", "is no moment"),
        ("7x", "is no moment"),
        ("-7d", "is no moment"),
        ("100000d", "is no moment"),
        ("99999w", "is no moment"),
        ("2026-02-29", "is no moment"),
        ("2026-13-01", "is no moment"),
        ("26-11-01", "is no moment"),
        ("1999-12-31", "is no moment"),
        ("2200-01-01", "is no moment"),
        ("2026-11-01T08:00:00", "has no time zone"),
    ],
)
def test_what_is_no_moment_is_refused_with_the_forms_there_are(said: str, says: str) -> None:
    with pytest.raises(Failed, match=f"--until: .*{says}"):
        moment(said, NOW, "--until")


def test_on_the_first_of_january_the_last_month_is_december() -> None:
    assert moment("last-month", utc(2027, 1, 1), "--since") == utc(2026, 12, 1)


def test_now_elsewhere_is_the_same_day_in_utc() -> None:
    late = datetime(2026, 11, 25, 1, 0, tzinfo=timezone(timedelta(hours=3)))
    assert moment("today", late, "--since") == utc(2026, 11, 24)


def test_a_period_ends_after_it_starts() -> None:
    assert period("month", "now", NOW) == (utc(2026, 11, 1), NOW)
    with pytest.raises(Failed, match="must be before"):
        period("today", "today", NOW)
    with pytest.raises(Failed, match="must be before"):
        period("now", "month", NOW)


def test_moments_are_written_short_for_people_and_whole_for_programs() -> None:
    assert written(utc(2026, 11, 1)) == "2026-11-01"
    assert written(NOW) == "2026-11-25 14:30:15Z"
    assert rfc3339(NOW) == "2026-11-25T14:30:15.000500Z"
    assert rfc3339(None) is None


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ([], {}),
        (["a=b"], {"a": "b"}),
        (["a = b ", "c=d=e"], {"a": "b", "c": "d=e"}),
        (["a=b", "a=b"], {"a": "b"}),
    ],
)
def test_pairs_are_read(said: list[str], means: dict[str, str]) -> None:
    assert pairs(said, "--tag") == means


@pytest.mark.parametrize("said", [["a"], ["="], ["a="], ["=b"], [" =b"], ["a=b", "a=c"]])
def test_what_is_no_pair_is_refused(said: list[str]) -> None:
    with pytest.raises(Failed, match="^--tag: "):
        pairs(said, "--tag")


@pytest.mark.parametrize(
    ("nano", "decimals", "shown"),
    [
        (None, 2, None),
        (0, 2, "$0.00"),
        (1, 2, "<$0.01"),
        (4_999_999, 2, "<$0.01"),
        (5_000_000, 2, "$0.01"),
        (-5_000_000, 2, "-$0.01"),
        (-1, 2, "-<$0.01"),
        (1_234_567 * NANO + 994_999_999, 2, "$1,234,567.99"),
        (1_234_567 * NANO + 995_000_000, 2, "$1,234,568.00"),
        (NANO // 2, 0, "$1"),
        (1, 0, "<$1"),
        (1, 9, "$0.000000001"),
        (70_300, 8, "$0.00007030"),
    ],
)
def test_money_is_rounded_half_up_and_never_to_nothing(nano: int | None, decimals: int, shown: str | None) -> None:
    assert dollars(nano, decimals) == shown


@pytest.mark.parametrize(
    ("amounts", "decimals"),
    [
        ([], 4), ([None], 4), ([0], 4), ([100 * NANO], 2), ([100 * NANO - 1], 4), ([NANO // 10], 4),
        ([-(100 * NANO)], 2), ([NANO // 10 - 1], 5), ([70_300], 8), ([7_030], 9), ([1], 9), ([1, 100 * NANO], 2),
    ],
)  # fmt: skip
def test_a_column_has_the_decimals_its_largest_amount_needs(amounts: list[int | None], decimals: int) -> None:
    assert decimals_for(amounts) == decimals


@given(st.integers(-(10**21), 10**21), st.integers(0, 9))
def test_shown_money_is_within_half_a_place_of_what_it_is(nano: int, decimals: int) -> None:
    shown = dollars(nano, decimals)
    assert shown is not None
    unit = NANO // 10**decimals
    if "<" in shown:
        assert 0 < 2 * abs(nano) < unit
        return
    digits = shown.replace("$", "").replace(",", "").replace(".", "")
    assert abs(int(digits) * unit - nano) * 2 <= unit


@given(st.lists(st.integers(0, 10**15), min_size=1))
def test_the_largest_of_a_column_is_never_shown_as_below_the_smallest(amounts: list[int]) -> None:
    shown = dollars(max(amounts), decimals_for(amounts))
    assert shown is not None
    assert "<" not in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), ("", "-"), ("a b", "a b"), ("\x1b[31mred", "?[31mred"), ("a\nb\u202e", "a?b?"), ("[bold]", "[bold]")],
)
def test_T56_no_control_character_of_a_value_reaches_the_terminal(value: str | None, shown: str) -> None:
    assert cell(value) == shown


COLUMNS = (Column("TEAM"), Column("COST", right=True))


def test_a_table_for_a_program_is_plain_lines_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    table(COLUMNS, [("search", "$1.00"), (None, "$10.00")], title="Spend", total=("TOTAL", "$11.00"))
    assert capsys.readouterr().out.splitlines() == [
        "Spend",
        "TEAM      COST",
        "search   $1.00",
        "-       $10.00",
        "TOTAL   $11.00",
    ]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", [False, True])
def test_a_table_on_a_terminal_has_colour_only_without_NO_COLOR(
    monkeypatch: pytest.MonkeyPatch, no_color: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    table(COLUMNS, [("[red]search[/red]", "$1.00")], title="Spend", total=("TOTAL", "$1.00"))
    shown = terminal.getvalue()
    assert "[red]search[/red]" in shown
    coloured = [code for code in shown.split("\x1b[")[1:] if code[0] in "34"]
    assert not (no_color and coloured)


def test_a_box_is_drawn_on_a_terminal_and_plain_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    box("Key", ["wb_1"])
    assert capsys.readouterr().out == "== Key ==\n   wb_1\n"
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    box("A longer title", ["wb_1"])
    widths = {len(line) for line in terminal.getvalue().splitlines()}
    assert len(widths) == 1


def test_progress_says_nothing_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Reading", "entries") as tell:
        tell(1, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_is_gone_from_the_terminal_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress("Reading", "entries") as tell:
        tell(1, None)
        tell(1_234, 2_000)
    assert "Reading" in terminal.getvalue()
    assert terminal.getvalue().rstrip().endswith("\x1b[2K")
