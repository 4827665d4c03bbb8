"""Fills a ledger with the made-up company, through a journal and its shipper, and empties it again."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from gateway.demo.calls import SOURCE, Caller, Day, call_entry
from gateway.demo.company import DAYS, INITIATIVES, TEAMS, WORKS
from gateway.demo.plan import DemoPlan
from gateway.demo.rhythm import calls_on, is_bad, is_dear, moments
from gateway.demo.staff import closed_at, endings, key_id, people_of, seal, shown, staff
from gateway.journal.journal import Journal
from gateway.journal.shipper import Shipper
from gateway.keys import read_pepper
from gateway.ledger.entry import Entry, Ledger, SpendQuery
from gateway.ledger.open import open_ledger
from gateway.prices.book import PriceBook, read_book
from gateway.records import Role
from gateway.secret import Secret

SEED = "weighbridge demo 1"
JOURNAL_DIR = "demo"
SEGMENT_BYTES = 16 * 2**20
PAGE = 10_000

Progress = Callable[[int, int], None]
"""Told the days that are booked, and of how many."""


@dataclass(frozen=True, slots=True)
class DemoKey:
    """A key of the demo to show to people: who has it, what for, and the key itself (`key.reveal()`)."""

    name: str
    role: Role
    team: str | None
    key: Secret


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the demo's book holds, and the keys to print. `fresh`: booked just now, not at an earlier start today."""

    calls: int
    teams: int
    initiatives: int
    days: int
    keys: tuple[DemoKey, ...]
    fresh: bool


def fill(plan: DemoPlan, now: datetime, progress: Progress | None = None, days: int = DAYS) -> Seeded:
    """Book the made-up company in the demo's own ledger, unless it was booked earlier on this day.

    An older or half-made demo is taken out first; calls that people made themselves stay. Blocks for a few
    seconds. Raises JournalUnusable, BadLedger, LedgerDown.
    """
    pepper = read_pepper(plan.data_dir)
    ledger = open_ledger("sqlite", plan.data_dir)
    try:
        if _sealed(ledger, now.date()):
            return _seeded(pepper, _calls(ledger, now), days, fresh=False)
        if _begun(ledger):
            ledger.remove(SOURCE)
        return seed(plan.data_dir / "journal" / JOURNAL_DIR, ledger, pepper, now, days, progress)
    finally:
        ledger.close()


def clear(plan: DemoPlan) -> int:
    """Take out every entry whose source is "demo", and nothing else; gives their number."""
    ledger = open_ledger("sqlite", plan.data_dir)
    try:
        return ledger.remove(SOURCE)
    finally:
        ledger.close()


def seed(
    journal_dir: Path, ledger: Ledger, pepper: Secret, now: datetime, days: int = DAYS, progress: Progress | None = None
) -> Seeded:
    """Book `days` days that end at `now`. The same moment and pepper give the same book; a later one of the day, more.

    Everything goes through a journal of its own and the shipper that every call takes. That nothing is synced on
    the way costs nothing: a demo that a power cut has halved is made again.
    """
    shutil.rmtree(journal_dir, ignore_errors=True)
    journal = Journal.open(journal_dir, durability="process", group_ms=20, segment_bytes=SEGMENT_BYTES)
    shipper = Shipper(journal, ledger, retention_s=0)
    try:
        calls = 0
        for done, batch in enumerate(_days(pepper, now, days, read_book(None)), 1):
            for entry in batch:
                journal.append(entry)
            calls += sum(entry.kind == "call" for entry in batch)
            if progress is not None:
                progress(min(done, days), days)
        journal.close()
        shipper.ship()
        shipper.remove_old()
    finally:
        journal.close()
    return _seeded(pepper, calls, days, fresh=True)


def _days(pepper: Secret, now: datetime, days: int, book: PriceBook) -> Iterator[list[Entry]]:
    """Give the entries of each day, in the order in which they happened; who there is first, keys to read last."""
    today = now.date()
    callers = [_caller(pepper, today, work.application) for work in WORKS]
    first: list[Entry] = list(staff(pepper, today, days))
    for days_ago in reversed(range(days)):
        day = today - timedelta(days=days_ago)
        chance = random.Random(f"{SEED}/{days_ago}/{day.isoformat()}")  # noqa: S311 - chance for a picture, no secret
        special = Day(is_dear(day, today), is_bad(day, today))
        calls = [
            call_entry(work, caller, at, special, book, chance)
            for work, caller in zip(WORKS, callers, strict=True)
            for at in moments(calls_on(work, day, days_ago, chance), day, chance)
        ]
        calls.sort(key=lambda entry: entry.occurred_at)
        yield first + [entry for entry in calls if entry.recorded_at <= now]
        first = []
    yield list(endings(pepper, today))


def _caller(pepper: Secret, today: date, application: str) -> Caller:
    work = next(work for work in WORKS if work.application == application)
    closed = frozenset(one.id for one in INITIATIVES if closed_at(one, today) is not None)
    return Caller(key_id(application), people_of(pepper, work), closed)


def _begun(ledger: Ledger) -> bool:
    """Say whether there is anything of a demo in the book: its teams come first."""
    return any(one.entry.source == SOURCE for one in ledger.entries(kinds=("team",), limit=PAGE))


def _sealed(ledger: Ledger, today: date) -> bool:
    """Say whether today's demo is whole: its last key comes last."""
    return any(one.entry.id == seal(today) for one in ledger.entries(kinds=("key",), limit=PAGE))


def _calls(ledger: Ledger, now: datetime) -> int:
    since = now - timedelta(days=DAYS + 1)
    query = SpendQuery(since=since, until=now + timedelta(days=1), where={"source": SOURCE})
    return sum(row.calls for row in ledger.spend(query))


def _seeded(pepper: Secret, calls: int, days: int, *, fresh: bool) -> Seeded:
    keys = tuple(DemoKey(name, role, team, key) for name, role, team, key in shown(pepper))
    return Seeded(calls, len(TEAMS), len(INITIATIVES), days, keys, fresh)
