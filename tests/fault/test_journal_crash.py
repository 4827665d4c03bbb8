"""Processes that are killed, or lose power, at every operation of their disk: nothing promised is lost or doubled.

Guarantees G1, G2, G3, G5 and G6; crash points C01, C02, C13 to C16 and C19 to C22 of the journal and its shipper.
"""

import itertools
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from gateway.journal.journal import Journal
from gateway.journal.shipper import Shipper
from gateway.journal.verify import verify_journal
from gateway.ledger.sqlite import open_sqlite
from tests.fakes.calls import COST_UPPER
from tests.fakes.disk import fast_directory
from tests.fault.journal_worker import JOURNAL, LEDGER, PROMISES, Order, Report

OPERATIONS_MAX = 120
"""More than a child's work takes; a sweep ends at the first child that lives."""

Say = Callable[[str], None]


class Worker:
    """The process that forks a child for each order."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fault.journal_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )

    def run(self, order: Order) -> Report:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Report)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def fresh() -> Iterator[Callable[[], Path]]:
    """Make an empty directory at each call."""
    with fast_directory() as root:
        numbers = itertools.count()

        def make() -> Path:
            path = root / str(next(numbers))
            path.mkdir()
            return path

        yield make


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n    {text}", end="")

    return say


@dataclass(slots=True)
class Counts:
    """What was killed and what was found, over many runs."""

    kills: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    settled: int = 0
    uncertain: int = 0
    torn: int = 0
    duplicates: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills.total()} kills, {self.requests} requests: {self.settled} settled, {self.uncertain} "
            f"uncertain, 0 lost, 0 double; {self.torn} torn tails cut, {self.duplicates} entries shipped again"
        )


def checked(directory: Path, counts: Counts, *, power_cut: bool = False, acked_kept: bool = True) -> None:
    """Start again after a death, ship everything, and hold the book against what was promised.

    A power cut may take back what was begun and not answered, and leave later records without earlier ones.
    """
    promised = [line.split() for line in (directory / PROMISES).read_text().splitlines()]
    begun = {words[1] for words in promised if words[0] == "begun"}
    durable = max((int(words[1]) for words in promised if words[0] == "durable"), default=0)
    acked = {words[1] for words in promised if words[0] == "acked" and (acked_kept or int(words[2]) <= durable)}
    journal = Journal.open(directory / JOURNAL, durability="group", group_ms=1, segment_bytes=4096)
    ledger = open_sqlite(directory / LEDGER)
    shipper = Shipper(journal, ledger, retention_s=3600)
    shipper.ship()
    assert journal.open_requests == 0
    rows = [row.entry for row in ledger.entries(limit=10_000)]
    calls = [entry.call() for entry in rows if entry.kind == "call"]
    states = {call.request_id: call.state for call in calls}
    assert len(calls) == len(states), "a request has two terminal entries"
    assert all(states.get(request_id) == "settled" for request_id in acked), "an answered request is lost"
    assert power_cut or begun <= states.keys(), "a request that was begun has no terminal entry"
    for call in calls:
        if call.state == "uncertain":
            assert (call.reason, call.cost_lower, call.cost_upper) == ("gateway_died", 0, COST_UPPER)
    attempts = {entry.id.split(":")[0] for entry in rows if entry.kind == "attempt"}
    settled = {request_id for request_id, state in states.items() if state == "settled"}
    # An end is one record: a call that is there has its attempts.
    assert attempts == {request_id for request_id in settled if int(request_id.rsplit("_", 1)[1]) % 2 == 0}
    assert ledger.conflicts() == ()
    assert power_cut or shipper.gaps == 0
    shipper.stop(0)
    journal.close()
    ledger.close()
    found = verify_journal(directory / JOURNAL)
    assert {problem.kind for problem in found.problems} <= ({"corrupt", "gap"} if power_cut else set())
    assert found.unended == 0
    counts.requests += len(states)
    counts.settled += len(settled)
    counts.uncertain += len(states) - len(settled)
    counts.torn += sum(problem.kind == "torn" for problem in journal.recovered.problems)
    counts.duplicates += shipper.duplicates


@pytest.mark.parametrize("fault", ["kill", "half_kill", "kill_after"])
def test_F55_a_kill_at_any_disk_operation_loses_nothing_and_doubles_nothing(
    worker: Worker, fresh: Callable[[], Path], say: Say, fault: str
):
    counts = Counts()
    for at in range(1, OPERATIONS_MAX):
        directory = fresh()
        report = worker.run(Order(directory=str(directory), at=at, fault=fault))
        if report.signal == signal.SIGKILL:
            counts.kills[fault] += 1
        checked(directory, counts)
        if report.signal == 0 and at > len(report.operations):
            break
    assert counts.kills.total() >= 15
    assert counts.settled > counts.kills.total()
    assert counts.uncertain > 0
    say(f"{fault}: {counts}")


SEGMENT_WRITE, SEGMENT_SYNC, NEW_NAME, CHECKPOINT = "write .*seg", "sync .*seg", "sync_directory ", "rename checkpoint"

CRASH_POINTS = {
    # The first write begins the segment, two intents and a note follow, then the two ends.
    "C01-before-intent": (SEGMENT_WRITE, 2, "kill", 0, 0),
    "C02-after-intent": (SEGMENT_WRITE, 2, "kill_after", 0, 1),
    "C13-before-end": (SEGMENT_WRITE, 5, "kill", 0, 2),
    "C14-half-of-end": (SEGMENT_WRITE, 5, "half_kill", 0, 2),
    "C14-half-of-second-end": (SEGMENT_WRITE, 6, "half_kill", 1, 1),
    "C15-after-end-before-sync": (SEGMENT_WRITE, 6, "kill_after", 2, 0),
    "C16-after-sync": (SEGMENT_SYNC, 3, "kill_after", None, None),
    "C19-new-segment-unnamed": (NEW_NAME, 2, "kill", None, None),
    "C19-new-segment-named": (NEW_NAME, 2, "kill_after", None, None),
    "C20-before-checkpoint": (CHECKPOINT, 1, "kill", None, None),
    "C20-after-checkpoint": (CHECKPOINT, 1, "kill_after", None, None),
}
"""Where to die, and how many requests are settled and uncertain then; None where threads decide."""


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_F55_each_crash_point_of_the_journal_leaves_one_end_for_each_request(
    worker: Worker, fresh: Callable[[], Path], point: str
):
    on, at, fault, settled, uncertain = CRASH_POINTS[point]
    counts, directory = Counts(), fresh()
    report = worker.run(Order(directory=str(directory), requests=4, on=on, at=at, fault=fault))
    assert report.signal == signal.SIGKILL
    checked(directory, counts)
    assert settled is None or (counts.settled, counts.uncertain) == (settled, uncertain)
    assert counts.torn == (fault == "half_kill")


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("fault", ["kill", "kill_after"])
def test_F55_C21_C22_a_kill_before_or_after_a_commit_of_the_ledger_ships_each_entry_once(
    worker: Worker, fresh: Callable[[], Path], fault: str, batch: int
):
    counts, directory = Counts(), fresh()
    report = worker.run(Order(directory=str(directory), requests=12, batch=batch, batch_fault=fault))
    assert report.signal == signal.SIGKILL
    checked(directory, counts)
    if fault == "kill_after":
        assert counts.duplicates > 0


def test_F55_a_kill_in_the_middle_of_a_recovery_is_recovered_from(worker: Worker, fresh: Callable[[], Path], say: Say):
    counts = Counts()
    for at in range(1, OPERATIONS_MAX):
        directory = fresh()
        # One request has ended, of the other half of the end is written.
        report = worker.run(Order(directory=str(directory), on=SEGMENT_WRITE, at=6, fault="half_kill"))
        assert report.signal == signal.SIGKILL
        for fault in ("half_kill", "kill_after"):
            report = worker.run(Order(directory=str(directory), requests=0, at=at, fault=fault))
            counts.kills[fault] += report.signal == signal.SIGKILL
        checked(directory, counts)
        if report.signal == 0:
            break
    assert counts.kills.total() > 40
    assert (counts.settled, counts.uncertain) == (at, at)
    say(str(counts))


@pytest.mark.parametrize("durability", ["strict", "group"])
def test_F55_a_power_cut_at_any_disk_operation_takes_back_nothing_that_was_synced(
    worker: Worker, fresh: Callable[[], Path], say: Say, durability: str
):
    counts = Counts()
    for at in range(1, OPERATIONS_MAX):
        directory = fresh()
        order = Order(directory=str(directory), at=at, durability=durability, power_seed=at, fault="half_kill")
        report = worker.run(order)
        counts.kills[durability] += report.signal == signal.SIGKILL
        # In strict whoever was answered is in the book; in group, whoever was synced. Begun requests may be forgotten.
        checked(directory, counts, power_cut=True, acked_kept=durability == "strict")
        if report.signal == 0 and at > len(report.operations):
            break
    assert counts.kills.total() >= 40
    say(f"power cut, {durability}: {counts}")


def test_F55_restarts_that_are_killed_at_random_lose_nothing(worker: Worker, fresh: Callable[[], Path], say: Say):
    _random_kills(worker, fresh(), say, kills=40)


@pytest.mark.heavy
def test_F55_a_thousand_random_kills_lose_nothing(worker: Worker, fresh: Callable[[], Path], say: Say):
    for seed in range(1, 21):
        _random_kills(worker, fresh(), say, kills=50, seed=seed)


def _random_kills(worker: Worker, directory: Path, say: Say, kills: int, seed: int = 0) -> None:
    """Kill a gateway and its successors on one journal: at an operation, or at any instruction."""
    chance, counts = random.Random(seed), Counts()
    for number in itertools.count():
        if counts.kills.total() >= kills:
            break
        order = Order(
            directory=str(directory),
            prefix=f"req{number}",
            requests=chance.randint(1, 100),
            durability=chance.choice(("process", "group", "strict")),
            segment_bytes=chance.choice((4096, 2**16)),
            at=chance.randint(20, 500),
            fault=chance.choice(("kill", "half_kill", "kill_after")),
            batch=chance.choice((0, 0, 0, 3)),
            batch_fault=chance.choice(("kill", "kill_after")),
            after_ms=chance.choice((None, chance.randint(5, 60))),
        )
        counts.kills["random"] += worker.run(order).signal == signal.SIGKILL
    checked(directory, counts)
    say(str(counts))
