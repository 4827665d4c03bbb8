"""For all entries, deliveries and questions: the engines sum as a plain walk over the calls does."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ledger.entry import DIMENSIONS, Entry, SpendQuery
from tests.contract.ledgers import NOON, call_entry, engine, other_entry
from tests.fakes.ledger import MemoryLedger

MOMENTS = st.one_of(
    st.integers(0, 3 * 86_400_000_000).map(lambda us: NOON + timedelta(microseconds=us)),
    st.integers(0, 6).map(lambda half_days: NOON + timedelta(hours=12 * half_days)),
)
NAMES = st.sampled_from(("a", "b", "B", "\u00e9", "a\0b", ""))
TAGS = st.dictionaries(st.sampled_from(("team", "initiative", "customer", "else")), NAMES, max_size=3)
COSTS = st.one_of(st.none(), st.integers(0, 9), st.integers(-(10**15), 10**15))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Entry, ...]:
    """Draw entries with ids of their own, calls and attempts among others."""
    entries = []
    for number in range(draw(st.integers(0, 12))):
        if draw(st.integers(0, 4)) == 0:
            entries.append(other_entry(number, occurred_at=draw(MOMENTS)))
            continue
        cost = draw(COSTS)
        source = "unknown" if cost is None else draw(st.sampled_from(("computed", "estimated")))
        changes = {"tags": draw(TAGS), "billed_cost": cost, "cost_source": source, "request_model": draw(NAMES)}
        kind, door = draw(st.sampled_from(("call", "attempt"))), draw(st.sampled_from(("gateway", "demo")))
        entries.append(call_entry(number, changes, occurred_at=draw(MOMENTS), kind=kind, source=door))
    return tuple(entries)


@st.composite
def deliveries(draw: st.DrawFn, entries: tuple[Entry, ...]) -> list[tuple[Entry, ...]]:
    """Draw batches in which each entry comes one to five times, in any order, cut anywhere."""
    often = [entry for entry in entries for _ in range(draw(st.integers(1, 5)))]
    shuffled = draw(st.permutations(often))
    cuts = sorted(draw(st.lists(st.integers(0, len(often)), max_size=5)))
    bounds = [0, *cuts, len(often)]
    return [tuple(shuffled[start:end]) for start, end in zip(bounds, bounds[1:], strict=False)]


QUERIES = st.builds(
    SpendQuery,
    since=MOMENTS,
    until=MOMENTS,
    by=st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True).map(tuple),
    where=st.dictionaries(st.sampled_from(("team", "initiative", "source", "state")), NAMES, max_size=1),
)
EVER = SpendQuery(since=NOON - timedelta(days=9), until=NOON + timedelta(days=9), by=("day", "team", "request_model"))


CHECKS = [HealthCheck.data_too_large, HealthCheck.too_slow]


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=CHECKS)
def test_G6_however_often_and_in_whatever_pieces_sqlite_is_told_the_sums_are_the_same(data: st.DataObject) -> None:
    tell_and_compare("sqlite", data)


@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=CHECKS)
def test_G6_however_often_and_in_whatever_pieces_postgresql_is_told_the_sums_are_the_same(data: st.DataObject) -> None:
    tell_and_compare("postgres", data)


def tell_and_compare(name: str, data: st.DataObject) -> None:
    """Deliver a history to an engine in a drawn way, and once to memory; both answer every question alike."""
    entries = data.draw(histories())
    batches = data.draw(deliveries(entries))
    plain = MemoryLedger()
    plain.append(entries)
    with tempfile.TemporaryDirectory() as folder, engine(name, Path(folder)) as book:
        ledger = book.open()
        told = [ledger.append(batch) for batch in batches]
        assert sum(one.added for one in told) == len(entries)
        assert sum(one.duplicates for one in told) == sum(map(len, batches)) - len(entries)
        for query in (EVER, *data.draw(st.lists(QUERIES, min_size=1, max_size=4))):
            assert ledger.spend(query) == plain.spend(query)
        verified = ledger.verify()
        assert (verified.intact, verified.entries) == (True, len(entries))
        assert ledger.remove("demo") == plain.remove("demo")
        assert ledger.spend(EVER) == plain.spend(EVER)
        assert ledger.verify().intact
