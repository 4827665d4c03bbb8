"""How fast the ledger takes entries in, sums and proves them: `python -m tests.bench.ledger [calls]`."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from gateway.ledger.entry import Ledger, SpendQuery
from tests.contract.ledgers import NOON, call_entry, engine

DAYS = 30
START = NOON.replace(hour=0)
SEVEN_HOURS = timedelta(hours=7)

QUESTIONS: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
    (("team", "initiative", "request_model"), {}),
    (("day", "team"), {}),
    ((), {}),
    (("request_model",), {"team": "team-03"}),
    (("workflow",), {"person": f"per_{7:032x}"}),
)


def main(calls: int) -> None:
    """Fill each engine with `calls` calls of 1.6 KB in 30 days, and print what was measured."""
    for name in ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory() as folder, engine(name, Path(folder)) as book:
            measure(name, book.open(), calls)


def measure(name: str, ledger: Ledger, calls: int) -> None:
    """Print what one engine does."""
    for batch in (500, 1000):
        print(f"{name}: append in batches of {batch}: {filled(ledger, calls // 2, batch):,.0f} entries/s", flush=True)
    for by, where in QUESTIONS:
        for shift, ends in ((timedelta(), "whole days"), (SEVEN_HOURS, "ragged ends")):
            query = SpendQuery(since=START + shift, until=START + timedelta(days=DAYS) - shift, by=by, where=where)
            took = median_ms(lambda query=query: ledger.spend(query))
            print(f"{name}: spend by {'+'.join(by) or 'nothing'} {where or ''} {ends}: {took:.0f} ms", flush=True)
    (one,) = (row.entry.call() for row in ledger.entries(after=calls // 3, limit=1))
    print(f"{name}: find {median_ms(lambda: ledger.find(one.request_id)):.2f} ms")
    print(f"{name}: find_response {median_ms(lambda: ledger.find_response(one.response_id or '')):.2f} ms")
    began = time.perf_counter()
    assert ledger.verify().intact
    print(f"{name}: verify {calls / (time.perf_counter() - began):,.0f} entries/s", flush=True)


def filled(ledger: Ledger, calls: int, batch: int) -> float:
    """Append `calls` calls spread over the days; gives entries for each second spent in the ledger."""
    spent = 0.0
    for start in range(0, calls, batch):
        numbers = range(start, start + batch)
        at = [START + timedelta(days=DAYS) * number / calls for number in numbers]
        entries = tuple(
            call_entry(number, {"request_id": f"req_{batch:04}_{number:012}"}, occurred_at=moment)
            for number, moment in zip(numbers, at, strict=True)
        )
        began = time.perf_counter()
        ledger.append(entries)
        spent += time.perf_counter() - began
    return calls / spent


def median_ms(ask: Callable[[], object]) -> float:
    """Give the median of five."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
