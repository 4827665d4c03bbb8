"""Of two that change the same at once, in threads or processes, the book's first wins and the other is told."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.change_rules import NewApplication, NewInitiative, NewKey, NewTeam
from gateway.changes import Changes
from gateway.ledger.open import open_ledger
from gateway.records import Principal
from gateway.registry import Registry
from tests.fakes.front import BY, NOW, PEPPER, FakeFront, code, elsewhere, opened
from tests.fakes.ledger import MemoryLedger

ROOT = Path(__file__).parents[2]


class Between(MemoryLedger):
    """Lets another process write just before the next entry is added: the moment every check is too early for."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Callable[[], object] | None = None

    def append(self, entries):
        first, self.first = self.first, None
        if first is not None:
            first()
        return super().append(entries)


@pytest.fixture
def rivals() -> tuple[Between, Changes, Changes]:
    ledger = Between()
    one, other = FakeFront(ledger), FakeFront(ledger)
    one.team("search")
    one.initiative("PROJ-1")
    return ledger, one.changes, other.changes


RACES: list[Callable[[Changes], object]] = [
    lambda changes: changes.create_team(NewTeam(id="same"), by=changes.by("cli"), now=NOW),
    lambda changes: changes.create_application(NewApplication(id="same"), by=BY, now=NOW),
    lambda changes: changes.create_person("ada", by=BY, now=NOW),
    lambda changes: changes.create_initiative(NewInitiative(id="SAME-1"), by=BY, now=NOW),
    lambda changes: changes.alias_initiative("PROJ-1", "same", by=BY, now=NOW),
    lambda changes: changes.close_initiative("PROJ-1", by=BY, now=NOW),
]


@pytest.mark.parametrize("race", range(len(RACES)))
def test_of_two_processes_that_change_the_same_the_books_first_wins(
    rivals: tuple[Between, Changes, Changes], race: int
) -> None:
    ledger, one, other = rivals
    ledger.first = lambda: RACES[race](other)
    assert code(lambda: RACES[race](one)) == ("changed_meanwhile", 409)
    fresh = Registry(PEPPER)
    fresh.refresh(ledger)
    changed = [placed.entry.id for placed in ledger.entries()]
    assert [fresh.void(entry_id) for entry_id in changed[-2:]] == [False, True]


def test_T77_one_request_sent_to_two_processes_at_once_makes_one_key(rivals: tuple[Between, Changes, Changes]) -> None:
    ledger, one, other = rivals
    by = one.by("k", idempotency_key="once", request=b"r")
    made: list[tuple[Principal, str | None]] = []
    ledger.first = lambda: made.append(other.create_key(NewKey(team="search"), by=by, now=NOW))
    principal, key = one.create_key(NewKey(team="search"), by=by, now=NOW)
    assert key is None
    assert made[0][0] == principal
    assert made[0][1] is not None
    fresh = Registry(PEPPER)
    fresh.refresh(ledger)
    assert list(fresh.keys) == [principal.key_id]


def test_T64_of_two_processes_that_start_at_once_one_gets_the_first_admin_key(
    rivals: tuple[Between, Changes, Changes],
) -> None:
    ledger, one, other = rivals
    keys: list[str | None] = []
    ledger.first = lambda: keys.append(other.first_admin_key(NOW))
    assert one.first_admin_key(NOW) is None
    assert keys[0] is not None


STARTING = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.changes import Changes
from gateway.keys import read_pepper
from gateway.ledger.open import open_ledger
from gateway.registry import Registry
data = Path(sys.argv[1])
pepper = read_pepper(data)
ledger = open_ledger("sqlite", data)
changes = Changes(ledger, Registry(pepper), pepper)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(changes.first_admin_key(datetime.now(UTC))), flush=True)
ledger.close()
"""


def test_T64_eight_processes_at_once_make_exactly_one_first_admin_key(tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", STARTING, str(tmp_path)]
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) for _ in range(8)]
    said = []
    try:
        for one in running:
            assert one.stdout.readline() == "ready\n"
        for one in running:
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [json.loads(one.stdout.readline()) for one in running]
        assert [one.wait(timeout=30) for one in running] == [0] * 8
    finally:
        for one in running:
            one.kill()
            one.wait()
            one.stdin.close()
            one.stdout.close()
    assert sum(key is not None for key in said) == 1
    ledger = open_ledger("sqlite", tmp_path)
    registry = Registry(PEPPER)
    registry.refresh(ledger)
    ledger.close()
    assert [one.role for one in registry.keys.values()] == ["admin"]


def test_many_threads_over_one_registry_make_what_each_asked_for(tmp_path: Path) -> None:
    ledger = open_ledger("sqlite", tmp_path)
    front = FakeFront(ledger)
    front.team("search")

    def make(number: int) -> str:
        _, key = front.changes.create_key(NewKey(team="search", name=str(number)), by=BY, now=NOW)
        assert key is not None
        return opened(front, key).name

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(make, range(40))) == [str(number) for number in range(40)]
    assert len(elsewhere(front).registry.keys) == 40
    ledger.close()
