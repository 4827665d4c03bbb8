"""The composition root: settings become parts, parts become one ASGI application; nothing else names adapters."""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from gateway.admit import Planner
from gateway.api.app import make_api
from gateway.forward import Forwarder
from gateway.house import House
from gateway.ingress import Ingress
from gateway.journal.journal import Journal
from gateway.journal.orphans import recover_orphans
from gateway.journal.shipper import Shipper
from gateway.keys import read_pepper
from gateway.ledger.errors import LedgerDown
from gateway.ledger.open import open_ledger
from gateway.metrics import METRICS_DIR, Metrics
from gateway.prices.book import PriceBook, read_book
from gateway.record import Recorder
from gateway.registry import Registry
from gateway.reload import changed_at, reloaded
from gateway.settings import Settings
from gateway.wire import sweep

REFRESH_S = 0.5
"""A revoked key stops working within this time and one look at the ledger (T76: at most 5 s)."""

FLUSH_S = 0.1
RELOAD_LOOK_S = 1.0
STALL_LOOK_S, STALL_MIN_S = 0.1, 0.02
"""The loop is looked at this often, and lateness below the second is the kernel's as often as ours."""

SHIP_REST_S = 5.0
"""What is not shipped by then stays in the journal and is shipped at the next start."""

log = logging.getLogger("weighbridge")


def build(settings: Settings, worker: int) -> tuple[House, Ingress]:
    """Make the parts of one worker process; blocks while the journal recovers. Raises BadSettings and OSError."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    pepper = read_pepper(settings.data_dir)
    ledger = open_ledger(settings.ledger_url, settings.data_dir)
    registry = Registry(pepper)
    book = read_book(settings.price_overrides)
    journal = Journal.open(
        journal_dir(settings, worker),
        durability=settings.durability,
        group_ms=settings.group_ms,
        segment_bytes=settings.segment_bytes,
    )
    metrics = Metrics(settings.data_dir / METRICS_DIR if settings.workers > 1 else None)
    house = House(
        settings=settings,
        planner=Planner(settings, book),
        book=book,
        registry=registry,
        ledger=ledger,
        journal=journal,
        shipper=Shipper(journal, ledger, retention_s=settings.journal_retention_s),
        forwarder=Forwarder(),
        recorder=Recorder(metrics.registry, _known(registry, book, settings), log_calls=settings.log_calls),
        pepper=pepper,
        metrics=metrics,
    )
    return house, Ingress(house, make_api(house))


def journal_dir(settings: Settings, worker: int) -> Path:
    """Give a worker's own journal directory."""
    return settings.data_dir / "journal" / str(worker)


@contextlib.asynccontextmanager
async def running(house: House, worker: int) -> AsyncIterator[None]:
    """Keep the process's own work going while requests are served; at the end everything is in journal and ledger."""
    loop = asyncio.get_running_loop()
    house.shipper.start()
    await _look_at_registry(house)
    works = (_refresh, _flush, _watch_files, _watch_loop) + ((_adopt,) if worker == 0 else ())
    tasks = [asyncio.create_task(_keep(work, house)) for work in works]
    tasks.append(asyncio.create_task(sweep()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await house.forwarder.close()
        await loop.run_in_executor(None, _close, house)


async def _keep(work: Callable[[House], Awaitable[None]], house: House) -> None:
    """Keep one piece of work going to its end: what goes wrong in it is logged, and it begins again."""
    while True:
        try:
            return await work(house)
        except Exception:
            # An edge of the process: a full disk under the log must not end the refreshing of keys.
            log.exception("background_work_failed", extra={"work": work.__name__})
            await asyncio.sleep(REFRESH_S)


async def _refresh(house: House) -> None:
    """Learn of new and revoked keys, and show how things stand."""
    while True:
        await asyncio.sleep(REFRESH_S)
        await _look_at_registry(house)
        metrics, shipper = house.metrics, house.shipper
        metrics.in_flight.set(house.in_flight)
        metrics.drains.set(house.drains)
        metrics.unshipped.set(shipper.lag_records)
        metrics.lag.set(shipper.lag_s)
        metrics.conflicts.set(shipper.conflicts)
        metrics.ready.set(0 if house.problem() else 1)
        metrics.ledger_down.set(1 if house.ledger_problem else 0)


async def _look_at_registry(house: House) -> None:
    """Fold in what the book has more of. While the book is away the keys known so far keep working (F44)."""
    try:
        await asyncio.to_thread(house.registry.refresh, house.ledger)
    except LedgerDown as down:
        if house.ledger_problem is None:
            log.warning("ledger_unreachable", extra={"reason": str(down)})
        house.ledger_problem = str(down)
        return
    if house.ledger_problem is not None:
        log.info("ledger_reachable")
    house.ledger_problem, house.registry_read = None, True


async def _adopt(house: House) -> None:
    """Ship what workers left that are not started any more, since there are fewer of them now."""
    settings = house.settings
    root, keep = settings.data_dir / "journal", set(range(settings.workers))
    found = await asyncio.to_thread(recover_orphans, root, keep, house.ledger, retention_s=settings.journal_retention_s)
    for orphan in found:
        said = {"directory": str(orphan.directory), "shipped": orphan.shipped, "uncertain": orphan.uncertain}
        log.warning("journal_adopted", extra={**said, "reason": orphan.problem})


async def _flush(house: House) -> None:
    """Write the calls' log lines, off the loop: whoever reads them may be slow."""
    while True:
        await asyncio.sleep(FLUSH_S)
        if house.recorder.waiting:
            await asyncio.to_thread(house.recorder.flush, sys.stdout)


async def _watch_loop(house: House) -> None:
    """Show what was counted, and by how much the loop is late: what keeps it busy keeps every call waiting (F59)."""
    while True:
        due = time.monotonic() + STALL_LOOK_S
        await asyncio.sleep(STALL_LOOK_S)
        house.recorder.publish()
        late = time.monotonic() - due
        if late > STALL_MIN_S:
            house.metrics.stalls.inc(late)


async def _watch_files(house: House) -> None:
    """Take over the configuration when its files change."""
    seen = changed_at(house)
    while True:
        await asyncio.sleep(RELOAD_LOOK_S)
        now = await asyncio.to_thread(changed_at, house)
        if now != seen:
            seen = now
            await asyncio.to_thread(reloaded, house)


def _close(house: House) -> None:
    try:
        house.recorder.flush(sys.stdout)
    except OSError:
        log.exception("log_lines_lost")
    house.shipper.stop(drain_s=SHIP_REST_S)
    house.journal.close()
    house.ledger.close()


def _known(registry: Registry, book: PriceBook, settings: Settings) -> Callable[[str, str], bool]:
    """Say for a metric's label whether its value is one of ours: clients make up others without end."""
    names = frozenset(name for model in settings.models for name in (model.name, *model.aliases))

    def known(label: str, value: str) -> bool:
        return value in registry.teams if label == "team" else value in names or book.knows(value)

    return known
