"""An address becomes a view and back; what cannot be read is named with its reason."""

from datetime import date, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.spend import View
from reporting.web.view import DAYS_DEFAULT, DAYS_MAX, address, asked, periods, within, without
from reporting.web.words import DIMENSION_WORDS

TODAY = date(2026, 11, 25)
TOMORROW = TODAY + timedelta(days=1)
DEFAULT = View(TODAY - timedelta(days=27), TOMORROW)

values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128)
dimensions = st.sampled_from(sorted(DIMENSION_WORDS))


@st.composite
def views(draw: st.DrawFn) -> View:
    since = draw(st.dates(date(2001, 1, 1), date(2190, 1, 1)))
    by = draw(dimensions)
    then = draw(st.none() | dimensions.filter(lambda name: name != by))
    days = draw(st.integers(min_value=1, max_value=DAYS_MAX))
    return View(since, since + timedelta(days=days), by, then, draw(st.dictionaries(dimensions, values, max_size=5)))


def read(query: str) -> tuple[View, list[str]]:
    found = asked(parse_qsl(query, keep_blank_values=True), TODAY)
    return found.view, [problem.parameter for problem in found.problems]


def test_without_words_it_is_four_whole_weeks_by_team():
    assert read("") == (DEFAULT, [])
    assert read("since=&until=&by=&then=&team=") == (DEFAULT, [])
    assert DEFAULT.days == DAYS_DEFAULT == 28


@given(views())
def test_a_view_has_one_address_that_leads_back_to_it(view):
    split = urlsplit(address(view))
    assert read(split.query) == (view, [])
    assert split.path == "/spend"


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("since=2026-13-01", ["since"]),
        ("since=yesterday", ["since"]),
        ("since=20261101", ["since"]),
        ("since=1999-12-31", ["since"]),
        ("until=2200-01-01", ["until"]),
        ("since=2026-11-02&until=2026-11-02", ["until"]),
        ("since=2026-11-02&until=2026-11-01", ["until"]),
        ("by=person", ["by"]),
        ("by=key_id", ["by"]),
        ("then=day", ["then"]),
        ("by=team&then=team", ["then"]),
        ("then=team", ["then"]),
        ("person=per_1", ["person"]),
        ("key_id=key_1", ["key_id"]),
        ("colour=red", ["colour"]),
        ("team=a&team=b", ["team"]),
        ("team=%00", ["team"]),
        ("team=" + "a" * 129, ["team"]),
        ("team=z%C3%BCrich", ["team"]),
        ("since=x&by=y&then=z&q=1", ["since", "by", "then", "q"]),
        ("&".join(f"a{n}=" for n in range(33)), ["address"]),
    ],
)
def test_each_parameter_that_cannot_be_read_is_named(query, wrong):
    view, named = read(query)
    assert named == wrong
    assert view.since < view.until


@pytest.mark.parametrize(
    "query",
    [
        "since=2000-01-01&until=2000-01-02",
        "since=2199-12-30&until=2199-12-31",
        "team=" + "a" * 128,
        "by=model&then=provider",
        "by=request_model&then=provider_name",
        "&".join(f"{name}=x" for name in sorted(DIMENSION_WORDS)),
    ],
)
def test_what_just_fits_is_read(query):
    assert read(query)[1] == []


@pytest.mark.parametrize(("days", "wrong"), [(DAYS_MAX, []), (DAYS_MAX + 1, ["since"])])
def test_a_period_has_a_longest(days, wrong):
    since = date(2024, 1, 1)
    assert read(f"since={since}&until={since + timedelta(days=days)}")[1] == wrong


def test_one_end_of_a_period_is_enough():
    assert read("since=2026-11-01")[0].until == date(2026, 11, 29)
    assert read("until=2026-11-29")[0].since == date(2026, 11, 1)


@given(views(), dimensions, values)
def test_going_into_a_group_keeps_the_period_and_asks_something_new(view, dimension, value):
    inner = within(view, dimension, value)
    assert (inner.since, inner.until, inner.where[dimension]) == (view.since, view.until, value)
    assert inner.by not in inner.where or set(DIMENSION_WORDS) <= {*inner.where, inner.by}
    assert without(inner, dimension).where == {k: v for k, v in view.where.items() if k != dimension}


def test_the_periods_offered_are_whole_and_end_at_midnight():
    found = {name: (since, until) for name, since, until in periods(TODAY)}
    assert found["28 days"] == (DEFAULT.since, DEFAULT.until)
    assert found["This month"] == (date(2026, 11, 1), TOMORROW)
    assert found["Last month"] == (date(2026, 10, 1), date(2026, 11, 1))
    assert {name: (u - s).days for name, (s, u) in found.items() if name.endswith("days")} == {
        "7 days": 7,
        "28 days": 28,
        "90 days": 90,
    }


def test_last_month_of_january_is_december():
    found = {name: (since, until) for name, since, until in periods(date(2027, 1, 15))}
    assert found["Last month"] == (date(2026, 12, 1), date(2027, 1, 1))
