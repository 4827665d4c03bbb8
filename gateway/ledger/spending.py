"""Spend as SQL: whole days come from the daily sums, the ragged ends of a period from the calls themselves."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta

from gateway.ledger.entry import DIMENSIONS, FIGURES, SpendQuery, SpendRow
from gateway.ledger.errors import UnknownDimension
from gateway.ledger.posting import indexed, rfc3339
from gateway.ledger.store import Value

_SUMS = ", ".join(f"sum({name}) AS {name}" for name in FIGURES)
_FIGURES = ", ".join(FIGURES)


def check(query: SpendQuery) -> None:
    """Raise UnknownDimension for a word that is no dimension, ValueError for a time without a zone."""
    for name in (*query.by, *query.where):
        if name not in DIMENSIONS:
            raise UnknownDimension(f"spend has no dimension {name!r}; there are {', '.join(DIMENSIONS)}")
    if query.since.tzinfo is None or query.until.tzinfo is None:
        raise ValueError("the period of a spend query needs times with a zone")


def statement(query: SpendQuery, day: str) -> tuple[str, tuple[Value, ...]]:
    """Give the SQL and its values; its rows are the group's values, then FIGURES. `day` cuts a call's day."""
    booked, values = _booked(query, day)
    if not query.by:
        return f"SELECT {_SUMS} FROM ({booked}) AS booked", values  # noqa: S608 - names from closed sets; values bound
    if "day" not in query.by:
        # Summed by account first, by number: the many rows are sorted without their names.
        booked = f"SELECT account, {_SUMS} FROM ({booked}) AS part GROUP BY account"  # noqa: S608
    groups = ", ".join("booked.day" if name == "day" else f"accounts.{name}" for name in query.by)
    named = f"({booked}) AS booked JOIN accounts ON accounts.id = booked.account"
    return f"SELECT {groups}, {_SUMS} FROM {named} GROUP BY {groups}", values  # noqa: S608


def spend_rows(found: Iterable[tuple[object, ...]], by: tuple[str, ...]) -> tuple[SpendRow, ...]:
    """Make rows of what was found, in order of cost, largest first, then by group, None last."""
    width = len(by)
    rows = (
        SpendRow(group=row[:width], **{name: int(value) for name, value in zip(FIGURES, row[width:], strict=True)})  # type: ignore[arg-type, call-overload]
        for row in found
        if row[width] is not None  # The sum over nothing at all.
    )
    return tuple(sorted(rows, key=_order))


def _order(row: SpendRow) -> tuple[int, tuple[tuple[bool, str], ...]]:
    return -row.billed_cost, tuple((value is None, value or "") for value in row.group)


def _booked(query: SpendQuery, day: str) -> tuple[str, tuple[Value, ...]]:
    """Give the rows that cover the period, each moment once: its beginning, whole days, its end."""
    since, until = query.since.astimezone(UTC), query.until.astimezone(UTC)
    first, last = _midnight(since + timedelta(days=1) - timedelta(microseconds=1)), _midnight(until)
    spans = [("daily", "day", first.date().isoformat(), last.date().isoformat())] if first < last else []
    ends = ((since, first), (last, until)) if first < last else ((since, until),)
    spans += [("calls", "occurred_at", rfc3339(start), rfc3339(end)) for start, end in ends if start < end]
    parts: list[str] = []
    values: list[Value] = []
    for table, moment, start_text, end_text in spans:
        cut = "day" if table == "daily" else day
        wanted, bound = _wanted(query.where, cut)
        span = f"{moment} >= ? AND {moment} < ?"
        parts.append(f"SELECT {cut} AS day, account, {_FIGURES} FROM {table} WHERE {span}{wanted}")  # noqa: S608
        values += [start_text, end_text, *bound]
    return " UNION ALL ".join(parts), tuple(values)


def _wanted(where: Mapping[str, str], day: str) -> tuple[str, list[Value]]:
    """Give the filter as SQL that begins with AND, and its values."""
    columns = [name for name in where if name != "day"]
    sql = f" AND {day} = ?" if "day" in where else ""
    # As rows hold it: a value that no row can hold finds none.
    values: list[Value] = [indexed(where["day"])] if "day" in where else []
    if columns:
        fitting = " AND ".join(f"{name} = ?" for name in columns)
        sql += f" AND account IN (SELECT id FROM accounts WHERE {fitting})"  # noqa: S608
        values += [indexed(where[name]) for name in columns]
    return sql, values


def _midnight(moment: datetime) -> datetime:
    """Give the beginning of the moment's day."""
    return datetime.combine(moment.date(), time(), UTC)
