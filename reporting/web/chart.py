"""Stacked bars of money over days: across in percent, so that one drawing fits every width, and up in pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from reporting.web.words import cents, cost, short_day, tick, weekday

SERIES_MAX = 6
"""Colours that can be told apart beside grey; further groups are drawn as one."""

BARS_MAX = 100
"""More days than that are drawn as weeks, so that a bar is never thinner than a line."""

BARS_MIN = 8
"""Fewer days leave room free rather than grow wider."""

HEIGHT = 272
TOP, BOTTOM = 20, 28
CHARACTER = 7
"""Width of a digit in the axis's type."""

NICE = (1, 2, 5)
LINES_IN_TITLE = 9

Labelled = Literal["all", "wide", "narrow", "no"]

GAP = 22
"""Percent of a bar's place that stays free."""

LABELS_WIDE, LABELS_NARROW = 15, 5
"""Days named under the axis on a desk and on a phone."""


@dataclass(frozen=True, slots=True)
class Series:
    """One colour: `tone` is its class in the style sheet; by day its nano-dollars, and calls of unknown cost."""

    name: str
    tone: str
    by_day: Mapping[date, int]
    unknown_by_day: Mapping[date, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """One series' part of one bar."""

    tone: str
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day or week: its place in percent, its blocks, what is said when it is pointed at.

    `mark` is where the sign for calls of unknown cost stands, None where there are none. `labelled` says on
    which widths its day is named.
    """

    x: str
    width: str
    middle: str
    slot_x: str
    slot_width: str
    blocks: tuple[Block, ...]
    title: str
    mark: int | None
    label: str
    labelled: Labelled


@dataclass(frozen=True, slots=True)
class Line:
    """A round amount and its height."""

    y: int
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing `height` pixels high and as wide as there is room; the amounts stand `axis` pixels wide beside it."""

    height: int
    axis: int
    base: int
    top: int
    lines: tuple[Line, ...]
    bars: tuple[Bar, ...]


def draw(series: Sequence[Series], since: date, until: date, unknown: Mapping[date, int]) -> Chart:
    """Draw the days from `since` to before `until`; series are stacked from the first upward."""
    bins = binned(since, until)
    stacks = [[sum(one.by_day.get(day, 0) for day in days) for one in series] for days in bins]
    ticks = ticks_to(max((sum(stack) for stack in stacks), default=0))
    base, room = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    labels = _labels(bins)
    bars = []
    for n, (days, stack) in enumerate(zip(bins, stacks, strict=True)):
        heights = [_scaled(sum(stack[:upto]), ticks[-1], room) for upto in range(len(stack) + 1)]
        lacking = sum(unknown.get(day, 0) for day in days)
        bars.append(
            Bar(
                *_place(n, len(bins)),
                blocks=_blocks(series, heights, base),
                title=_title(days, series, stack, lacking),
                mark=base - heights[-1] - 8 if lacking else None,
                label=short_day(days[0]),
                labelled=labels[n],
            )
        )
    axis = CHARACTER * max(len(tick(value)) for value in ticks) + 10
    lines = tuple(Line(base - _scaled(value, ticks[-1], room), tick(value)) for value in ticks)
    return Chart(HEIGHT, axis, base, TOP, lines, tuple(bars))


def binned(since: date, until: date) -> list[list[date]]:
    """Give the days of each bar: one each, or weeks from Monday where there are too many."""
    days = [since + timedelta(days=n) for n in range((until - since).days)]
    if len(days) <= BARS_MAX:
        return [[day] for day in days]
    weeks: dict[date, list[date]] = {}
    for day in days:
        weeks.setdefault(day - timedelta(days=day.weekday()), []).append(day)
    return list(weeks.values())


def ticks_to(highest: int) -> tuple[int, ...]:
    """Give round amounts from zero to one at or above `highest`, three to six of them, in steps of 1, 2 or 5."""
    if highest <= 0:
        return (0, 10**9)
    step = next(nice * 10**power for power in range(19) for nice in NICE if 5 * nice * 10**power >= highest)
    return tuple(range(0, -(-highest // step) * step + 1, step))


def _place(n: int, bars: int) -> tuple[str, str, str, str, str]:
    """Give a bar's left edge, width and middle, and the left edge and width of all its place, in percent."""
    slot = 100 / max(bars, BARS_MIN)
    free = slot * GAP / 100
    return tuple(f"{value:.3f}%" for value in (n * slot + free / 2, slot - free, (n + 0.5) * slot, n * slot, slot))  # type: ignore[return-value]


def _blocks(series: Sequence[Series], heights: list[int], base: int) -> tuple[Block, ...]:
    """Give one bar's blocks; heights rise, and what is lower than a pixel is not drawn."""
    return tuple(
        Block(one.tone, base - upper, upper - lower)
        for one, lower, upper in zip(series, heights, heights[1:], strict=False)
        if upper > lower
    )


def _title(days: list[date], series: Sequence[Series], stack: list[int], lacking: int) -> str:
    """Say a bar in words: its day, its sum, its largest parts."""
    when = weekday(days[0]) if len(days) == 1 else f"{weekday(days[0])} to {weekday(days[-1])}"
    lines = [f"{when}: {cost(sum(stack), lacking)}"]
    parts = sorted(zip(stack, series, strict=True), key=lambda part: -part[0])
    lines += [f"{one.name}: {cents(amount)}" for amount, one in parts[:LINES_IN_TITLE] if amount]
    if lacking:
        lines.append(f"{lacking:,} {'call' if lacking == 1 else 'calls'} more: cost not known")
    return "\n".join(lines)


def _labels(bins: list[list[date]]) -> list[Labelled]:
    """Say on which widths each bar is named: so many as fit, Mondays where whole weeks lie between them."""
    named = [_named(bins, most) for most in (LABELS_WIDE, LABELS_NARROW)]
    words: dict[tuple[bool, bool], Labelled] = {
        (True, True): "all",
        (True, False): "wide",
        (False, True): "narrow",
        (False, False): "no",
    }
    return [words[n in named[0], n in named[1]] for n in range(len(bins))]


def _named(bins: list[list[date]], most: int) -> range:
    """Give which bars are named where at most so many names fit."""
    step = _step(len(bins), most)
    is_daily = len(bins[0]) == len(bins[-1]) == 1
    return range((-bins[0][0].weekday()) % 7 if is_daily and step >= 7 else 0, len(bins), step)


def _step(bars: int, most: int) -> int:
    """Give every how many bars one is named; whole weeks where it is more than a few days."""
    least = -(-bars // most)
    return next((step for step in (1, 2, 7, 14, 28, 56) if step >= least), least)


def _scaled(amount: int, highest: int, room: int) -> int:
    """Give an amount's height in whole pixels, rounded half up; a negative sum has none."""
    return max((2 * amount * room + highest) // (2 * highest), 0)
