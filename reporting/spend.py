"""Spend over a period, read once from the ledger: the total, its groups, its days and the period before."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from gateway.ledger.entry import FIGURES, Ledger, SpendQuery, SpendRow
from gateway.spend_table import added

DEMO = "demo"


@dataclass(frozen=True, slots=True)
class View:
    """What to look at: days from `since` to the one before `until` (UTC), grouped, then grouped again, filtered."""

    since: date
    until: date
    by: str = "team"
    then: str | None = None
    where: dict[str, str] = field(default_factory=dict)

    @property
    def days(self) -> int:
        """Give the number of days."""
        return (self.until - self.since).days

    @property
    def last(self) -> date:
        """Give the last day that is in the period."""
        return self.until - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Group:
    """One value of the first dimension: its sums, its days, and its parts by the second dimension."""

    value: str | None
    total: SpendRow
    by_day: dict[date, SpendRow]
    parts: tuple[SpendRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Spend:
    """The answer to a view. Groups are in order of cost, largest first, and sum to `total`."""

    view: View
    as_of: datetime
    total: SpendRow
    groups: tuple[Group, ...]
    unknown_by_day: dict[date, int]
    before: SpendRow
    before_since: datetime
    before_until: datetime
    unnamed: SpendRow
    has_demo: bool

    @property
    def rows(self) -> tuple[SpendRow, ...]:
        """Give one row for each line of the table, groups or their parts; they sum to the total."""
        if self.view.then is None:
            return tuple(group.total for group in self.groups)
        return tuple(part for group in self.groups for part in group.parts)


def spend(ledger: Ledger, view: View, now: datetime) -> Spend:
    """Read a view from the book. The period before has the same length as what has passed of this one.

    Blocks; raises LedgerDown.
    """
    since, until = midnight(view.since), midnight(view.until)
    by = ("day", view.by, view.then) if view.then else ("day", view.by)
    rows = ledger.spend(SpendQuery(since=since, until=until, by=by, where=view.where))
    total = added(rows)
    before_since, before_until = period_before(view, now)
    before = ledger.spend(SpendQuery(since=before_since, until=before_until, where=view.where))
    named = ledger.spend(SpendQuery(since=since, until=until, by=("initiative", "source"), where=view.where))
    return Spend(
        view=view,
        as_of=now,
        total=total,
        groups=_groups(rows, view),
        unknown_by_day=_unknown(rows),
        before=added(before),
        before_since=before_since,
        before_until=before_until,
        unnamed=added(row for row in named if row.group[0] is None),
        has_demo=any(row.group[1] == DEMO for row in named),
    )


def period_before(view: View, now: datetime) -> tuple[datetime, datetime]:
    """Give the period that ends where the view begins and is as long as what has passed of the view."""
    since, until = midnight(view.since), midnight(view.until)
    passed = min(until, max(now, since)) - since
    start = since - timedelta(days=view.days)
    return start, start + passed


def midnight(day: date) -> datetime:
    """Give the beginning of a day, UTC."""
    return datetime.combine(day, time(), UTC)


def _groups(rows: tuple[SpendRow, ...], view: View) -> tuple[Group, ...]:
    """Fold rows of (day, by[, then]) into groups."""
    found: dict[str | None, list[SpendRow]] = {}
    for row in rows:
        found.setdefault(row.group[1], []).append(row)
    groups = [_group(value, members, view) for value, members in found.items()]
    return tuple(sorted(groups, key=lambda group: _order(group.total)))


def _group(value: str | None, rows: list[SpendRow], view: View) -> Group:
    """Sum one group: as a whole, by day, and by the second dimension."""
    by_day: dict[date, list[SpendRow]] = {}
    parts: dict[str | None, list[SpendRow]] = {}
    for row in rows:
        by_day.setdefault(date.fromisoformat(row.group[0] or ""), []).append(row)
        if view.then:
            parts.setdefault(row.group[2], []).append(row)
    summed = [_summed((value, part), members) for part, members in parts.items()]
    days = {day: _summed((value,), members) for day, members in by_day.items()}
    return Group(value, _summed((value,), rows), days, tuple(sorted(summed, key=_order)))


def _summed(group: tuple[str | None, ...], rows: Iterable[SpendRow]) -> SpendRow:
    total = added(rows)
    return SpendRow(group=group, **{name: getattr(total, name) for name in FIGURES})


def _order(row: SpendRow) -> tuple[object, ...]:
    """Order by cost, then calls, largest first, then by name; what has none is last."""
    return -row.billed_cost, -row.calls, tuple((value is None, value or "") for value in row.group)


def _unknown(rows: tuple[SpendRow, ...]) -> dict[date, int]:
    """Count the calls of each day whose cost is not known."""
    found: dict[date, int] = {}
    for row in rows:
        if row.unknown_calls:
            day = date.fromisoformat(row.group[0] or "")
            found[day] = found.get(day, 0) + row.unknown_calls
    return found
