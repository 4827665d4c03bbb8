"""Several processes on one book, some of them killed: each acknowledged entry is there once, and the chain holds."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.ledgers import EVER, Engine, engine

WRITER = """
import sys
from pathlib import Path
from gateway.ledger.open import open_ledger
from tests.contract.ledgers import call_entry
ledger = open_ledger(sys.argv[1], Path("."))
for batch in range(int(sys.argv[2]), int(sys.argv[3])):
    ledger.append(tuple(call_entry(number) for number in range(batch * 10, batch * 10 + 15)))
    print(batch, flush=True)
"""


@pytest.fixture(params=("sqlite", "postgres"))
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with engine(request.param, tmp_path) as found:
        yield found


def writer(book: Engine, start: int, end: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, book.url, str(start), str(end)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_start_and_write_at_once_share_one_book(book: Engine) -> None:
    # Nobody has made the tables yet: they all try.
    writers = [writer(book, start, start + 8) for start in (0, 4, 4, 8)]
    for process in writers:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    ledger = book.open()
    numbers = sorted(int(row.entry.call().request_id.removeprefix("req_"), 16) for row in ledger.entries(limit=10_000))
    assert numbers == list(range(165))
    assert [row.position for row in ledger.entries()] == list(range(1, 166))
    assert sum(row.calls for row in ledger.spend(EVER)) == 165
    assert ledger.verify().intact


@pytest.mark.parametrize("seed", [1, 2])
def test_F55_C21_C22_a_writer_that_is_killed_leaves_whole_batches_and_all_it_acknowledged(
    book: Engine, seed: int
) -> None:
    ledger, wait = book.open(), random.Random(seed).randrange(1, 12)
    process = writer(book, 0, 10_000)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(wait)]
    process.kill()
    acknowledged += [int(line) for line in process.stdout.read().split("\n") if line.strip()]
    process.communicate()
    found = {int(row.entry.call().request_id.removeprefix("req_"), 16) for row in ledger.entries(limit=10_000)}
    assert found >= {number for batch in acknowledged for number in range(batch * 10, batch * 10 + 15)}
    assert len(found) % 10 == 5
    assert ledger.verify().intact
    assert sum(row.calls for row in ledger.spend(EVER)) == len(found)
