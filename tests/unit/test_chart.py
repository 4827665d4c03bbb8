"""The chart's geometry: round ticks, whole stacks, every day once, names that do not collide."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.web.chart import (
    BARS_MAX,
    BARS_MIN,
    HEIGHT,
    LABELS_NARROW,
    LABELS_WIDE,
    TOP,
    Series,
    binned,
    draw,
    ticks_to,
)

DOLLAR = 10**9
MONDAY = date(2026, 11, 2)

amounts = st.integers(min_value=0, max_value=10**15)
lengths = st.integers(min_value=1, max_value=731)


@pytest.mark.parametrize(
    ("highest", "top", "count"),
    [
        (0, 1 * DOLLAR, 2),
        (1, 1, 2),
        (5, 5, 6),
        (6, 6, 4),
        (100 * DOLLAR, 100 * DOLLAR, 6),
        (100 * DOLLAR + 1, 150 * DOLLAR, 4),
        (2760 * DOLLAR, 3000 * DOLLAR, 4),
        (4_210_000, 5_000_000, 6),
    ],
)
def test_ticks_are_round_and_reach_the_highest_bar(highest, top, count):
    ticks = ticks_to(highest)
    assert (ticks[0], ticks[-1], len(ticks)) == (0, top, count)


@given(amounts)
def test_ticks_are_few_even_and_never_below_the_highest(highest):
    ticks = ticks_to(highest)
    steps = {b - a for a, b in zip(ticks, ticks[1:], strict=False)}
    assert len(steps) == 1
    assert str(steps.pop()).rstrip("0") in {"1", "2", "5"}
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] >= highest
    assert highest == 0 or ticks[-2] < highest


@given(lengths, st.integers(min_value=0, max_value=6))
def test_every_day_is_in_exactly_one_bar(length, offset):
    since = MONDAY + timedelta(days=offset)
    bins = binned(since, since + timedelta(days=length))
    assert [day for days in bins for day in days] == [since + timedelta(days=n) for n in range(length)]
    if length > BARS_MAX:
        assert all(days[0].weekday() == 0 for days in bins[1:])
        assert all(len(days) == 7 for days in bins[1:-1])


@pytest.mark.parametrize(("length", "bars"), [(BARS_MAX, BARS_MAX), (BARS_MAX + 1, 15)])
def test_more_days_than_can_be_drawn_become_weeks(length, bars):
    assert len(binned(MONDAY, MONDAY + timedelta(days=length))) == bars


@given(st.lists(st.lists(amounts, min_size=3, max_size=3), min_size=1, max_size=120))
def test_a_bar_is_as_high_as_its_parts_and_never_leaves_the_drawing(days):
    series = [
        Series(f"s{n}", f"s{n + 1}", {MONDAY + timedelta(days=at): row[n] for at, row in enumerate(days)})
        for n in range(3)
    ]
    until = MONDAY + timedelta(days=len(days))
    chart = draw(series, MONDAY, until, {})
    tops = ticks_to(max(sum(sum(days[(d - MONDAY).days]) for d in bar) for bar in binned(MONDAY, until)))
    for bar, bin_days in zip(chart.bars, binned(MONDAY, until), strict=True):
        total = sum(sum(days[(day - MONDAY).days]) for day in bin_days)
        height = sum(block.height for block in bar.blocks)
        assert abs(height - total * (chart.base - chart.top) / tops[-1]) <= 0.5
        at = chart.base
        for block in bar.blocks:
            assert block.height > 0
            assert block.y + block.height == at
            at = block.y
        assert at >= TOP


@given(lengths)
def test_bars_fill_the_width_and_do_not_overlap(length):
    chart = draw([], MONDAY, MONDAY + timedelta(days=length), {})
    edges = [(float(bar.x.rstrip("%")), float(bar.width.rstrip("%"))) for bar in chart.bars]
    assert all(x + width <= following for (x, width), (following, _) in zip(edges, edges[1:], strict=False))
    assert edges[0][0] >= 0
    assert sum(edges[-1]) <= 100
    assert edges[0][1] <= 100 / BARS_MIN


@given(lengths, st.integers(min_value=0, max_value=6))
def test_no_more_days_are_named_than_fit(length, offset):
    since = MONDAY + timedelta(days=offset)
    bars = draw([], since, since + timedelta(days=length), {}).bars
    wide = [n for n, bar in enumerate(bars) if bar.labelled in {"all", "wide"}]
    narrow = [n for n, bar in enumerate(bars) if bar.labelled in {"all", "narrow"}]
    assert 1 <= len(wide) <= max(LABELS_WIDE, 1)
    assert 1 <= len(narrow) <= max(LABELS_NARROW, 1)
    for named in (wide, narrow):
        assert len({b - a for a, b in zip(named, named[1:], strict=False)}) <= 1


def test_a_bar_says_its_day_its_sum_and_its_largest_parts():
    series = [
        Series("small", "s1", {MONDAY: DOLLAR}),
        Series("large", "s2", {MONDAY: 30 * DOLLAR}),
        Series("none", "s3", {}),
    ]
    bar = draw(series, MONDAY, MONDAY + timedelta(days=1), {MONDAY: 1}).bars[0]
    assert bar.title.split("\n") == [
        "Mon 2 Nov: $31.00",
        "large: $30.00",
        "small: $1.00",
        "1 call more: cost not known",
    ]
    assert [block.tone for block in bar.blocks] == ["s1", "s2"]
    assert bar.mark is not None
    assert bar.mark < bar.blocks[-1].y


def test_a_day_of_unknown_cost_is_marked_even_where_there_is_no_bar():
    chart = draw([], MONDAY, MONDAY + timedelta(days=2), {MONDAY: 3})
    assert [bar.mark is None for bar in chart.bars] == [False, True]
    assert chart.bars[0].title.endswith("3 calls more: cost not known")


def test_a_negative_day_draws_nothing_below_the_line():
    chart = draw([Series("a", "s1", {MONDAY: -5})], MONDAY, MONDAY + timedelta(days=1), {})
    assert chart.bars[0].blocks == ()
    assert chart.height == HEIGHT
