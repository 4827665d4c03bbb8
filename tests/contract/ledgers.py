"""The ledger's engines under test, each behind the same handle, and entries such as a gateway writes."""

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from gateway.ledger.entry import Call, Entry, Ledger, SpendQuery
from gateway.ledger.open import open_ledger
from policies.money import NanoUsd, priced
from policies.pricing import Charge, total
from policies.usage import Usage
from tests.contract import postgres
from tests.fakes.ledger import MemoryLedger

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVER = SpendQuery(since=NOON - timedelta(days=400), until=NOON + timedelta(days=400))

MODELS = (("openai", "gpt-5.2"), ("openai", "gpt-5.2-mini"), ("anthropic", "claude-opus-4-8"), ("google", "gemini-3"))


@dataclass(frozen=True)
class Engine:
    """One store: opened as often as a test likes, and, where it speaks SQL, touched behind the ledger's back."""

    name: str
    url: str
    open: Callable[[], Ledger]
    sql: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


@contextmanager
def engine(name: str, folder: Path) -> Iterator[Engine]:
    """Give an engine whose book is empty, and close what was opened."""
    opened: list[Ledger] = []

    def keep(ledger: Ledger) -> Ledger:
        opened.append(ledger)
        return ledger

    try:
        if name == "memory":
            shared = MemoryLedger()
            yield Engine(name, "", lambda: shared, _no_sql)
        elif name == "sqlite":
            path = folder / "ledger.sqlite"
            yield Engine(name, f"sqlite:{path}", lambda: keep(open_ledger(f"sqlite:{path}", folder)), _sqlite(path))
        else:
            url = postgres.database_url()
            yield Engine(name, url, lambda: keep(open_ledger(url, folder)), _postgres(url))
    finally:
        for ledger in opened:
            ledger.close()


def call_entry(number: int, call: dict[str, Any] | None = None, **envelope: Any) -> Entry:
    """Give the end of the request with this number: the same arguments give the same entry, to the byte.

    `call` changes fields of its body, the other arguments the entry itself.
    """
    chance = random.Random(number)
    provider_name, model = MODELS[chance.randrange(len(MODELS))]
    charges, usage = _weighed(chance)
    fields = {
        "request_id": f"req_{number:032x}",
        "state": "settled",
        "operation": "chat",
        "dialect": "openai",
        "provider_name": provider_name,
        "request_model": model,
        "response_model": f"{model}-2026-08-01",
        "response_id": f"chatcmpl-{chance.getrandbits(128):032x}",
        "status": 200,
        "streamed": True,
        "duration_ms": chance.randrange(300, 20_000),
        "upstream_ms": chance.randrange(300, 20_000),
        "time_to_first_chunk_ms": chance.randrange(100, 900),
        "usage": usage,
        "charges": charges,
        "billed_cost": total(charges),
        "price_version": "2026-10-01",
        "initiative_status": "ok",
        "session_id": f"session-{chance.getrandbits(64):x}",
        "client": "claude-code",
        "input_bytes": usage.input_tokens * 4,
        "output_bytes": usage.output_tokens * 4,
    }
    body = Call(**(fields | _attributed(chance) | (call or {})))
    kind = envelope.get("kind", "call")
    occurred_at = envelope.get("occurred_at", NOON + timedelta(seconds=number))
    envelope = {
        "id": f"{body.request_id}:{kind}",
        "kind": kind,
        "occurred_at": occurred_at,
        "recorded_at": occurred_at + timedelta(seconds=2),
        "source": "gateway",
        "body": msgspec.Raw(msgspec.json.encode(body)),
    } | envelope
    return Entry(**envelope)


def other_entry(number: int, kind: str = "team", body: bytes = b'{"op":"created"}', **envelope: Any) -> Entry:
    """Give an entry that is no call."""
    moment = NOON + timedelta(seconds=number)
    fields = {"id": f"{kind}:{number}", "occurred_at": moment, "recorded_at": moment, "source": "management"}
    return Entry(**({"kind": kind, "body": msgspec.Raw(body)} | fields | envelope))


def _weighed(chance: random.Random) -> tuple[tuple[Charge, ...], Usage]:
    """Give three charge lines and the usage they are for."""
    input_tokens, output_tokens = chance.randrange(200, 20_000), chance.randrange(1, 3_000)
    cached = chance.randrange(input_tokens)
    lines = (("input", input_tokens - cached, 3), ("cache_read", cached, 1), ("output", output_tokens, 15))
    charges = []
    for meter, quantity, dollars in lines:
        rate = NanoUsd(int(dollars * 1_000_000_000))
        charges.append(Charge(meter, quantity, rate, 1_000_000, "standard", priced(quantity, rate, 1_000_000)))  # type: ignore[arg-type]
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_input_tokens=cached)
    return tuple(charges), usage


def _attributed(chance: random.Random) -> dict[str, Any]:
    """Give one of 200 people's key and tags: 12 teams, three initiatives each, three workflows."""
    person = chance.randrange(200)
    team = person % 12
    tags = {
        "team": f"team-{team:02d}",
        "initiative": f"PROJ-{team * 10 + chance.randrange(3)}",
        "application": f"app-{person % 6}",
        "person": f"per_{person:032x}",
        "environment": "production" if chance.random() < 0.8 else "test",
        "workflow": ("triage", "review", "draft")[chance.randrange(3)],
        "cost_centre": f"cc-{person % 4}",
    }
    sources = {"team": "locked_key", "initiative": "header", "person": "key_default", "workflow": "header"}
    return {"key_id": f"key_{person:04d}", "tags": tags, "tag_sources": sources}


def _no_sql(sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    raise AssertionError("memory speaks no SQL")


def _sqlite(path: Path) -> Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]:
    def run(sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(path)
        try:
            with connection:
                return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    return run


def _postgres(url: str) -> Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]:
    def run(sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(url, options="-c search_path=weighbridge") as connection:
            cursor = connection.execute(sql.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []

    return run
