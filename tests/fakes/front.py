"""A house as the registry and the API see it: real parts over a ledger in memory, at a time that stands still."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from gateway.change_rules import NewApplication, NewInitiative, NewKey, NewTeam
from gateway.changes import Changes
from gateway.errors import Refused
from gateway.identify import authenticate
from gateway.ledger.entry import Call, Entry, Ledger
from gateway.records import By, Principal, Role
from gateway.registry import Registry
from gateway.secret import Secret
from gateway.settings import Model, Provider, Settings
from policies.pricing import Price, Rate
from tests.fakes.ledger import MemoryLedger

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PEPPER = Secret("0123456789abcdef" * 4)
BY = By(actor="cli")

SETTINGS = Settings(
    data_dir=Path("/nowhere"),
    providers=(Provider("echo", "http://127.0.0.1:1", ("openai",), api_key=Secret("sk-provider-canary-0001")),),
    models=(Model("small", ("echo/small-1",), ("tiny",)), Model("large", ("echo/large-1",))),
)


class OnePrice:
    """Knows the price of small-1 and of nothing else."""

    def find(self, provider_name: str, model: str, at: datetime) -> Price | None:
        rates = (Rate("input", 150_000_000), Rate("output", 600_000_000))
        return Price("echo", model, "echo/small-1@1", "test", "2026-01-01", rates) if model == "small-1" else None


class FakeFront:
    """The parts the API reads from; `changes` to fill them by the real door."""

    def __init__(self, ledger: Ledger | None = None, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.book = OnePrice()
        self.pepper = PEPPER
        self.ledger = ledger if ledger is not None else MemoryLedger()
        self.registry = Registry(PEPPER)
        self.changes = Changes(self.ledger, self.registry, PEPPER)

    def team(self, *names: str) -> None:
        for name in names:
            self.changes.create_team(NewTeam(id=name, cost_centre=f"cc-{name}"), by=BY, now=NOW)

    def initiative(self, name: str, **changes: object) -> None:
        self.changes.create_initiative(NewInitiative(id=name, **changes), by=BY, now=NOW)

    def application(self, name: str, **changes: object) -> None:
        self.changes.create_application(NewApplication(id=name, **changes), by=BY, now=NOW)

    def key(self, role: Role = "member", **changes: object) -> tuple[Principal, str]:
        principal, key = self.changes.create_key(NewKey(role=role, **changes), by=BY, now=NOW)
        assert key is not None
        return principal, key

    def call(self, number: int, *, key_id: str, occurred_at: datetime = NOW, **changes: object) -> str:
        """Book one call; gives its request id."""
        request_id = f"req_{number:032x}"
        plain = Call(
            request_id=request_id,
            state="settled",
            operation="chat",
            dialect="openai",
            provider_name="echo",
            request_model="small-1",
            status=200,
            response_id=f"chatcmpl-{number}",
            billed_cost=1_000,
            key_id=key_id,
        )
        call = msgspec.structs.replace(plain, **changes)
        self.ledger.append((entry(f"{request_id}:call", "call", call, occurred_at),))
        return request_id


def entry(entry_id: str, kind: str, body: object, at: datetime = NOW, source: str = "gateway") -> Entry:
    raw = msgspec.Raw(msgspec.json.encode(body))
    return Entry(id=entry_id, kind=kind, occurred_at=at, recorded_at=at, source=source, body=raw)


def code(change: Callable[[], object]) -> tuple[str, int]:
    """Give the code and status that `change` is refused with, in words fit for people."""
    with pytest.raises(Refused) as refused:
        change()
    assert refused.value.refusal.message.isprintable()
    assert len(refused.value.refusal.message) < 300
    return refused.value.refusal.code, refused.value.refusal.status


def elsewhere(front: FakeFront) -> FakeFront:
    """Give another process that has read the book so far."""
    other = FakeFront(front.ledger)
    other.registry.refresh(front.ledger)
    return other


def opened(front: FakeFront, key: str) -> Principal:
    return authenticate(front.registry, [(b"x-api-key", key.encode())], PEPPER, NOW)
