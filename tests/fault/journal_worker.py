"""A process that journals and ships, and dies where it is told: python -m tests.fault.journal_worker

It reads orders, one JSON object a line, and forks a child for each, so that a death costs milliseconds. What the
child has promised it notes in a file beside the journal: "begun ID" once an intent is written, "acked ID" once a
client would have had its last bytes, "durable N" when the power goes.
"""

import asyncio
import itertools
import os
import random
import re
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from gateway.journal.journal import Durability, Journal
from gateway.journal.shipper import Shipper
from gateway.ledger.entry import Appended, Entry, Ledger
from gateway.ledger.sqlite import open_sqlite
from tests.fakes.calls import attempt_of, end_of, intent_of, note_of
from tests.fakes.disk import Fault, Operation, PowerCutDisk, ScriptedDisk, die

PROMISES, LEDGER, JOURNAL = "promises", "ledger.sqlite", "journal"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a child does, and where it dies: at a batch of the ledger, at the `at`-th of its disk's operations
    (with `on`, of those whose name and file this pattern matches), or at whatever it does after so many ms."""

    directory: str
    prefix: str = "req"
    requests: int = 5
    durability: Durability = "group"
    segment_bytes: int = 4096
    at: int = 0
    on: str = ""
    fault: str = "kill"
    batch: int = 0
    batch_fault: str = "kill"
    power_seed: int | None = None
    after_ms: int | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How a child ended: the signal, or 0; and what was asked of its disk if it lived."""

    signal: int
    operations: tuple[str, ...] = ()


class DyingLedger:
    """A real ledger; the process dies before or after it has committed a batch."""

    def __init__(self, ledger: Ledger, batch: int, fault: str) -> None:
        self._ledger, self._left, self._fault = ledger, batch, fault

    def append(self, entries: tuple[Entry, ...]) -> Appended:
        self._left -= 1
        if self._left == 0 and self._fault == "kill":
            die()
        done = self._ledger.append(entries)
        if self._left == 0:
            die()
        return done


def work(order: Order) -> tuple[str, ...]:
    """Carry requests; gives the disk's operations, if the process lives that long."""
    directory = Path(order.directory)
    promises = os.open(directory / PROMISES, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(text: str) -> None:
        os.write(promises, f"{text}\n".encode())

    matching = itertools.count(1)

    def script(operation: Operation) -> Fault | None:
        if not re.match(order.on, f"{operation.name} {operation.path}") or next(matching) != order.at:
            return None
        return cast("Fault", order.fault)

    disk = ScriptedDisk(script)
    if order.power_seed is not None:
        chance = random.Random(order.power_seed)
        disk = PowerCutDisk(script, chance, lambda: note(f"durable {journals[0].durable_sequence if journals else 0}"))
    journals: list[Journal] = []
    ledger = open_sqlite(directory / LEDGER)
    journal = Journal.open(
        directory / JOURNAL,
        durability=order.durability,
        group_ms=1,
        segment_bytes=order.segment_bytes,
        disk=disk,
    )
    journals.append(journal)
    shipper = Shipper(journal, DyingLedger(ledger, order.batch, order.batch_fault), retention_s=3600)
    shipper.start()
    asyncio.run(_carry(journal, shipper, order, note))
    shipper.stop(10)
    journal.close()
    ledger.close()
    return tuple(f"{operation.name} {operation.path}" for operation in disk.done)


async def _carry(journal: Journal, shipper: Shipper, order: Order, note: Callable[[str], None]) -> None:
    """Carry requests, two at a time, the first of which has an absorbed attempt."""
    sequence = 0
    for number in range(0, order.requests, 2):
        ids = [f"{order.prefix}_{each}" for each in range(number, min(number + 2, order.requests))]
        for request_id in ids:
            journal.intent(intent_of(request_id))
            note(f"begun {request_id}")
        journal.append(note_of(f"note_{ids[0]}"))
        for request_id in ids:
            absorbed = (attempt_of(request_id, 0),) if request_id == ids[0] else ()
            sequence = journal.end(request_id, end_of(request_id), absorbed)
            await journal.durable(sequence)
            note(f"acked {request_id} {sequence}")
        if number % 4 == 0:
            await asyncio.to_thread(shipper.wait_shipped, sequence, 10)


def child(order: Order, answer: int) -> None:
    """Work and tell, then leave without a word to anyone."""
    try:
        report = Report(signal=0, operations=work(order))
        os.write(answer, msgspec.json.encode(report))
    finally:
        os._exit(0)


def main() -> None:
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            child(order, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            if order.after_ms is not None:
                select.select([pipe], [], [], order.after_ms / 1000)
                os.kill(pid, signal.SIGKILL)
            told = pipe.read()
        _, status = os.waitpid(pid, 0)
        died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        report = msgspec.json.decode(told, type=Report) if told else Report(signal=died)
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
