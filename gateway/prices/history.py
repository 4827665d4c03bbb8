"""Carries a price list on: what was in force stays as it was, what changed is a new dated row, large jumps are held."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from gateway.prices.changes import Change, changes_between, largest
from gateway.prices.rates import read_rate
from gateway.prices.snapshot import ALWAYS, Row
from policies.pricing import Price

PERCENT_MAX = 50
"""A rate that moves by more is held for a person to look at: sources have slipped a digit before."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Jump:
    """A row that would move a price by more than `PERCENT_MAX`, or from or to nothing."""

    row: Row
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """The rows of the next price list, those among them that are new, and the jumps that need a yes."""

    rows: tuple[Row, ...]
    added: tuple[Row, ...]
    jumps: tuple[Jump, ...]


def carry_on(old: Iterable[Row], fresh: Iterable[Row], as_of: str) -> Carried:
    """Add what is new in `fresh` to the rows of an earlier list.

    Rows that have begun by `as_of` are never changed; a model that no source lists any more keeps its last
    price; announced rows are taken anew.
    """
    before, now = _by_model(old), _by_model(fresh)
    rows: list[Row] = []
    added: list[Row] = []
    jumps: list[Jump] = []
    for key in sorted(before.keys() | now.keys()):
        earlier = before.get(key, [])
        kept = [row for row in earlier if (row.effective_from or ALWAYS) <= as_of]
        new = [_as_it_was(row, earlier) for row in _new_rows(kept, now.get(key, []), as_of)]
        rows += (row for row in kept if not any(_same_place(row, one) for one in new))
        rows += new
        come = [row for row in new if row not in earlier]
        added += come
        jumps += _jumps(earlier, come)
    return Carried(tuple(rows), tuple(added), tuple(jumps))


def price_of(row: Row) -> Price:
    """Give a row as a price to calculate with."""
    rates = tuple(read_rate(name, value) for name, value in row.rates.items())
    return Price(row.provider_name, row.model, "", "", row.effective_from or ALWAYS, rates, hours=row.hours)


def _by_model(rows: Iterable[Row]) -> Mapping[Key, list[Row]]:
    """Group rows by provider and model."""
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.provider_name, row.model].append(row)
    return found


def _new_rows(kept: list[Row], fresh: Iterable[Row], as_of: str) -> list[Row]:
    """Give the rows that must be added for the sources' prices to hold from now on."""
    fresh = list(fresh)
    announced = [row for row in fresh if (row.effective_from or ALWAYS) > as_of]
    begun = [row for row in fresh if row not in announced]
    if not kept:
        return fresh
    newest = max((row.effective_from or ALWAYS for row in begun), default=ALWAYS)
    today = [row for row in begun if (row.effective_from or ALWAYS) == newest]
    last = max(row.effective_from or ALWAYS for row in kept)
    in_force = [row for row in kept if (row.effective_from or ALWAYS) == last]
    if not today or {_money(row) for row in today} == {_money(row) for row in in_force}:
        return announced
    start = newest if newest > last else as_of
    return [*(_from(row, start) for row in today), *announced]


def _jumps(before: list[Row], new: Iterable[Row]) -> list[Jump]:
    """Give the new rows that move a price too far from the one that held before them."""
    found: list[Jump] = []
    for row in new:
        held = _held_before(before, row)
        changes = changes_between(price_of(held), price_of(row)) if held else ()
        percent = largest(changes)
        if changes and (percent is None or abs(percent) > PERCENT_MAX):
            found.append(Jump(row, changes))
    return found


def _held_before(before: list[Row], new: Row) -> Row | None:
    """Give the row a new one follows: the newest that had begun, of the same hours if there is one."""
    begun = [row for row in before if (row.effective_from or ALWAYS) <= (new.effective_from or ALWAYS)]
    alike = [row for row in begun if row.hours == new.hours] or [row for row in begun if not row.hours]
    return max(alike, key=lambda row: row.effective_from, default=None)


def _money(row: Row) -> tuple[object, ...]:
    """Give what a row charges, without where it comes from."""
    return tuple(sorted(row.rates.items())), row.hours


def _as_it_was(row: Row, earlier: list[Row]) -> Row:
    """Give the earlier row that says the same of the same time, if there is one: it keeps source and version."""
    return next((one for one in earlier if _same_place(one, row) and _money(one) == _money(row)), row)


def _same_place(one: Row, other: Row) -> bool:
    """Say whether two rows of a model would hold at the same time."""
    return (one.effective_from or ALWAYS) == (other.effective_from or ALWAYS) and one.hours == other.hours


def _from(row: Row, day: str) -> Row:
    """Give a row that begins on a day."""
    return msgspec.structs.replace(row, effective_from=day)
