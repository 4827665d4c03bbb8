"""Money, counts, shares, changes and periods in the pages' words."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.entry import DIMENSIONS
from reporting.web import words

NANO = 10**9


@pytest.mark.parametrize(
    ("amount", "sentence", "column"),
    [
        (0, "$0", "$0"),
        (41_870 * NANO, "$41,870", "$41,870.00"),
        (100 * NANO, "$100", "$100.00"),
        (99_995_000_000, "$100", "$100.00"),
        (99_994_999_999, "$99.99", "$99.99"),
        (12_345_678_901, "$12.35", "$12.35"),
        (12_344_999_999, "$12.34", "$12.34"),
        (10_000_000, "$0.01", "$0.01"),
        (9_999_999, "$0.01", "$0.01"),
        (4_210_000, "$0.0042", "$0.0042"),
        (5_000_000, "$0.005", "$0.005"),
        (42_000, "$0.000042", "$0.000042"),
        (1, "$0.000000001", "$0.000000001"),
        (-12_345_678_901, "\u2212$12.35", "\u2212$12.35"),
    ],
)
def test_money_is_written_as_people_read_it(amount, sentence, column):
    assert (words.money(amount), words.cents(amount)) == (sentence, column)


@given(st.integers(min_value=1, max_value=10**16))
def test_what_is_shown_is_the_amount_rounded_and_never_nought(amount):
    for text in (words.money(amount), words.cents(amount)):
        shown = Decimal(text.replace("$", "").replace(",", ""))
        assert shown > 0
        exact = Decimal(amount) / NANO
        assert abs(shown - exact) <= max(Decimal("0.005"), exact / 20 if exact < Decimal("0.01") else Decimal("0.5"))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (9312, "9,312"),
        (999_999, "999,999"),
        (1_000_000, "1.0 M"),
        (1_250_000, "1.3 M"),
        (3 * 10**9, "3.0 bn"),
    ],
)
def test_large_counts_are_short(number, text):
    assert words.count(number) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 5, "0%"), (1, 1000, "<1%"), (5, 1000, "1%"), (4, 1000, "<1%"), (5, 5, "100%"), (1, 0, ""), (0, 0, "")],
)
def test_a_little_is_not_nothing(part, whole, text):
    assert words.share(part, whole) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (112, 100, "12% more"),
        (88, 100, "12% less"),
        (100, 100, "about the same"),
        (1004, 1000, "about the same"),
        (1005, 1000, "1% more"),
        (300, 100, "200% more"),
        (301, 100, "3.0 times as much"),
        (0, 100, "100% less"),
    ],
)
def test_a_change_is_said_against_what_was(now, before, text):
    assert words.change(now, before) == text


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 11, 1), date(2026, 11, 23), "from 1 to 23 November 2026"),
        (date(2026, 10, 28), date(2026, 11, 24), "from 28 October to 24 November 2026"),
        (date(2025, 12, 1), date(2026, 1, 31), "from 1 December 2025 to 31 January 2026"),
        (date(2025, 11, 1), date(2026, 11, 2), "from 1 November 2025 to 2 November 2026"),
        (date(2026, 11, 3), date(2026, 11, 3), "on 3 November 2026"),
    ],
)
def test_a_period_says_no_more_than_it_must(first, last, text):
    assert words.span(first, last) == text


def test_a_moment_names_its_zone():
    assert words.moment(datetime(2026, 11, 24, 9, 5, tzinfo=UTC)) == "24 Nov 2026, 09:05 UTC"


def test_nobody_is_shown_by_person_or_key():
    assert set(DIMENSIONS) - set(words.DIMENSION_WORDS) == {"day", "person", "key_id"}


def test_what_nobody_named_is_called_so():
    assert words.named("initiative", None) == "No initiative named"
    assert words.named("provider_name", None) == "Not known"
    assert words.named("team", "search") == "search"
